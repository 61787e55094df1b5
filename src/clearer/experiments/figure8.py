"""Figure 8, of this project: real rain, for which there is no ground truth, as each derainer restores it.

Restored images are kept, so that a repeated call restores only what is new. The figure is drawn from figure8.json and
the images alone.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from matplotlib.figure import Figure

from clearer.core.errors import UserError
from clearer.core.files import read_json, read_shaped, shaped, write_json, write_text
from clearer.data.folders import find_items
from clearer.experiments.figures5_7_page import CELL, DPI, GAP, HEAD, LETTERS, MARGIN, SHARPNESS, show_image, write_on
from clearer.experiments.restored_cache import as_bytes
from clearer.images.types import Uint8Pixels
from clearer.images.view import read_image, write_image
from clearer.methods.base import Method
from clearer.report.comparison import detail_crop
from clearer.report.figures import INK, MUTED, save_figure

CROP = 160  # pixels, the side of the square that is shown
NAME = "figure8.json"
SAME = 0.25
"""Two halves are the same photograph if they differ by less than this share of its contrast: JPEG changes each."""


class RealImage(TypedDict):
    """A row: an image, the square that is shown (top, left, side in pixels), and the crops by column."""

    image: str
    crop: tuple[int, int, int]
    cells: dict[str, str]


class Figure8(TypedDict):
    """figure8.json."""

    data: str
    columns: list[str]
    notes: dict[str, str]
    left_out: list[str]
    rows: list[RealImage]


def figure8(
    out: str | Path,
    methods: Sequence[Method],
    rain: str | Path,
    images: int = 6,
    progress: Callable[[int, int], None] | None = None,
) -> Figure8:
    """Restore rainy photographs by each derainer and draw the same square of all results.

    Args:
        out: the folder for figure8.json, figure8.png, crops/ and restored/.
        methods: those for rain are shown, one column each.
        rain: a folder of rainy color images; of files with the same photograph twice, side by side, one is taken.
        images: number of images, evenly spread over the names.
        progress: called with the number of cells done and of all cells.

    Raises:
        UserError: there is no derainer or no image, or a method does not return a finite image.
    """
    out = Path(out)
    derainers = [method for method in methods if "rain" in (method.degradation, *method.also)]
    if not derainers:
        raise UserError("methods: none removes rain; give one with --models or --classical")
    names = ["input", *(method.name for method in derainers)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"method {name!r}: two columns of this name; rename one with NAME=PATH")
    items = sorted(find_items(rain, "clean"), key=lambda item: item.name)
    places = np.unique(np.linspace(0, len(items) - 1, images).round().astype(int))
    rows: list[RealImage] = []
    for place in places:
        item = items[place]
        image = _once(read_image(item.clean, 3))
        side = min(CROP, *image.shape[:2])
        top, left = detail_crop(image, side, side)
        cells: dict[str, str] = {}
        for column in ("input", *(method.name for method in derainers)):
            method = next((one for one in derainers if one.name == column), None)
            restored = image if method is None else _restored(method, image, item.name, out)
            cells[column] = f"crops/{_file(item.name, column)}.png"
            write_image(out / cells[column], restored[top : top + side, left : left + side])
            if progress is not None and method is not None:
                progress(len(rows) * len(derainers) + len(cells) - 1, len(places) * len(derainers))
        rows.append({"image": item.name, "crop": (top, left, side), "cells": cells})
    result: Figure8 = {
        "data": Path(rain).name, "columns": list(rows[0]["cells"]), "rows": rows,
        "notes": {method.name: method.notes for method in derainers if method.notes},
        "left_out": [method.name for method in methods if method not in derainers],
    }  # fmt: skip
    write_json(out / NAME, result)
    redraw(out)
    return result


def _once(image: Uint8Pixels) -> Uint8Pixels:
    """Return one half of a file that holds the same photograph twice, side by side, as those of Rain800 do."""
    half = image.shape[1] // 2
    left, right = (part.astype(np.float32) for part in (image[:, :half], image[:, -half:]))
    contrast = float(np.abs(left - left.mean()).mean())
    return image[:, :half] if half and float(np.abs(left - right).mean()) < SAME * contrast else image


def _file(image: str, column: str) -> str:
    digest = hashlib.sha256(f"{image}\n{column}".encode()).hexdigest()[:8]
    return f"{Path(image).stem}-{digest}"


def _restored(method: Method, image: np.ndarray, name: str, out: Path) -> np.ndarray:
    """Return the restored image, 8 bits; the kept one if method and image are the same."""
    file = out / "restored" / _file(name, method.name)
    key = {"method": method.sha256, "setup": method.setup, "image": hashlib.sha256(image.tobytes()).hexdigest()}
    facts, kept = file.with_suffix(".json"), file.with_suffix(".png")
    if kept.is_file() and facts.is_file() and read_shaped(facts, dict[str, str]) == key:
        return read_image(kept, 3)
    found = np.asarray(method.restore((image / 255).astype(np.float32), None))
    if found.shape != image.shape or not np.isfinite(found).all():
        raise UserError(f"{method.name}: its image of {name} has another shape, or values that are not finite")
    restored = as_bytes(found.clip(0, 1))
    facts.unlink(missing_ok=True)  # if the process stops here, no image has the key of another
    write_image(kept, restored)
    write_json(facts, key)
    return restored


def redraw(out: str | Path) -> None:
    """Write figure8.png and figure8.md from figure8.json and the images in crops/ alone."""
    out = Path(out)
    result = shaped(read_json(out / NAME), out / NAME, Figure8)
    save_figure(drawn(out, result), out / "figure8.png", dpi=SHARPNESS)
    notes = " ".join(f"{name}: {text}." for name, text in result["notes"].items())
    names = ", ".join(row["image"] for row in result["rows"])
    text = (
        f"![figure8](figure8.png)\n\nReal rain, without ground truth: {names} of {result['data']}; of each, the same "
        f"square of {result['rows'][0]['crop'][2]} pixels, where the image has most detail. {notes}\n"
    )
    write_text(out / "figure8.md", f"# Figure 8: real rain\n\n{text}")


def drawn(out: Path, result: Figure8) -> Figure:
    """Return the figure: a row of cells an image, the names of the methods above."""
    columns, rows = result["columns"], result["rows"]
    width = 2 * MARGIN + len(columns) * (CELL + GAP) - GAP
    heads = [textwrap.wrap(name, LETTERS) for name in columns]
    head = HEAD * max(map(len, heads)) + 6
    height = 2 * MARGIN + head + len(rows) * (CELL + GAP) - GAP
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, width), ylim=(height, 0))  # pixels, downwards
    canvas.set_axis_off()
    for k, name in enumerate(columns):
        left = MARGIN + k * (CELL + GAP)
        for place, line in enumerate(reversed(heads[k])):
            base = MARGIN + head - 6 - HEAD * (place + 0.5)
            write_on(canvas, left + CELL / 2, base, line, size=10.5, color=MUTED if k == 0 else INK)
        for index, row in enumerate(rows):
            top = MARGIN + head + index * (CELL + GAP)
            show_image(figure, read_image(out / row["cells"][name], 3), (left, top, CELL, CELL), smooth=True)
    return figure
