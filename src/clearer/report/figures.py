"""Figures of a search and a training, from plain data to matplotlib figures, SVG and PNG."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clearer.core.errors import UserError
from clearer.core.files import written_whole

INK, MUTED, GRID = "#1f2933", "#66707a", "#e4e7eb"
# Okabe and Ito's colors, in an order that keeps neighbors apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Glyphs as paths look the same everywhere and refer to no font; the salt makes equal figures equal bytes.
SVG_SETTINGS: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "clearer"}

Lines = Sequence[Mapping[str, Any]]  # lines of a metrics.jsonl


def save_figure(figure: Figure, path: str | Path, dpi: float = 150) -> None:
    """Write a figure as SVG or PNG, chosen by the suffix of ``path``.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise UserError(f"{path}: drawings are written as .svg or .png; give the file one of these endings")
    data = svg_text(figure).encode() if kind == "svg" else png_bytes(figure, dpi)
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def svg_text(figure: Figure, prefix: str = "") -> str:
    """Return a figure as one ``<svg>`` element, without XML prologue and metadata.

    All ids get ``prefix``, so that several drawings can stand in one HTML page.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(SVG_SETTINGS):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    if prefix:
        text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text


def png_bytes(figure: Figure, dpi: float = 150) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"optimize": True})
    return buffer.getvalue()


def mixing_weights_over_time(lines: Lines) -> Figure:
    """Probability of parallel of every searched module, the mean gap and the mean entropy over time.

    ``lines`` hold ``mixing_weights`` (M pairs, parallel first) and ``arch_step`` or ``epoch``, and may
    hold ``gap`` and ``entropy``. The gap is the mean of ``|a^p - a^f|`` over the modules (supplement,
    Fig. 2), computed from the mixing_weights where a line lacks it.
    """
    lines = [line for line in lines if line.get("mixing_weights")]
    key = "arch_step" if any(_number(line.get("arch_step")) for line in lines) else "epoch"
    figure = Figure(figsize=(11, 4.2), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.7, 1))
    left, gap, entropy = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    name = "architecture steps" if key == "arch_step" else "epoch"
    dress(left, "probability of parallel, one line a module", name)
    dress(gap, "mean gap between parallel and fusion", "")
    dress(entropy, "mean entropy (0.301: undecided)", name)
    for axes in (left, gap):
        axes.set_ylim(-0.03, 1.03)
    left.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    if not lines:
        return figure
    xs = [float(line.get(key) or 0) for line in lines]
    ends = [float(pair[0]) for pair in lines[-1]["mixing_weights"]]
    for module, place in enumerate(_spread(ends, 0.045, (0, 1))):
        ys = [float(line["mixing_weights"][module][0]) for line in lines]
        color = COLORS[module % len(COLORS)]
        style = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))[module // len(COLORS) % 3]
        left.plot(xs, ys, color=color, linewidth=1.5, linestyle=style)
        # The label stands beside the end of its line, moved only as far as its neighbors need.
        end = (1.035, place)
        arrow = {"arrowstyle": "-", "color": color, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        left.annotate(
            str(module + 1), (1.0, ends[module]), end, xycoords=("axes fraction", "data"), arrowprops=arrow,
            textcoords=("axes fraction", "data"), color=color, size=8, va="center", annotation_clip=False,
        )  # fmt: skip
    left.set_xlim(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1)
    gap.plot(xs, [mean_gap(line["mixing_weights"]) for line in lines], color=COLORS[0], linewidth=1.6)
    known = [(x, y) for x, line in zip(xs, lines, strict=True) if (y := _number(line.get("entropy"))) is not None]
    if known:
        entropy.plot(*zip(*known, strict=True), color=COLORS[1], linewidth=1.6)
    entropy.set_ylim(bottom=0)
    return figure


def mean_gap(mixing_weights: Sequence[Sequence[float]]) -> float:
    """Mean of ``|a^p - a^f|`` over the modules (supplement, caption of Fig. 2)."""
    largest = [sorted(row, reverse=True)[:2] for row in mixing_weights]
    return sum(row[0] - row[1] for row in largest) / len(mixing_weights)


def scatter(mixing_weights: Sequence[Sequence[float]]) -> Figure:
    """The supplement's Figure 2: a point ``(a^p, a^f)`` a searched module, and their mean gap.

    Args:
        mixing_weights: M pairs, parallel first.
    """
    figure = Figure(figsize=(4.4, 4.4), layout="constrained", facecolor="white")
    _scatter(figure.add_subplot(), f"mean gap {mean_gap(mixing_weights):.4f}", mixing_weights)
    return figure


def scatter_beside(rows: Sequence[Sequence[tuple[str, Sequence[Sequence[float]]]]]) -> Figure:
    """The same for several searches: a row of panels for each row of (title, mixing_weights)."""
    columns = max(len(row) for row in rows)
    size = (4.2 * columns, 4.4 * len(rows))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    for r, row in enumerate(rows):
        for c, (title, mixing_weights) in enumerate(row):
            axes = figure.add_subplot(len(rows), columns, r * columns + c + 1)
            _scatter(axes, f"{title}: mean gap {mean_gap(mixing_weights):.4f}", mixing_weights)
    return figure


def _scatter(axes: Axes, title: str, mixing_weights: Sequence[Sequence[float]]) -> None:
    dress(axes, title, r"$\alpha^p$ (parallel)", whole=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_ylabel(r"$\alpha^f$ (fusion)", fontsize=9, color=MUTED)
    axes.plot((0, 1), (1, 0), color=MUTED, linewidth=0.8, zorder=1)
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    places = _spread([float(pair[0]) for pair in mixing_weights], 0.035, (0.11, 0.89))
    for index, ((p, f), place) in enumerate(zip(mixing_weights, places, strict=True)):
        color = COLORS[0] if p >= f else COLORS[1]
        # Labels stand off the line at right angles to it, where no point can be.
        end = (place + 0.09, 1 - place + 0.09)
        axes.plot((p, end[0] - 0.02), (f, end[1] - 0.02), color=color, linewidth=0.4, zorder=2)
        axes.plot(p, f, "o", color=color, markersize=6, markeredgecolor="white", markeredgewidth=0.6, zorder=3)
        axes.text(*end, str(index + 1), size=7.5, color=color, ha="center", va="center", clip_on=False)


def curves_search(lines: Lines) -> Figure:
    """Losses, PSNR on validation patches (where lines hold it) and learning rate of a search.

    Both losses are those of restoration: ``loss`` on the training images, which moves the weights,
    and ``loss_res`` on the held-out ones, a part of what moves the alpha.
    """
    panels = [("loss", ("loss", "loss_res")), ("learning rate", ("lr",))]
    if any(_number(line.get("psnr")) is not None for line in lines):
        panels.insert(1, ("validation PSNR (dB)", ("psnr",)))
    return _curves(lines, panels, {"loss": "training images", "loss_res": "held-out images"})


def curves_training(lines: Lines) -> Figure:
    """Loss, validation PSNR (dashed: of the input; a ring: the best) and learning rate of a training."""
    panels = [("loss", ("loss",)), ("learning rate", ("lr",))]
    if any(_number(line.get("psnr")) is not None for line in lines):
        panels.insert(1, ("validation PSNR (dB)", ("psnr",)))
    return _curves(lines, panels, {"psnr": "restored"})


def _curves(lines: Lines, panels: Sequence[tuple[str, Sequence[str]]], names: Mapping[str, str]) -> Figure:
    figure = Figure(figsize=(11, 3.1), layout="constrained", facecolor="white")
    for place, (title, keys) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), place + 1)
        dress(axes, title, "epoch")
        values: list[float] = []
        for key, color in zip(keys, COLORS, strict=False):
            xs, ys = _series(lines, key)
            if xs and not (values and ys == values):
                marker = "o" if len(xs) < 25 else ""
                axes.plot(xs, ys, color=color, linewidth=1.5, marker=marker, markersize=3.5, label=names.get(key, key))
                values += ys
        if title == "loss" and values and min(values) > 0:
            axes.set_yscale("log")
        if "psnr" in keys:
            _mark_psnr(axes, lines)
        if len(axes.get_lines()) > 1:
            axes.legend(frameon=False, fontsize=8)
    return figure


def _mark_psnr(axes: Axes, lines: Lines) -> None:
    """The input's PSNR as a dashed line, and a ring around the last epoch that was the best so far."""
    _, inputs = _series(lines, "input_psnr")
    if inputs:
        axes.axhline(inputs[-1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="input")
    xs, ys = _series([line for line in lines if line.get("best") is True], "psnr")
    if xs:
        ring = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.4, "linestyle": ""}
        axes.plot(xs[-1:], ys[-1:], "o", color=COLORS[1], label=f"best {ys[-1]:.2f} dB", **ring)  # type: ignore[arg-type]


