"""Draw an architecture in the manner of the supplement's Figures 3 and 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from matplotlib.textpath import TextPath

from clearer.network.architecture import FUSION, PUBLISHED_CANDIDATES, Architecture
from clearer.network.candidates.registry import CANDIDATES
from clearer.network.graph import Edge, Step
from clearer.network.plan import NetworkPlan, plan_network, plan_supernet
from clearer.network.topologies.registry import STREAMS
from clearer.report.figures import INK, MUTED, save_figure

# Squares take steps of viridis and edges the Okabe-Ito colors that viridis lacks: both stay apart for
# color-blind eyes, and rows and slopes say the same once more without any color.
SCALE_COLORS = ("#fde725", "#7ad151", "#22a884", "#3b6d9e", "#440154")
# operation: (color, line width in points, line style, name in the legend)
OPERATIONS: dict[str, tuple[str, float, Any, str]] = {
    "conv": ("#0072b2", 2.2, "-", "convolution (two, plus the input)"),
    "strided": ("#d55e00", 1.2, "-", "strided convolution"),
    "upsample": ("#cc79a7", 1.4, "-", "upsample"),
    "none": ("#7d848c", 1.2, (0, (3, 1.6)), "none (identity)"),
    "last": (INK, 1.6, "-", "single convolution"),
}
# Distances in inches: between rows, around all, above the finest row, of a legend row, of a line above the title.
ROW, MARGIN, HEADER, LINE, HEADING = 0.78, 0.32, 1.62, 0.3, 0.34
MARK = "#d55e00"
APART = 0.07
"""Inches between straight edges of several candidates, which would hide one another."""
Column = tuple[Step, ...]  # what stands in a place: a step, or in a supernet all candidates


@dataclass(frozen=True)
class Grid:
    """The positions of columns and rows, in inches from the upper left corner."""

    pitch: float
    left: float

    def x(self, column: int) -> float:
        return self.left + column * self.pitch

    def y(self, scale: int) -> float:
        return HEADER + scale * ROW

    def side(self, scale: int) -> float:
        """Side of a square; it shrinks with the scale, if less than the feature map does."""
        return 0.45 * self.pitch * 0.87**scale


@dataclass(frozen=True)
class Drawing:
    """One of several networks in a figure: its architecture, a line above it, modules (from 1) to ring.

    ``supernet``: show the supernet of its space instead, all candidates in each searched place.
    """

    architecture: Architecture
    heading: str = ""
    marked: tuple[int, ...] = ()
    supernet: bool = False

    @property
    def plan(self) -> NetworkPlan:
        """What is drawn."""
        return plan_supernet(self.architecture.space) if self.supernet else plan_network(self.architecture)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The places that are shown, from left to right."""
        return tuple(column for column in self.plan.positions if column[0].drawn)

    @property
    def top(self) -> float:
        """Inches for the heading."""
        return HEADING if self.heading else 0.0


def architecture_figure(architecture: Architecture) -> Figure:
    """Draw the network: columns are its steps from left to right, rows its scales, the finest on top.

    A colored square is a feature map, a colored edge an operation sequence. In SVG every square has
    the id ``map-COLUMN-SCALE`` and every edge ``edge-OPERATION-COLUMN-SOURCE-TARGET``, columns
    counted from 0 (the input). The stem is drawn as the paper names it, two parallel modules; the
    convolution that lifts the image to ``width`` channels is part of its first edge.
    """
    return architectures_figure([Drawing(architecture)])


