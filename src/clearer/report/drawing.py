"""Draw an architecture in the manner of the supplement's Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle

from clearer.architecture import FUSION, Architecture
from clearer.report.figures import INK, MUTED, save_figure

# Squares take steps of viridis and edges the Okabe-Ito colours that viridis lacks: both stay apart for
# colour-blind eyes, and rows and slopes say the same once more without any colour.
SCALE_COLOURS = ("#fde725", "#7ad151", "#22a884", "#3b6d9e", "#440154")
# operation: (colour, line width in points, line style, name in the legend)
OPERATIONS = {
    "conv": ("#0072b2", 2.2, "-", "convolution (two, plus the input)"),
    "strided": ("#d55e00", 1.2, "-", "strided convolution"),
    "upsample": ("#cc79a7", 1.4, "-", "upsample"),
    "none": ("#7d848c", 1.2, (0, (3, 1.6)), "none (identity)"),
    "last": (INK, 1.6, "-", "last convolution"),
}
PITCH, ROW, SIDE = 0.8, 0.86, 0.36  # inches between columns, between rows, and of the finest square
MARGIN, HEADER, LINE = 0.3, 1.62, 0.3  # inches around all, above the finest row, and of a legend row

Edge = tuple[int, int, str]  # source scale, target scale, operation


@dataclass(frozen=True)
class Step:
    """One step of the network, between two columns of feature maps.

    ``letter`` is P, F, T (transition) or C (last convolution); ``number`` counts searched modules
    from 1 and is 0 for fixed steps; ``scales`` are the feature maps after the step; ``group`` names
    the bracket the step stands under.
    """

    letter: str
    number: int
    scales: int
    edges: tuple[Edge, ...]
    group: str


def network_steps(architecture: Architecture) -> list[Step]:
    """Return the steps from the input to the output, in order.

    A network of ``S`` scales with ``M`` modules has ``2 + (S - 1) + M + 2`` steps.
    """
    stem = Step("P", 0, 1, ((0, 0, "conv"),), "stem")
    steps = [stem, stem]
    number = 0
    for index, letters in enumerate(architecture.cells):
        scales, group = index + 2, f"cell {index + 1}"
        kept = tuple((s, s, "none") for s in range(scales - 1))
        steps.append(Step("T", 0, scales, (*kept, (scales - 2, scales - 1, "strided")), group))
        for letter in letters:
            number += 1
            edges = _fusion_edges(scales) if letter == FUSION else tuple((s, s, "conv") for s in range(scales))
            steps.append(Step(letter, number, scales, edges, group))
    gather = tuple(edge for edge in _fusion_edges(architecture.scales) if edge[1] == 0)
    return [*steps, Step("F", 0, 1, gather, "to full scale"), Step("C", 0, 1, ((0, 0, "last"),), "to full scale")]


def _fusion_edges(scales: int) -> tuple[Edge, ...]:
    """All scales to all scales, as in the supplement's Fig. 1(a)."""
    return tuple(
        (source, target, "none" if source == target else "strided" if source < target else "upsample")
        for source in range(scales)
        for target in range(scales)
    )


