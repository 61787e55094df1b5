"""The comparison figures of figures57.json: one row a noise level, one column a method."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clearer.core.files import read_json, shaped, write_text
from clearer.core.text import printable
from clearer.experiments.records import ComparisonFigure, FigureRow, Figures57, InputCell
from clearer.images.view import read_image
from clearer.report.figures import COLORS, INK, MUTED, save_figure

# Uint8Pixels at 100 dpi. A cell is twice as wide as the default crop, so that each pixel becomes a square.
DPI, SHARPNESS = 100, 200
CELL, GAP, MARGIN = 192, 10, 16
WHOLE, LEAST = 264, 100  # largest width of the whole image, and smallest width of its column
HEAD, NUMBERS, LABEL, LINE = 19, 30, 40, 19
LETTERS = 22  # characters in a line of a column's head
MOST = 9  # cells side by side; a row of more is broken into lines of equal length
BOX = COLORS[4]

Bytes = npt.NDArray[np.uint8]
FIGURE_OF = {"denoise": "Figures 5 and 6", "derain": "Figure 7"}


NAMES = ("figures57.json", "sheets.json")
"""The file's name, and its name in version 0.1."""


def redraw(out: str | Path) -> None:
    """Write all figures and their captions, from the JSON file and the crops alone.

    The captions stand beside the JSON file under its name, with the suffix .md.
    """
    out = Path(out)
    path = next((out / name for name in NAMES if (out / name).is_file()), out / NAMES[0])
    result = read_figures57(path)
    for figure in result["figures"]:
        save_figure(comparison_figure(out, figure), out / f"{figure['name']}.png", dpi=SHARPNESS)
    write_text(path.with_suffix(".md"), as_markdown(result))


def read_figures57(path: Path) -> Figures57:
    """Read figures57.json, or a sheets.json of version 0.1."""
    value = read_json(path)
    if isinstance(value, dict) and "sheets" in value:
        value["figures"] = value.pop("sheets")
    return shaped(value, path, Figures57)


def as_markdown(result: Figures57) -> str:
    """Return the figures with their captions."""
    lines = ["# Figures 5 to 7: images restored by each method", ""]
    for figure in result["figures"]:
        lines += [f"![{figure['name']}]({figure['name']}.png)", "", f"Like {FIGURE_OF[figure['task']]}. "]
        notes = [f"{name}: {text}." for name, text in figure["notes"].items()]
        lines[-1] += " ".join([*caption(figure), *notes]) + "\n"
    return "\n".join(lines)


def caption(figure: ComparisonFigure) -> list[str]:
    """Return the sentences below a figure."""
    crop, names = figure["crop"], [row["protocol"] for row in figure["rows"]]
    noise = ""
    if figure["rows"][0]["sigma"] is not None:
        noise = f", noise seed (0, {figure['place']}) as in evaluation"
    numbers = "PSNR (dB) / SSIM below each cell are of the whole image, not of the crop"
    seen = figure.get("seen", [])
    if len(figure["columns"]) > 1:
        numbers += "; bold: the best of the row"
        numbers += ", but for those that were trained on this very image, marked with *" if seen else ""
    elif seen:
        numbers += "; *: trained on this very image"
    return [
        f"{figure['image']} of {figure['data']}, {figure['width']}x{figure['height']} pixels; "
        f"protocol {', '.join(names)}{noise}.",
        f"Every cell shows the same {crop['side']}x{crop['side']} pixels, from row {crop['top']} and column "
        f"{crop['left']}, enlarged. {numbers}.",
    ]


