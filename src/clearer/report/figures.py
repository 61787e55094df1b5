"""Figures of a search and a training: curves, scatter plots, and figures as SVG and PNG."""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clearer.core.errors import UserError
from clearer.core.files import written_whole
from clearer.runs.record import number

INK, MUTED, GRID = "#1f2933", "#66707a", "#e4e7eb"
# The colors of Okabe and Ito, in an order that keeps neighbors distinct.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Text as paths needs no font; the salt makes equal figures equal bytes.
SVG_SETTINGS: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "clearer"}

Lines = Sequence[Mapping[str, object]]  # lines of a metrics.jsonl, see `clearer.runs.schema.EpochLine`
TWO = ("parallel", "fusion")


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

    ``prefix`` begins all ids, which makes them unique among the drawings of an HTML page.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(SVG_SETTINGS), _any_letter():
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    if prefix:
        text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text


def png_bytes(figure: Figure, dpi: float = 150) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    with _any_letter():
        figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"optimize": True})
    return buffer.getvalue()


@contextlib.contextmanager
def _any_letter() -> Iterator[None]:
    """Draw names in letters that the font lacks as boxes, without a warning, which the user could not act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support .* natively", UserWarning)
        yield


def mixing_weights_over_time(lines: Lines, names: Sequence[str] = TWO) -> Figure:
    """Return the mixing weights of all searched modules, their mean gap and mean entropy over time.

    Of two candidates, the weight of the first is drawn; of more, that of the candidate finally chosen.

    Args:
        lines: with ``mixing_weights``, (modules, K), and ``arch_step`` or ``epoch``; ``entropy`` is optional.
            Lines without mixing weights are skipped.
        names: the K candidates.
    """
    lines = [line for line in lines if line.get("mixing_weights")]
    weights = [cast(Sequence[Sequence[float]], line["mixing_weights"]) for line in lines]
    key = "arch_step" if any(number(line, "arch_step") for line in lines) else "epoch"
    figure = Figure(figsize=(11, 4.2), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.7, 1))
    left, gap, entropy = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    name = "architecture steps" if key == "arch_step" else "epoch"
    which = names[0] if len(names) == 2 else "the chosen candidate"
    dress(left, f"mixing weight of {which}, one line per module", name)
    even = 1 / max(len(names), 1)
    undecided = -sum(a * math.log10(a) for a in (even, 1 - even) if a)  # L_Arch of equal mixing weights
    dress(gap, "mean gap (1: decided)", "")
    dress(entropy, f"mean entropy ({undecided:.3f}: undecided)", name)
    for axes in (left, gap):
        axes.set_ylim(-0.03, 1.03)
    left.axhline(even, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    if not lines:
        return figure
    xs = [number(line, key) or 0.0 for line in lines]
    chosen = [0 if len(row) == 2 else max(range(len(row)), key=row.__getitem__) for row in weights[-1]]
    ends = [float(row[candidate]) for row, candidate in zip(weights[-1], chosen, strict=True)]
    for module, place in enumerate(places_apart(ends, 0.045, (0, 1))):
        ys = [float(rows[module][chosen[module]]) for rows in weights]
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
    gap.plot(xs, list(map(mean_gap, weights)), color=COLORS[0], linewidth=1.6)
    known = [(x, y) for x, line in zip(xs, lines, strict=True) if (y := number(line, "entropy")) is not None]
    if known:
        entropy.plot(*zip(*known, strict=True), color=COLORS[1], linewidth=1.6)
    entropy.set_ylim(bottom=0)
    return figure


def mean_gap(mixing_weights: Sequence[Sequence[float]]) -> float:
    """Return the mean gap between the largest mixing weight and the second: ``|a^p - a^f|`` (supplement, Fig. 2)."""
    largest = [sorted(row, reverse=True)[:2] for row in mixing_weights]
    return sum(row[0] - row[1] for row in largest) / len(mixing_weights)


def scatter(mixing_weights: Sequence[Sequence[float]], names: Sequence[str] = TWO) -> Figure:
    """Return the supplement's Figure 2: a point for the two mixing weights of each module, and their mean gap.

    Args:
        mixing_weights: (modules, 2).
        names: the two candidates.
    """
    figure = Figure(figsize=(4.4, 4.4), layout="constrained", facecolor="white")
    _scatter(figure.add_subplot(), f"mean gap {mean_gap(mixing_weights):.4f}", mixing_weights, names)
    return figure


def scatter_beside(rows: Sequence[Sequence[tuple[str, Sequence[Sequence[float]]]]]) -> Figure:
    """Return the same for several searches: a row of panels for each row of (title, mixing weights)."""
    columns = max(len(row) for row in rows)
    size = (4.2 * columns, 4.4 * len(rows))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    for r, row in enumerate(rows):
        for c, (title, mixing_weights) in enumerate(row):
            axes = figure.add_subplot(len(rows), columns, r * columns + c + 1)
            _scatter(axes, f"{title}: mean gap {mean_gap(mixing_weights):.4f}", mixing_weights, TWO)
    return figure


def _scatter(axes: Axes, title: str, mixing_weights: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    across, up = (rf"$\alpha^{name[0]}$ ({name})" for name in names)
    dress(axes, title, across, whole=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_ylabel(up, fontsize=9, color=MUTED)
    axes.plot((0, 1), (1, 0), color=MUTED, linewidth=0.8, zorder=1)
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    places = places_apart([float(pair[0]) for pair in mixing_weights], 0.035, (0.11, 0.89))
    for index, ((p, f), place) in enumerate(zip(mixing_weights, places, strict=True)):
        color = COLORS[0] if p >= f else COLORS[1]
        # Labels stand beside the diagonal, where no point can be.
        end = (place + 0.09, 1 - place + 0.09)
        axes.plot((p, end[0] - 0.02), (f, end[1] - 0.02), color=color, linewidth=0.4, zorder=2)
        axes.plot(p, f, "o", color=color, markersize=6, markeredgecolor="white", markeredgewidth=0.6, zorder=3)
        axes.text(*end, str(index + 1), size=7.5, color=color, ha="center", va="center", clip_on=False)


def curves_search(lines: Lines) -> Figure:
    """Return the losses, the PSNR on validation patches (if lines have it) and the learning rate of a search.

    Both are restoration losses: ``loss`` on the training images updates the weights, ``loss_res`` on the
    validation images is a term of the loss that updates alpha.
    """
    panels = [("loss", ("loss", "loss_res")), ("learning rate", ("lr",))]
    if any(number(line, "psnr") is not None for line in lines):
        panels.insert(1, ("validation PSNR (dB)", ("psnr",)))
    return _curves(lines, panels, {"loss": "training images", "loss_res": "validation images"})


def curves_training(lines: Lines) -> Figure:
    """Return loss, validation PSNR (dashed: of the input; circled: the best) and learning rate of a training."""
    panels = [("loss", ("loss",)), ("learning rate", ("lr",))]
    if any(number(line, "psnr") is not None for line in lines):
        panels.insert(1, ("validation PSNR (dB)", ("psnr",)))
    if any(number(line, "estimated_psnr") is not None for line in lines):
        panels.insert(1, ("estimated validation PSNR (dB)", ("estimated_psnr",)))
    figure = _curves(lines, panels, {"psnr": "restored"})
    _mark_fresh(figure, lines)
    return figure


def _mark_fresh(figure: Figure, lines: Lines) -> None:
    """Mark where fresh weights began, and where training went back to those of the start: names above the curves."""
    fresh = [line for line in lines if line.get("fresh") is True]
    if not fresh:
        return
    first, last, end = (number(line, "epoch") or 0.0 for line in (fresh[0], fresh[-1], lines[-1]))
    marks = [(first, "fresh weights")] + ([(last + 1, "the start again")] if last < end else [])
    for axes in figure.axes:
        _headroom(axes, 0.1 + 0.1 * len(marks))
        low, high = axes.get_xlim()
        for row, (epoch, name) in enumerate(marks):
            axes.axvline(epoch - 0.5, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
            near = epoch - 0.5 > low + 0.7 * (high - low)  # the right end: the name stands left of its line
            axes.annotate(
                name, (epoch - 0.5, 0.94 - 0.09 * row), xytext=(-4 if near else 4, 0), va="center",
                xycoords=axes.get_xaxis_transform(), textcoords="offset points", ha="right" if near else "left",
                color=INK, size=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip


def _headroom(axes: Axes, share: float) -> None:
    """Leave a share of the axes' height free above the curves."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(low, high * (high / low) ** (share / (1 - share)))
    else:
        axes.set_ylim(low, high + (high - low) * share / (1 - share))


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
    """Draw the input's PSNR as a dashed line, and a circle around the best epoch."""
    _, inputs = _series(lines, "input_psnr")
    if inputs:
        axes.axhline(inputs[-1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="input")
    kept = lines[-1].get("fresh") if lines else None  # weights given up, of the start or fresh ones, have no best
    best = [line for line in lines if line.get("best") is True and line.get("fresh") == kept]
    xs, ys = _series(best, "psnr")
    if xs:
        ring = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.4, "linestyle": ""}
        axes.plot(xs[-1:], ys[-1:], "o", color=COLORS[1], label=f"best {ys[-1]:.2f} dB", **ring)  # type: ignore[arg-type]


def dress(axes: Axes, title: str, name: str, whole: bool = True) -> None:
    """Set title, label of the x axis and grid; ``whole`` restricts ticks on x to whole numbers."""
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


def _series(lines: Lines, key: str) -> tuple[list[float], list[float]]:
    """Return epochs and values of ``key`` of the lines that have both."""
    pairs = [(number(line, "epoch"), number(line, key)) for line in lines]
    whole = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in whole], [y for _, y in whole]


def places_apart(values: Sequence[float], distance: float, limits: tuple[float, float]) -> list[float]:
    """Return places for labels near ``values``, in the same order and at least ``distance`` apart.

    Labels that would touch form a group around their mean; groups stay within ``limits`` if they fit.
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    groups = [[i] for i in order]

    def middle(group: list[int]) -> float:
        half = distance * (len(group) - 1) / 2
        low, high = limits[0] + half, limits[1] - half
        wish = sum(values[i] for i in group) / len(group)
        return min(max(wish, low), high) if low <= high else (low + high) / 2

    # Joining two groups may make a third one touch, so check backwards.
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