def architectures_figure(drawings: Sequence[Drawing], mark: str = "") -> Figure:
    """Draw networks one under another, in one width, with one legend of operations and letters.

    ``mark`` is the legend's word for ringed letters. Each id in SVG is that of `architecture_figure`,
    after ``a-``, ``b-``, ... where there is more than one network.
    """
    count = max(len(drawing.columns) for drawing in drawings)
    # Long networks move closer together, so that their letters can still be read on a screen.
    pitch = min(0.8, max(0.52, 12.4 / count))
    width = max((count + 0.45) * pitch, 8.8) + 2 * MARGIN
    plans: list[tuple[Drawing, list[list[Item]], float]] = []
    for drawing in drawings:
        residual = any(other.architecture.residual for other in drawings)
        scales, *others = _legend_items(drawing, residual, mark)
        items = [scales, *others] if drawing is drawings[-1] else [scales]
        legend = [row for part in items for row in _wrapped(part, width - 2 * MARGIN)]
        rows = ROW * (drawing.architecture.scales - 1) + LINE * (len(legend) - 1)
        plans.append((drawing, legend, drawing.top + HEADER + rows + 0.62 + MARGIN))
    total = sum(height for *_, height in plans)
    figure = Figure(figsize=(width, total), facecolor="white")
    bottom = total
    for index, (drawing, legend, height) in enumerate(plans):
        bottom -= height
        axes = figure.add_axes((0.0, bottom / total, 1.0, height / total))
        axes.set(xlim=(0, width), ylim=(height - drawing.top, -drawing.top))  # inches, downwards
        axes.set_axis_off()
        _draw_network(axes, drawing, Grid(pitch, (width - len(drawing.columns) * pitch) / 2), width)
        _draw_legend(axes, legend, height - drawing.top - MARGIN - LINE * (len(legend) - 1))
        if len(plans) > 1:
            for artist in axes.findobj(lambda artist: artist.get_gid() is not None):
                artist.set_gid(f"{chr(ord('a') + index)}-{artist.get_gid()}")
    return figure


def _draw_network(axes: Axes, drawing: Drawing, grid: Grid, width: float) -> None:
    architecture = drawing.architecture
    columns = drawing.columns
    steps = [column[0] for column in columns]  # all candidates of a place join the same scales
    if drawing.heading:
        heading = axes.text(MARGIN, 0.02, drawing.heading, size=11, color=INK, va="center")
        heading.set_parse_math(False)  # names of runs may hold dollar signs
    _draw_title(axes, drawing, width)
    _draw_groups(axes, steps, grid)
    for i, column in enumerate(columns):
        _draw_letter(axes, column, (grid.x(i) + grid.x(i + 1)) / 2, column[0].number in drawing.marked)
        for edge, aside in _edges_of(column):
            _draw_edge(axes, grid, i, edge, aside)
    for i, count in enumerate([1, *(step.scales for step in steps)]):
        for scale in range(count):
            side = grid.side(scale)
            color = "white" if i in (0, len(steps)) else SCALE_COLORS[scale]
            _draw_square(axes, grid.x(i), grid.y(scale), side, color).set_gid(f"map-{i}-{scale}")
    for i, name in ((0, "input"), (len(steps), "output")):
        channels = "1 channel" if architecture.channels == 1 else f"{architecture.channels} channels"
        channels += "\n+ noise level" if architecture.takes_level and name == "input" else ""
        axes.text(grid.x(i), HEADER + 0.27, f"{name}\n{channels}", ha="center", va="top", size=7.5, color=MUTED)
    if architecture.residual:
        _draw_residual(axes, grid, len(steps))


def draw_architecture(architecture: Architecture, path: str | Path, *, supernet: bool = False) -> None:
    """Write the drawing to ``path`` as SVG or PNG (1600 pixels wide or more), chosen by its suffix.

    Args:
        architecture: of the network.
        path: of the file.
        supernet: draw the supernet of its space instead.

    Raises:
        UserError: the suffix is neither ``.svg`` nor ``.png``, or the file cannot be written.
    """
    figure = architectures_figure([Drawing(architecture, supernet=supernet)])
    save_figure(figure, path, dpi=max(110.0, 1600 / figure.get_figwidth()))


def _draw_square(axes: Axes, x: float, y: float, side: float, color: str) -> Rectangle:
    corner = (x - side / 2, y - side / 2)
    square = Rectangle(corner, side, side, facecolor=color, edgecolor=INK, linewidth=0.9, zorder=3)
    axes.add_patch(square)
    return square


