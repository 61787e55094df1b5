"""Draw docs/images/rain.png: synthetic rain of several settings on a photograph that scikit-image ships.

python tools/make_rain_image.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import skimage
import torch
from PIL import Image, ImageDraw

from clearer.degradations.rain import Rain
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import read_image

PLACE = Path(__file__).parents[1] / "docs" / "images" / "rain.png"
SIDE, GAP, LINE = 256, 6, 18
SHOWN: list[tuple[str, Rain | None, int]] = [
    ("clean", None, 0),
    ("as a recipe draws it", Rain(), 1),
    ("as a recipe draws it", Rain(), 2),
    ("as a recipe draws it", Rain(), 7),
    ("density 0.0005", Rain(density=(0.0005, 0.0005), layers=(2, 2)), 3),
    ("density 0.02", Rain(density=(0.02, 0.02), layers=(2, 2)), 3),
    ("length 100, angle 30", Rain(length=(100, 100), angle=(30, 30), layers=(2, 2)), 3),
    ("haze 0.5", Rain(haze=(0.5, 0.5), layers=(2, 2)), 3),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    photograph = read_image(Path(skimage.__file__).parent / "data" / "coffee.png", 3)[72:328, 172:428]
    clean = to_batch(photograph).float() / 255
    columns = 4
    rows = -(-len(SHOWN) // columns)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) - GAP, rows * (SIDE + LINE + GAP) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (text, how, seed) in enumerate(SHOWN):
        image = clean if how is None else how.apply(clean, torch.Generator().manual_seed(seed))
        levels = to_array((image * 255).round().to(torch.uint8))
        x, y = k % columns * (SIDE + GAP), k // columns * (SIDE + LINE + GAP)
        sheet.paste(Image.fromarray(levels), (x, y))
        draw.text((x + 2, y + SIDE + 3), text, fill="black")
    sheet.quantize(256, dither=Image.Dither.NONE).save(PLACE, optimize=True)


if __name__ == "__main__":
    main()