class Layout(NamedTuple):
    """The positions of the parts of a figure, in pixels."""

    heads: list[list[str]]  # the lines of each column's head
    per_line: int  # cells side by side
    head: int  # height of the heads above a line of cells
    again: bool  # whether the heads stand above every line, not above the first row alone
    whole: tuple[int, int, int, int]  # left, top, width, height of the whole image
    left: int  # of the first column
    top: int  # of the first row
    text_top: int
    text: list[str]
    size: tuple[int, int]  # width, height

    @classmethod
    def of(cls, figure: ComparisonFigure, whole: Bytes) -> Layout:
        """Lay out a figure whose whole image is ``whole``."""
        seen = figure.get("seen", [])
        columns = [f"{name} *" if name in seen else name for name in figure["columns"]]
        heads = [textwrap.wrap(head, LETTERS) or [""] for head in ("input", *columns, "ground truth")]
        lines = -(-len(heads) // MOST)
        per_line, head = -(-len(heads) // lines), HEAD * max(map(len, heads)) + 6
        top, again = MARGIN + head, lines > 1
        line_height = CELL + NUMBERS + (head if again else 0)
        rows_end = top + len(figure["rows"]) * lines * line_height - (head if again else 0)
        zoom = min(WHOLE / whole.shape[1], (rows_end - top - NUMBERS) / whole.shape[0])
        size = (max(1, round(whole.shape[1] * zoom)), max(1, round(whole.shape[0] * zoom)))
        left = MARGIN + max(size[0], LEAST) + LABEL
        width = left + per_line * (CELL + GAP) - GAP + MARGIN
        letters = int((width - 2 * MARGIN) / 7.2)
        text = [line for sentence in caption(figure) for line in textwrap.wrap(sentence, letters)]
        height = rows_end + 10 + LINE * len(text) + MARGIN
        places = (MARGIN, top, *size), left, top, rows_end + 10, text, (width, height)
        return cls(heads, per_line, head, again, *places)

    def corner(self, row: int, cell: int) -> tuple[int, int]:
        """Return left and top of a cell, which is counted from the input to the ground truth."""
        line, place = divmod(cell, self.per_line)
        lines = -(-len(self.heads) // self.per_line)
        height = CELL + NUMBERS + (self.head if self.again else 0)
        return self.left + place * (CELL + GAP), self.top + (row * lines + line) * height


def comparison_figure(out: Path, shown: ComparisonFigure) -> Figure:
    """Return one comparison figure: the whole image at the left, then input, methods and ground truth in rows.

    Args:
        out: the folder that the files of ``shown`` are relative to.
        shown: its entry in figures57.json.
    """
    whole = read_image(out / shown["whole"], 3)
    layout = Layout.of(shown, whole)
    width, height = layout.size
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, width), ylim=(height, 0))  # pixels, downwards
    canvas.set_axis_off()

    base = layout.top - 6
    write_on(canvas, MARGIN, base - HEAD / 2, "whole image", ha="left", color=MUTED, size=9.5)
    axes = show_image(figure, whole, layout.whole, smooth=True)
    scale, crop = whole.shape[1] / shown["width"], shown["crop"]
    corner = (crop["left"] * scale - 0.5, crop["top"] * scale - 0.5)
    axes.add_patch(Rectangle(corner, crop["side"] * scale, crop["side"] * scale, fill=False, ec=BOX, lw=1.6))
    for index, row in enumerate(shown["rows"]):
        if index == 0 or layout.again:
            _draw_heads(canvas, layout, index)
        _draw_row(figure, canvas, out, shown, row, layout, index)
    for i, text in enumerate(layout.text):
        write_on(canvas, MARGIN, layout.text_top + LINE * (i + 0.5), text, ha="left", color=MUTED, size=9)
    return figure


def _draw_heads(canvas: Axes, layout: Layout, row: int) -> None:
    for index, lines in enumerate(layout.heads):
        left, top = layout.corner(row, index)
        for i, text in enumerate(reversed(lines)):  # the last line of every heading is directly above its column
            own = 0 < index < len(layout.heads) - 1
            middle, base = left + CELL / 2, top - 6 - HEAD * (i + 0.5)
            write_on(canvas, middle, base, text, size=10.5, color=INK if own else MUTED)


def _draw_row(
    figure: Figure, canvas: Axes, out: Path, shown: ComparisonFigure, row: FigureRow, layout: Layout, number: int
) -> None:
    left, top = layout.corner(number, 0)
    label = "rain" if row["sigma"] is None else f"$\\sigma$ = {row['sigma']:g}"
    write_on(canvas, left - LABEL / 2 + 2, top + CELL / 2, label, math=True, rotation=90, size=10.5)
    best, seen = best_of(row, shown.get("seen", [])), (False, *(n in shown.get("seen", []) for n in shown["columns"]))
    cells: list[InputCell | None] = [row["input"], *(row["cells"][name] for name in shown["columns"])]
    for index, cell in enumerate(cells):
        x, top = layout.corner(number, index)
        if cell is None:
            canvas.add_patch(Rectangle((x, top), CELL, CELL, fc="#f1f3f6", ec="#c3c9cf", lw=0.8))
            write_on(canvas, x + CELL / 2, top + CELL / 2, "not for this level", size=9.5, color=MUTED)
            continue
        show_image(figure, read_image(out / cell["crop"], 3), (x, top, CELL, CELL))
        own_best = {} if seen[index] else best
        _write_scores(canvas, cell, (x + CELL / 2, top + CELL + NUMBERS / 2 - 2), index > 0, own_best)
    show_image(figure, read_image(out / shown["truth"], 3), (*layout.corner(number, len(cells)), CELL, CELL))


def _write_scores(canvas: Axes, cell: InputCell, at: tuple[float, float], own: bool, best: dict[str, str]) -> None:
    """Write PSNR and SSIM below a cell; those of a method (``own``) are bold if they are the best of the row."""
    x, y = at
    write_on(canvas, x, y, "/", size=10.5, color=MUTED)
    # Two texts around a slash: each may be bold without the other.
    for key, text, side, place in (("psnr", _psnr(cell), "right", x - 7), ("ssim", _ssim(cell), "left", x + 7)):
        weight = "bold" if own and text == best.get(key) else "normal"
        write_on(canvas, place, y, text, ha=side, size=10.5, weight=weight, color=INK if own else MUTED)


def best_of(row: FigureRow, seen: Sequence[str] = ()) -> dict[str, str]:
    """Return the highest PSNR and SSIM of a row's methods as written; of a single method, nothing.

    The columns of networks that have ``seen`` the image do not count.
    """
    cells = [cell for name, cell in row["cells"].items() if cell is not None and name not in seen]
    if len(cells) < 2:
        return {}
    best = {"psnr": max(cells, key=lambda cell: cell["psnr"]), "ssim": max(cells, key=lambda cell: cell["ssim"])}
    return {"psnr": _psnr(best["psnr"]), "ssim": _ssim(best["ssim"])}


def _psnr(cell: InputCell) -> str:
    return f"{cell['psnr']:.2f}"


def _ssim(cell: InputCell) -> str:
    return f"{cell['ssim']:.4f}"


def show_image(figure: Figure, image: Bytes, box: tuple[int, int, int, int], smooth: bool = False) -> Axes:
    """Draw an image into (left, top, width, height) in pixels of the figure."""
    width, height = figure.get_size_inches() * DPI
    x, y, w, h = box
    axes = figure.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))
    axes.imshow(image, interpolation="lanczos" if smooth else "nearest", aspect="auto")
    axes.set_axis_off()
    return axes


def write_on(canvas: Axes, x: float, y: float, text: str, math: bool = False, **look: Any) -> None:
    """Write a text at a place in pixels of the figure."""
    artist = canvas.text(x, y, printable(text), **{"ha": "center", "va": "center", "color": INK, **look})
    artist.set_parse_math(math)  # names of methods and files may hold dollar signs
