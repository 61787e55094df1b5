"""Draw models/NAME/examples.jpg: what a model restores, and its limits, on photographs that scikit-image ships.

    python tools/make_card_images.py [NAME ...]

Each row has the degraded image, the restored one and the clean one, with PSNR. The image is put below the limits in
the model's README.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skimage
import torch
from PIL import Image, ImageDraw

import clearer
from clearer.core.files import write_text
from clearer.degradations.registry import degradation_from_dict
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import read_image
from clearer.inference.restorer import Restorer

MODELS = Path(__file__).parents[1] / "models"
SIDE, GAP, LINE = 208, 4, 16
PLACES = {"astronaut": (20, 150), "camera": (60, 150), "coffee": (90, 200), "chelsea": (40, 110), "grass": (100, 100)}
"""Photographs, with the top left corner of what is shown."""

Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A row of the image: a photograph, what it is degraded by (None: nothing), and the caption."""

    caption: str
    photograph: str
    degradation: dict[str, Any] | None = None


COARSE = {"kind": "correlated", "sigma": 25, "blur": 2, "stretch": 1}
RAW = {"processed": 0, "scaled": 0, "banding": 0, "hot": 0}
CAMERA = {"kind": "camera", "iso": 6400, **RAW}
NOISE_THEN_JPEG = [{"kind": "gaussian", "sigma": 15}, {"kind": "jpeg", "quality": 50}]
FINE = Case("limit: fine texture without noise", "grass")
GRAY = [
    Case("white noise, sigma 25", "camera", {"kind": "gaussian", "sigma": 25}),
    Case("limit: noise blurred by 2 pixels", "camera", COARSE),
    FINE,
]
COLOR = [
    Case("white noise, sigma 25", "astronaut", {"kind": "gaussian", "sigma": 25}),
    Case("limit: noise blurred by 2 pixels", "coffee", COARSE),
    FINE,
]
PHOTO = [Case("noise of a camera, ISO 6400", "chelsea", CAMERA), Case(COLOR[1].caption, "coffee", COARSE), FINE]
JPEG = [
    Case("JPEG, quality 20", "astronaut", {"kind": "jpeg", "quality": 20}),
    Case("limit: noise, then JPEG", "coffee", {"kind": "chain", "steps": NOISE_THEN_JPEG}),
]
RAIN = [
    Case("synthetic rain", "chelsea", {"kind": "rain"}),
    Case("limit: no rain, fine texture", "grass"),
]
CASES = {"denoise-gray": GRAY, "denoise-color": COLOR, "denoise-photo": PHOTO, "dejpeg": JPEG, "derain": RAIN}
TIERS = ("", "-fast", "-best")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (default: all that have cases)")
    known = [f"{name}{tier}" for name in CASES for tier in TIERS if (MODELS / f"{name}{tier}").is_dir()]
    for name in parser.parse_args().names or known:
        add_image(name)


def add_image(name: str) -> None:
    """Draw the image of a model that has cases, and put it into the model's README."""
    cases = CASES.get(re.sub("-(fast|best)$", "", name))
    if cases is None:
        return
    image = drawn(clearer.load(name, "cpu", "fp32"), cases)
    image.save(MODELS / name / "examples.jpg", quality=88, subsampling=0, optimize=True)
    page = MODELS / name / "README.md"
    write_text(page, with_image(page.read_text(), cases))


def with_image(text: str, cases: list[Case]) -> str:
    """Return a model's README with the image at the end of its limits."""
    text = re.sub(r"!\[[^\]]*\]\(examples\.jpg\)\n\n", "", text)
    shown = "; ".join(case.caption for case in cases)
    return text.replace("\n## License\n", f"\n![Degraded, restored, clean: {shown}](examples.jpg)\n\n## License\n", 1)


def drawn(restorer: Restorer, cases: list[Case]) -> Image.Image:
    """Return the image: a row for each case."""
    channels = restorer.architecture.channels
    height = SIDE + LINE + GAP
    page = Image.new("RGB", (3 * (SIDE + GAP) - GAP, len(cases) * height - GAP), "white")
    draw = ImageDraw.Draw(page)
    for row, case in enumerate(cases):
        clean = photograph(case.photograph, channels)
        given = clean if case.degradation is None else degraded(clean, case.degradation)
        restored = restorer.restore(given)
        captions = (f"{case.caption}: {psnr(given, clean)}", f"restored: {psnr(restored, clean)}", "clean")
        for column, (image, caption) in enumerate(zip((given, restored, clean), captions, strict=True)):
            place = (column * (SIDE + GAP), row * height)
            page.paste(Image.fromarray(levels(image).squeeze()).convert("RGB"), (place[0], place[1] + LINE))
            draw.text((place[0], place[1] + 2), caption, fill="black", font_size=10)
    return page


def photograph(name: str, channels: int) -> Pixels:
    """Return a part of a photograph, (SIDE, SIDE, channels) float32 in [0, 1]."""
    top, left = PLACES[name]
    pixels = read_image(Path(skimage.__file__).parent / "data" / f"{name}.png", channels)
    return (pixels[top : top + SIDE, left : left + SIDE] / 255).astype(np.float32)


def degraded(clean: Pixels, how: dict[str, Any]) -> Pixels:
    """Return the image with a degradation, with seed 0."""
    batch = degradation_from_dict(how).apply(to_batch(clean), torch.Generator().manual_seed(0))
    return to_array(batch)


def levels(image: Pixels) -> Pixels:
    """Return the image as uint8."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def psnr(image: Pixels, clean: Pixels) -> str:
    """Return the PSNR of what is shown, in words."""
    error = np.mean((levels(image).astype(float) - levels(clean)) ** 2)
    return "clean" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB"


if __name__ == "__main__":
    main()