def _edges_of(column: Column) -> Iterator[tuple[Edge, float]]:
    """Yield each kind of edge of a place once, and by how many inches it is drawn lower than the first one there.

    Sloping edges come last: they are thin and must not vanish under the straight ones.
    """
    kinds = {(edge.operation, edge.source, edge.target): edge for step in column for edge in step.edges}
    above: Counter[tuple[int, int]] = Counter()
    for edge in sorted(kinds.values(), key=lambda edge: edge.source != edge.target):
        place = (edge.source, edge.target)
        yield edge, APART * above[place]
        above[place] += 1


def _draw_edge(axes: Axes, grid: Grid, column: int, edge: Edge, aside: float) -> None:
    source, target, operation = edge.source, edge.target, edge.operation
    color, width, style, _ = OPERATIONS[operation]
    xs = (grid.x(column) + grid.side(source) / 2, grid.x(column + 1) - grid.side(target) / 2)
    line = Line2D(xs, (grid.y(source) + aside, grid.y(target) + aside), color=color, linewidth=width)
    line.set(linestyle=style, zorder=2)
    line.set(gid=f"edge-{operation}-{column}-{source}-{target}", solid_capstyle="butt")
    axes.add_line(line)


def _draw_residual(axes: Axes, grid: Grid, last: int) -> None:
    """Draw the path of the input around the network, above the finest row."""
    top, over = HEADER - grid.side(0) / 2, HEADER - 0.235
    xs = (grid.x(0), grid.x(0), grid.x(last), grid.x(last))
    line = Line2D(xs, (top, over, over, top), color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    line.set_gid("residual")
    axes.add_line(line)


def _draw_title(axes: Axes, drawing: Drawing, available: float) -> None:
    a = drawing.architecture
    name = f"supernet of {'-'.join(map(str, a.space.depths))} modules" if drawing.supernet else str(a)
    axes.text(MARGIN, 0.3, name, size=13, weight="bold", family="monospace", color=INK, va="center")
    norm = {"batch": "batch norm", "none": "no norm", "bias-free": "no norm, no biases"}[a.norm]
    width = a.width if isinstance(a.width, int) else ", ".join(map(str, a.width))
    scales = "1 scale" if a.scales == 1 else f"{a.scales} scales"
    shape = f"{scales}, " if a.space.topology == STREAMS else f"U-net, {scales}, "
    facts = f"{shape}width {width}, {a.operations} operations, {norm}"
    # Two rows where the name is so long that it would run into the facts.
    beside = len(name) * 0.115 + len(facts) * 0.08 < available - 2 * MARGIN
    place = (available - MARGIN, 0.3) if beside else (MARGIN, 0.53)
    axes.text(*place, facts, size=9, color=MUTED, va="center", ha="right" if beside else "left")


def _draw_groups(axes: Axes, steps: Sequence[Step], grid: Grid) -> None:
    """Draw a bracket over each group of steps, and a gray band behind each cell."""
    for group in dict.fromkeys(step.group for step in steps):
        inside = [i for i, step in enumerate(steps) if step.group == group]
        # From just behind the squares the group starts from to just behind its last squares, so that
        # neighbors do not touch and every edge of the group lies inside.
        behind = 0.45 * grid.pitch / 2
        x0, x1 = grid.x(inside[0]) + behind + 0.04, grid.x(inside[-1] + 1) + behind + 0.01
        if group.startswith("cell"):
            y0, y1 = 0.96, grid.y(max(steps[i].scales for i in inside) - 1) + 0.32
            box = "round,pad=0,rounding_size=0.08"
            axes.add_patch(FancyBboxPatch((x0, y0), x1 - x0, y1 - y0, boxstyle=box, fc="#f1f3f6", ec="none", zorder=0))
        axes.add_line(Line2D((x0, x0, x1, x1), (0.9, 0.84, 0.84, 0.9), color=MUTED, linewidth=0.9))
        axes.text((x0 + x1) / 2, 0.72, group, size=9, color=INK, ha="center", va="center")


def _draw_letter(axes: Axes, column: Column, x: float, marked: bool) -> None:
    step, letters = column[0], "".join(step.letter for step in column)
    _draw_chip(axes, x, 1.25, letters, searched=step.number > 0)
    if marked:
        ring = Circle((x, 1.25), 0.145, facecolor="none", edgecolor=MARK, linewidth=1.8, zorder=4)
        axes.add_patch(ring)
        ring.set_gid(f"mark-{step.number}")
    if step.number:
        text = axes.text(x, 1.05, str(step.number), size=7.5, color=MUTED, ha="center", va="center")
        text.set_gid(f"module-{step.number}-{letters}")


def _draw_chip(axes: Axes, x: float, y: float, letter: str, searched: bool) -> None:
    face, ink, border = ("white", INK, INK) if searched else ("white", MUTED, "#c3c9cf")
    if searched and letter == FUSION:
        face, ink = INK, "white"
    box = {"boxstyle": "round,pad=0.28", "facecolor": face, "edgecolor": border, "linewidth": 0.9}
    axes.text(x, y, letter, size=8.5, weight="bold", color=ink, ha="center", va="center_baseline", bbox=box)


@dataclass(frozen=True)
class Item:
    """An entry of the legend: a scale, an operation, or a letter (searched or fixed)."""

    kind: str
    key: str
    label: str
    searched: bool = False

    @property
    def indent(self) -> float:
        """Inches from the entry's left to its label."""
        return 0.5 if self.kind == "operation" else 0.27

    @property
    def width(self) -> float:
        """Inches up to the next entry."""
        return self.indent + float(TextPath((0, 0), self.label, size=8.5).get_extents().width) / 72 + 0.3


def _legend_items(drawing: Drawing, residual: bool, mark: str) -> list[list[Item]]:
    architecture = drawing.architecture
    scales = [
        Item("scale", str(s), f"{_resolution(2**s * architecture.unshuffle)}, {width} channels")
        for s, width in enumerate(architecture.widths)
    ]
    operations = [Item("operation", name, entry[3]) for name, entry in OPERATIONS.items()]
    if residual:
        operations.append(Item("operation", "residual", "input added to the output"))
    first = drawing.columns[0][0]
    letters = [
        *(Item("letter", x, CANDIDATES.get(x).name, searched=True) for x in _letters(drawing)),
        Item("letter", "T", "transition"),
        Item("letter", "C", "first and last convolution" if first.letter == "C" else "last convolution"),
        Item("letter", "", "(gray letters are not searched)"),
    ]
    if drawing.supernet:
        letters.append(Item("letter", "", "(several letters: a weighted sum of these candidates)"))
    if mark:
        letters.append(Item("mark", "", mark))
    return [scales, operations, letters]


def _letters(drawing: Drawing) -> list[str]:
    """Return the letters of the published candidates, and those of others that the network holds."""
    held = {step.letter for column in drawing.columns for step in column if step.number}
    return [x for x in CANDIDATES if x in PUBLISHED_CANDIDATES or x in held]


def _resolution(factor: int) -> str:
    return "full resolution" if factor == 1 else f"1/{factor}"


def _wrapped(items: Sequence[Item], width: float) -> list[list[Item]]:
    """Break a row of the legend into rows of at most ``width`` inches."""
    rows: list[list[Item]] = [[]]
    for item in items:
        if rows[-1] and sum(other.width for other in rows[-1]) + item.width > width:
            rows.append([])
        rows[-1].append(item)
    return rows


def _draw_legend(axes: Axes, rows: Sequence[Sequence[Item]], top: float) -> None:
    for index, row in enumerate(rows):
        x, y = MARGIN, top + LINE * index
        for item in row:
            indent = item.indent
            if item.kind == "scale":
                _draw_square(axes, x + 0.09, y, 0.18, SCALE_COLORS[int(item.key)])
            elif item.kind == "operation":
                color, width, style, _ = OPERATIONS.get(item.key, (INK, 0.9, (0, (1, 1.5)), ""))
                axes.add_line(Line2D((x, x + 0.4), (y, y), color=color, linewidth=width, linestyle=style))
            elif item.kind == "mark":
                axes.add_patch(Circle((x + 0.09, y), 0.1, facecolor="none", edgecolor=MARK, linewidth=1.8))
            elif item.key:
                _draw_chip(axes, x + 0.09, y, item.key, item.searched)
            else:
                indent = 0.0
            axes.text(x + indent, y, item.label, size=8.5, color=INK, va="center_baseline")
            x += item.width
