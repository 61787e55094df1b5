"""Draw docs/images/degradation-KIND.jpg: a row of a photograph that scikit-image ships, for every kind of degradation.

python tools/make_degradation_images.py [KIND ...]
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

import skimage
import torch
from PIL import Image, ImageDraw

from clearer.degradations.base import Degradation
from clearer.degradations.registry import DEGRADATIONS, degradation_from_dict
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import read_image

FOLDER = Path(__file__).parents[1] / "docs" / "images"
SIDE, GAP, LINE, LINES = 160, 4, 12, 3
OTHERS = ("rain",)
"""Kinds that another tool draws."""
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
SENSOR = {"processed": 0, "scaled": 0, "banding": 0, "hot": 0}
"""Camera noise without what follows the sensor."""
SHOWN: dict[str, list[dict[str, Any]]] = {
    "gaussian": [
        {"sigma": 15},
        {"sigma": 30},
        {"sigma": 50},
        {"sigma": 30, "channel_correlation": 1},
        {"sigma": 30, "channel_spread": 1},
    ],
    "correlated": [
        {"sigma": 30, "blur": 0.5, "stretch": 1},
        {"sigma": 30, "blur": 1, "stretch": 1},
        {"sigma": 30, "blur": 2, "stretch": 1},
        {"sigma": 30, "blur": 1.5, "stretch": 3},
        {"sigma": 30, "blur": 1, "stretch": 1, "channel_correlation": 1},
    ],
    "poisson-gaussian": [
        {"photons": 1000, "read": 0},
        {"photons": 100, "read": 0},
        {"photons": 20, "read": 0},
        {"photons": 1000, "read": 20},
        {"photons": 20, "read": 20, "clip": True},
    ],
    "speckle": [{"looks": 100}, {"looks": 20}, {"looks": 4}, {"looks": 1}, {"looks": 4, "law": "gaussian"}],
    "camera": [
        {"iso": 1600, **SENSOR},
        {"iso": 6400, **SENSOR},
        {"iso": 25600, **SENSOR},
        {"iso": 25600, **SENSOR, "processed": 1},
        {"iso": 25600, **SENSOR, "processed": 1, "scaled": 1},
    ],
    "jpeg": [
        {"quality": 40},
        {"quality": 10},
        {"quality": 10, "subsampling": 444},
        {"quality": 30, "twice": 1, "first_quality": 10},
        {"quality": 10, "aligned": 0},
    ],
    "resize": [
        {"factor": 2, "down": "bicubic", "up": "bicubic"},
        {"factor": 4, "down": "bicubic", "up": "bicubic"},
        {"factor": 4, "down": "nearest", "up": "bicubic"},
        {"factor": 4, "down": "area", "up": "nearest"},
        {"factor": 4, "down": "lanczos", "up": "bilinear"},
    ],
    "blur": [
        {"shape": "gaussian", "sigma": 1},
        {"shape": "gaussian", "sigma": 3},
        {"shape": "disk", "radius": 4},
        {"shape": "motion", "length": 15, "angle": 0},
        {"shape": "motion", "length": 15, "angle": 45},
    ],
}
"""Settings that the row of a kind shows. Others show their range by `SHARES`, or several draws of the defaults."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="kinds to draw (default: all)")
    photograph = read_image(Path(skimage.__file__).parent / "data" / "astronaut.png", 3)
    clean = to_batch(photograph[60 : 60 + SIDE, 140 : 140 + SIDE]).float() / 255
    for kind in parser.parse_args().kinds or DEGRADATIONS:
        if DEGRADATIONS.get(kind).needs_pairs or kind in OTHERS:
            continue
        row = drawn([("clean", None), *variants(kind)], clean)
        row.save(FOLDER / f"degradation-{kind}.jpg", quality=85, subsampling=0, optimize=True)


def variants(kind: str) -> list[tuple[str, Degradation]]:
    """Return the degradations that the row of a kind shows, each with its caption."""
    if kind in SHOWN:
        return [(in_words(stated), degradation_from_dict({"kind": kind, **stated})) for stated in SHOWN[kind]]
    how = degradation_from_dict({"kind": kind})
    levels = [how.at_level(share) for share in SHARES]
    if len(how.components()) > 1 or len({level.effect() for level in levels}) < len(levels):
        return [(f"defaults, draw {k}", how) for k in range(1, len(SHARES) + 1)]
    return [(level.effect(), level) for level in levels]


def in_words(stated: dict[str, Any]) -> str:
    """Return settings as a caption."""
    return ", ".join(f"{key} {str(value).lower()}" for key, value in stated.items() if SENSOR.get(key) != value)


def drawn(shown: list[tuple[str, Degradation | None]], clean: torch.Tensor) -> Image.Image:
    """Return a row of images with captions; image k is degraded with seed k."""
    row = Image.new("RGB", (len(shown) * (SIDE + GAP) - GAP, SIDE + LINES * LINE + 4), "white")
    draw = ImageDraw.Draw(row)
    for k, (text, how) in enumerate(shown):
        image = clean if how is None else how.apply(clean, torch.Generator().manual_seed(k))
        levels = to_array((image.clamp(0, 1) * 255).round().to(torch.uint8))
        row.paste(Image.fromarray(levels), (k * (SIDE + GAP), 0))
        lines = textwrap.wrap(text, SIDE // 6)[:LINES]
        draw.multiline_text((k * (SIDE + GAP) + 2, SIDE + 2), "\n".join(lines), fill="black", spacing=1)
    return row


if __name__ == "__main__":
    main()
