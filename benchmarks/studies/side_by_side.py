"""Draw comparison figures of images without a ground truth: the input and the output of several models.

    python benchmarks/studies/side_by_side.py derain runs/mine --images rain800/test_nature --half left -o sheets

Each row shows an image, then each model's output, with the names at the top. Writes sheets/sheet-01.png,
sheets/sheet-02.png and so on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import clearer
from clearer.data.folders import list_images
from clearer.images.types import Uint8Pixels
from clearer.images.view import read_image

_GAP, _HEAD = 4, 18


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names, weight files or runs")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--half", choices=["whole", "left", "right"], default="whole", help="part of each image")
    parser.add_argument("--width", type=int, default=480, help="width of each image in pixels")
    parser.add_argument("--rows", type=int, default=6, help="images per figure")
    parser.add_argument("--limit", type=int, help="read only the first N images")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the figures")
    given = parser.parse_args()
    restorers = [clearer.load(model) for model in given.models]
    files = list_images(given.images)[: given.limit]
    given.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(files), given.rows):
        rows = []
        for file in files[start : start + given.rows]:
            image = halved(read_image(file, 3), given.half)
            rows.append([shrunk(image, given.width), *(shrunk(r.restore(image), given.width) for r in restorers)])
        place = given.out / f"sheet-{start // given.rows + 1:02d}.png"
        sheet(rows, ["input", *(Path(model).name for model in given.models)], given.width).save(place)
        print(place)


def halved(image: Uint8Pixels, half: str) -> Uint8Pixels:
    middle = image.shape[1] // 2
    return {"whole": image, "left": image[:, :middle], "right": image[:, middle:]}[half]


def shrunk(image: Uint8Pixels, width: int) -> Image.Image:
    small = Image.fromarray(np.ascontiguousarray(image))
    if small.width <= width:
        return small
    return small.resize((width, round(small.height * width / small.width)), Image.Resampling.LANCZOS)


def sheet(rows: list[list[Image.Image]], names: list[str], width: int) -> Image.Image:
    heights = [max(cell.height for cell in row) for row in rows]
    size = (len(names) * (width + _GAP) - _GAP, _HEAD + sum(heights) + _GAP * (len(rows) - 1))
    whole = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(whole)
    for column, name in enumerate(names):
        draw.text((column * (width + _GAP) + 2, 3), name, fill="black")
    top = _HEAD
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            whole.paste(cell, (column * (width + _GAP), top))
        top += height + _GAP
    return whole


if __name__ == "__main__":
    main()
