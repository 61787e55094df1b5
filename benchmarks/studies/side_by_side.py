"""Pictures without a truth, as several models restore them: one sheet for so many pictures, to be looked at.

    python benchmarks/studies/side_by_side.py derain runs/mine --pictures rain800/test_nature --half left -o sheets

Each row is a picture: as it is, then as each model makes it, named at the top. Files are sheets/sheet-01.png and on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import clearer
from clearer.images.uint8 import Pixels, list_pictures, read_picture

_GAP, _HEAD = 4, 18


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names, weight files or runs")
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--half", choices=["whole", "left", "right"], default="whole", help="of each picture")
    parser.add_argument("--width", type=int, default=480, help="of each picture on the sheet, in pixels")
    parser.add_argument("--rows", type=int, default=6, help="pictures on a sheet")
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the folder for the sheets")
    given = parser.parse_args()
    restorers = [clearer.load(model) for model in given.models]
    files = list_pictures(given.pictures)[: given.limit]
    given.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(files), given.rows):
        rows = []
        for file in files[start : start + given.rows]:
            picture = halved(read_picture(file, 3), given.half)
            rows.append([shrunk(picture, given.width), *(shrunk(r.restore(picture), given.width) for r in restorers)])
        place = given.out / f"sheet-{start // given.rows + 1:02d}.png"
        sheet(rows, ["as it is", *(Path(model).name for model in given.models)], given.width).save(place)
        print(place)


def halved(picture: Pixels, half: str) -> Pixels:
    middle = picture.shape[1] // 2
    return {"whole": picture, "left": picture[:, :middle], "right": picture[:, middle:]}[half]


def shrunk(picture: Pixels, width: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.width <= width:
        return image
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def sheet(rows: list[list[Image.Image]], names: list[str], width: int) -> Image.Image:
    heights = [max(image.height for image in row) for row in rows]
    size = (len(names) * (width + _GAP) - _GAP, _HEAD + sum(heights) + _GAP * (len(rows) - 1))
    whole = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(whole)
    for column, name in enumerate(names):
        draw.text((column * (width + _GAP) + 2, 3), name, fill="black")
    top = _HEAD
    for row, height in zip(rows, heights, strict=True):
        for column, image in enumerate(row):
            whole.paste(image, (column * (width + _GAP), top))
        top += height + _GAP
    return whole


if __name__ == "__main__":
    main()