def architecture_figure(architecture: Architecture) -> Figure:
    """Draw the network: columns are its steps from left to right, rows its scales, the finest on top.

    A coloured square is a feature map, a coloured edge an operation sequence. In SVG every square has
    the id ``map-COLUMN-SCALE`` and every edge ``edge-OPERATION-COLUMN-SOURCE-TARGET``, columns
    counted from 0 (the input).
    """
    steps = network_steps(architecture)
    length = len(steps) * PITCH + SIDE
    width = max(length, 8.4) + 2 * MARGIN
    legend = [row for items in _legend_items(architecture) for row in _wrapped(items, width - 2 * MARGIN)]
    # The labels of input and output hang below the finest row, so that a single row needs their room.
    height = HEADER + ROW * (architecture.scales - 1) + 0.55 + LINE * len(legend) + MARGIN
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(height, 0))  # inches, downwards
    axes.set_axis_off()

    left = (width - length) / 2 + SIDE / 2
    columns = [left + i * PITCH for i in range(len(steps) + 1)]
    _draw_header(axes, architecture, steps, columns)
    for i, step in enumerate(steps):
        # Strided and upsample edges last: they are thin and must not vanish under the straight ones.
        for source, target, operation in sorted(step.edges, key=lambda edge: edge[0] != edge[1]):
            _draw_edge(axes, (columns[i], source), (columns[i + 1], target), operation, f"{i}-{source}-{target}")
    maps = [1, *(step.scales for step in steps)]
    for i, count in enumerate(maps):
        outside = i in (0, len(steps))
        for scale in range(count):
            colour = "white" if outside else SCALE_COLOURS[scale]
            _draw_square(axes, columns[i], _row(scale), scale, colour).set_gid(f"map-{i}-{scale}")
    for x, name in ((columns[0], "input"), (columns[-1], "output")):
        channels = f"{architecture.channels} channel{'s' if architecture.channels > 1 else ''}"
        axes.text(x, HEADER + 0.27, f"{name}\n{channels}", ha="center", va="top", size=8, color=MUTED)
    _draw_legend(axes, legend, height)
    return figure


def draw_architecture(architecture: Architecture, path: str | Path) -> None:
    """Write the drawing to ``path`` as SVG or PNG (1600 pixels wide or more), chosen by its suffix.

    Raises:
        UserError: the suffix is neither ``.svg`` nor ``.png``, or the file cannot be written.
    """
    figure = architecture_figure(architecture)
    save_figure(figure, path, dpi=max(100.0, 1600 / figure.get_figwidth()))


def _row(scale: int) -> float:
    return HEADER + scale * ROW


def _side(scale: int) -> float:
    return SIDE * 0.87**scale


def _draw_square(axes: Axes, x: float, y: float, scale: int, colour: str) -> Rectangle:
    side = _side(scale)
    square = Rectangle((x - side / 2, y - side / 2), side, side, facecolor=colour, edgecolor=INK, linewidth=0.9, zorder=3)
    axes.add_patch(square)
    return square


def _draw_edge(axes: Axes, source: tuple[float, int], target: tuple[float, int], operation: str, name: str) -> None:
    colour, width, style, _ = OPERATIONS[operation]
    xs = (source[0] + _side(source[1]) / 2, target[0] - _side(target[1]) / 2)
    ys = (_row(source[1]), _row(target[1]))
    line = Line2D(xs, ys, color=colour, linewidth=width, linestyle=style, solid_capstyle="butt", zorder=2)
    line.set_gid(f"edge-{operation}-{name}")
    axes.add_line(line)