def dress(axes: Axes, title: str, name: str, whole: bool = True) -> None:
    """Title, name of the x axis, grid; ``whole``: what x counts comes in whole numbers."""
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(name, fontsize=9, color=MUTED)
    axes.tick_params(labelsize=8, colors=MUTED, which="both")
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#b8c0c8")


def _number(value: Any) -> float | None:
    """The value as a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _series(lines: Lines, key: str) -> tuple[list[float], list[float]]:
    """Epochs and values of ``key``, of the lines that hold both."""
    pairs = [(_number(line.get("epoch")), _number(line.get(key))) for line in lines]
    whole = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in whole], [y for _, y in whole]


def _spread(values: Sequence[float], distance: float, limits: tuple[float, float]) -> list[float]:
    """Move values apart to at least ``distance``, in their order, around the middle of each group.

    Groups stay within ``limits`` as long as they fit.
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    groups = [[i] for i in order]

    def middle(group: list[int]) -> float:
        half = distance * (len(group) - 1) / 2
        low, high = limits[0] + half, limits[1] - half
        wish = sum(values[i] for i in group) / len(group)
        return min(max(wish, low), high) if low <= high else (low + high) / 2

    # Groups that touch share one middle; joining two may make another touch, so look back.
    at = 0
    while at + 1 < len(groups):
        a, b = groups[at], groups[at + 1]
        if middle(b) - middle(a) < distance * (len(a) + len(b)) / 2:
            groups[at : at + 2] = [a + b]
            at = max(at - 1, 0)
        else:
            at += 1
    places = [0.0] * len(values)
    for group in groups:
        for k, i in enumerate(group):
            places[i] = middle(group) + (k - (len(group) - 1) / 2) * distance
    return places
