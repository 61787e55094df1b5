"""sheets.json and its crops as figures: a row a noise level, a column a method."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clearer.core.files import read_json, write_text
from clearer.images.view import read_image
from clearer.report.figures import COLORS, INK, MUTED, save_figure

# Pixels at 100 dpi. A cell is twice the usual crop, so that each of its pixels is a square.
DPI, SHARPNESS = 100, 200
CELL, GAP, MARGIN = 192, 10, 16
WHOLE, LEAST = 264, 100  # of the whole image: its greatest width, and what its heading needs
HEAD, NUMBERS, LABEL, LINE = 19, 30, 40, 19
LETTERS = 22  # of a method's name, in a line of its column's head
BOX = COLORS[4]

Bytes = npt.NDArray[np.uint8]
FIGURE_OF = {"denoise": "Figures 5 and 6", "derain": "Figure 7"}


def redraw(out: str | Path) -> None:
    """Write every sheet and sheets.md from sheets.json and the crops alone."""
    out = Path(out)
    result = read_json(out / "sheets.json")
    for sheet in result["sheets"]:
        save_figure(sheet_figure(out, sheet), out / f"{sheet['name']}.png", dpi=SHARPNESS)
    write_text(out / "sheets.md", as_markdown(result))


def as_markdown(result: dict[str, Any]) -> str:
    """Return the sheets with their captions."""
    lines = ["# Figures 5 to 7: images restored by each method", ""]
    for sheet in result["sheets"]:
        lines += [f"![{sheet['name']}]({sheet['name']}.png)", "", f"In the manner of {FIGURE_OF[sheet['task']]}. "]
        notes = [f"{name}: {text}." for name, text in sheet["notes"].items()]
        lines[-1] += " ".join([*caption(sheet), *notes]) + "\n"
    return "\n".join(lines)


def caption(sheet: dict[str, Any]) -> list[str]:
    """Return what is said beneath a sheet, a sentence or two each."""
    crop, names = sheet["crop"], [row["protocol"] for row in sheet["rows"]]
    noise = ""
    if sheet["rows"][0]["sigma"] is not None:
        noise = f", noise of seed (0, {sheet['place']}) as in evaluation"
    numbers = "PSNR (dB) / SSIM below each cell are those of the whole image, not of the crop"
    if len(sheet["columns"]) > 1:
        numbers += "; bold: the best of the row"
    return [
        f"{sheet['image']} of {sheet['data']}, {sheet['width']}x{sheet['height']} pixels; "
        f"by {', '.join(names)}{noise}.",
        f"Every cell shows the same {crop['side']}x{crop['side']} pixels, from row {crop['top']} and column "
        f"{crop['left']}, enlarged. {numbers}.",
    ]


def sheet_figure(out: Path, sheet: dict[str, Any]) -> Figure:
    """Return one sheet: the whole image at the left, then input, methods and truth in a row a level."""
    heads = ["input", *sheet["columns"], "truth"]
    wrapped = [textwrap.wrap(head, LETTERS) or [""] for head in heads]
    top = MARGIN + HEAD * max(map(len, wrapped)) + 6
    row_height = CELL + NUMBERS
    rows_end = top + len(sheet["rows"]) * row_height
    whole = read_image(out / sheet["whole"], 3)
    zoom = min(WHOLE / whole.shape[1], (rows_end - top - NUMBERS) / whole.shape[0])
    size = (max(1, round(whole.shape[1] * zoom)), max(1, round(whole.shape[0] * zoom)))
    left = MARGIN + max(size[0], LEAST) + LABEL
    width = left + len(heads) * (CELL + GAP) - GAP + MARGIN
    words = [line for text in caption(sheet) for line in textwrap.wrap(text, int((width - 2 * MARGIN) / 7.2))]
    height = rows_end + 10 + LINE * len(words) + MARGIN
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, width), ylim=(height, 0))  # pixels, downwards
    canvas.set_axis_off()

    _write(canvas, MARGIN, top - 6 - HEAD / 2, "whole image", ha="left", color=MUTED, size=9.5)
    axes = _show(figure, whole, (MARGIN, top, *size), smooth=True)
    scale, crop = whole.shape[1] / sheet["width"], sheet["crop"]
    corner = (crop["left"] * scale - 0.5, crop["top"] * scale - 0.5)
    axes.add_patch(Rectangle(corner, crop["side"] * scale, crop["side"] * scale, fill=False, ec=BOX, lw=1.6))
    for index, lines in enumerate(wrapped):
        for i, text in enumerate(reversed(lines)):  # the last line of every head stands on its column
            own = 0 < index < len(heads) - 1
            middle = left + index * (CELL + GAP) + CELL / 2
            _write(canvas, middle, top - 6 - HEAD * (i + 0.5), text, size=10.5, color=INK if own else MUTED)
    for index, row in enumerate(sheet["rows"]):
        _draw_row(figure, canvas, out, sheet, row, (left, top + index * row_height))
    for i, text in enumerate(words):
        _write(canvas, MARGIN, rows_end + 10 + LINE * (i + 0.5), text, ha="left", color=MUTED, size=9)
    return figure


def _draw_row(
    figure: Figure, canvas: Axes, out: Path, sheet: dict[str, Any], row: dict[str, Any], corner: tuple[int, int]
) -> None:
    left, top = corner
    label = "rain" if row["sigma"] is None else f"$\\sigma$ = {row['sigma']:g}"
    _write(canvas, left - LABEL / 2 + 2, top + CELL / 2, label, math=True, rotation=90, size=10.5)
    best = best_of(row)
    cells = [row["input"], *(row["cells"][name] for name in sheet["columns"]), {"crop": sheet["truth"]}]
    for index, cell in enumerate(cells):
        x = left + index * (CELL + GAP)
        if cell is None:
            canvas.add_patch(Rectangle((x, top), CELL, CELL, fc="#f1f3f6", ec="#c3c9cf", lw=0.8))
            _write(canvas, x + CELL / 2, top + CELL / 2, "not for this level", size=9.5, color=MUTED)
            continue
        _show(figure, read_image(out / cell["crop"], 3), (x, top, CELL, CELL))
        if "psnr" not in cell:
            continue
        own = 0 < index < len(cells) - 1
        # Two texts about a stroke: each may be bold without the other.
        middle, y = x + CELL / 2, top + CELL + NUMBERS / 2 - 2
        _write(canvas, middle, y, "/", size=10.5, color=MUTED)
        for key, side, place in (("psnr", "right", middle - 7), ("ssim", "left", middle + 7)):
            weight = "bold" if own and _shown(cell, key) == best.get(key) else "normal"
            _write(canvas, place, y, _shown(cell, key), ha=side, size=10.5, weight=weight, color=INK if own else MUTED)


def best_of(row: dict[str, Any]) -> dict[str, str]:
    """Return the highest PSNR and SSIM among the methods of a row, as written; nothing of one method alone."""
    cells = [cell for cell in row["cells"].values() if cell is not None]
    if len(cells) < 2:
        return {}
    return {key: _shown(max(cells, key=lambda cell: float(cell[key])), key) for key in ("psnr", "ssim")}


def _shown(cell: dict[str, Any], key: str) -> str:
    return f"{cell[key]:.2f}" if key == "psnr" else f"{cell[key]:.4f}"


def _show(figure: Figure, image: Bytes, box: tuple[int, int, int, int], smooth: bool = False) -> Axes:
    """Draw an image into (left, top, width, height) in pixels of the figure."""
    width, height = figure.get_size_inches() * DPI
    x, y, w, h = box
    axes = figure.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))
    axes.imshow(image, interpolation="lanczos" if smooth else "nearest", aspect="auto")
    axes.set_axis_off()
    return axes


def _write(canvas: Axes, x: float, y: float, text: str, math: bool = False, **look: Any) -> None:
    artist = canvas.text(x, y, text, **{"ha": "center", "va": "center", "color": INK, **look})
    artist.set_parse_math(math)  # names of methods and files may hold dollar signs
