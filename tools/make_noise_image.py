"""Draw docs/images/noise.png: what `clearer doctor --figure` draws for two kinds of noise on three photographs.

python tools/make_noise_image.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import skimage
import torch
from PIL import Image

from clearer.degradations.registry import degradation_from_dict
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import read_image
from clearer.noise.profile import NoiseProfile, profile_images
from clearer.noise.words import in_words
from clearer.report.noise_figure import save_noise_figure

PLACE = Path(__file__).parents[1] / "docs" / "images" / "noise.png"
PHOTOGRAPHS = ("camera.png", "coffee.png", "chelsea.png")
SHOWN: dict[str, dict[str, Any]] = {
    "sensor": {"kind": "poisson-gaussian", "photons": 100, "read": 4},
    "scanner": {"kind": "correlated", "sigma": 15, "blur": 1, "stretch": 2},
}


def measured(stated: dict[str, Any]) -> NoiseProfile:
    """Return the measured noise of the photographs with a degradation, in 8 bits."""
    how = degradation_from_dict(stated)
    noisy = []
    for k, name in enumerate(PHOTOGRAPHS):
        clean = to_batch(read_image(Path(skimage.__file__).parent / "data" / name, 1)).float() / 255
        image = how.apply(clean, torch.Generator().manual_seed(k))
        noisy.append(to_array((image[0].clamp(0, 1) * 255).round().to(torch.uint8)))
    return profile_images(noisy)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    profiles = {name: measured(stated) for name, stated in SHOWN.items()}
    save_noise_figure(profiles, PLACE)
    with Image.open(PLACE) as image:
        small = image.convert("RGB").resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS)
        small.quantize(64, dither=Image.Dither.NONE).save(PLACE, optimize=True)
    for name, profile in profiles.items():
        print(f"{name}: {' '.join(in_words(profile))}")


if __name__ == "__main__":
    main()