def _draw_header(axes: Axes, architecture: Architecture, steps: Sequence[Step], columns: Sequence[float]) -> None:
    """The title, the brackets of the groups, and the letter and number of each step."""
    a = architecture
    axes.text(MARGIN, 0.3, str(a), size=13, weight="bold", family="monospace", color=INK, va="center")
    facts = f"{a.scales} scales, width {a.width}, {a.operations} operations, " + (
        "batch norm" if a.norm == "batch" else "no norm"
    )
    axes.text(axes.get_xlim()[1] - MARGIN, 0.3, facts, size=9, color=MUTED, va="center", ha="right")
    groups = list(dict.fromkeys(step.group for step in steps))
    for group in groups:
        inside = [i for i, step in enumerate(steps) if step.group == group]
        # A band runs from just behind the squares it starts from to just behind its last squares, so
        # that neighbours do not touch and every edge of the group lies inside.
        x0, x1 = columns[inside[0]] + SIDE / 2 + 0.07, columns[inside[-1] + 1] + SIDE / 2 + 0.02
        bottom = _row(max(steps[i].scales for i in inside) - 1) + 0.32
        if group.startswith("cell"):
            box = "round,pad=0,rounding_size=0.08"
            band = FancyBboxPatch((x0, 0.98), x1 - x0, bottom - 0.98, boxstyle=box, fc="#f3f5f7", ec="none", zorder=0)
            axes.add_patch(band)
        axes.add_line(Line2D((x0, x0, x1, x1), (0.9, 0.83, 0.83, 0.9), color=MUTED, linewidth=0.9))
        axes.text((x0 + x1) / 2, 0.7, group, size=9, color=INK, ha="center", va="center")
    for i, step in enumerate(steps):
        x = (columns[i] + columns[i + 1]) / 2
        face, ink, border = ("white", MUTED, "#c3c9cf") if not step.number else ("white", INK, INK)
        if step.number and step.letter == FUSION:
            face, ink = INK, "white"
        box = {"boxstyle": "round,pad=0.28", "facecolor": face, "edgecolor": border, "linewidth": 0.9}
        axes.text(x, 1.25, step.letter, size=8.5, weight="bold", color=ink, ha="center", va="center", bbox=box)
        if step.number:
            text = axes.text(x, 1.04, str(step.number), size=7.5, color=MUTED, ha="center", va="center")
            text.set_gid(f"module-{step.number}-{step.letter}")
    if a.residual:
        y = HEADER - 0.235
        xs, top = (columns[0], columns[0], columns[-1], columns[-1]), HEADER - SIDE / 2
        line = Line2D(xs, (top, y, y, top), color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
        line.set_gid("residual")
        axes.add_line(line)


Item = tuple[str, str | int, str]  # kind ("scale", "operation" or "letter"), which one, label


def _legend_items(architecture: Architecture) -> list[list[Item]]:
    scales: list[Item] = [
        ("scale", s, f"{'full resolution' if s == 0 else f'1/{2**s}'}, {width} channels")
        for s, width in enumerate(architecture.widths)
    ]
    operations: list[Item] = [("operation", name, entry[3]) for name, entry in OPERATIONS.items()]
    letters: list[Item] = [
        ("letter", "", "P parallel, F fusion (black: searched, grey: fixed)"),
        ("letter", "", "T transition"),
        ("letter", "", "C last convolution"),
    ]
    if architecture.residual:
        letters.append(("letter", "", "dotted: the input is added to the output"))
    return [scales, operations, letters]


def _item_width(item: Item) -> float:
    return {"scale": 0.26, "operation": 0.5, "letter": 0.0}[item[0]] + 0.073 * len(item[2]) + 0.2


def _wrapped(items: Sequence[Item], width: float) -> list[list[Item]]:
    """Break a row of the legend into as many rows as ``width`` inches ask for."""
    rows: list[list[Item]] = [[]]
    for item in items:
        if rows[-1] and sum(map(_item_width, rows[-1])) + _item_width(item) > width:
            rows.append([])
        rows[-1].append(item)
    return rows


def _draw_legend(axes: Axes, rows: Sequence[Sequence[Item]], height: float) -> None:
    for index, row in enumerate(rows):
        x, y = MARGIN, height - MARGIN - LINE * (len(rows) - 1 - index)
        for item in row:
            kind, which, label = item
            indent = 0.0
            if kind == "scale":
                scale = int(which)
                _draw_square(axes, x + 0.09, y, scale, SCALE_COLOURS[scale]).set(width=0.18, height=0.18, y=y - 0.09)
                axes.patches[-1].set(x=x)
                indent = 0.26
            elif kind == "operation":
                colour, width, style, _ = OPERATIONS[str(which)]
                axes.add_line(Line2D((x, x + 0.4), (y, y), color=colour, linewidth=width + 0.4, linestyle=style))
                indent = 0.5
            axes.text(x + indent, y, label, size=8.5, color=INK, va="center")
            x += _item_width(item)
