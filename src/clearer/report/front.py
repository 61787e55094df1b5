"""The figure of a search within budgets: quality against cost of every network tried, and the Pareto front."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from clearer.report.figures import COLORS, GRID, INK, MUTED, dress
from clearer.runs.budget_record import BudgetRecord, Choice, unit_at

BLUE, DEFAULT, FRONT = COLORS[0], COLORS[1], COLORS[2]
MARKERS, SIZES = "osDP", (5.0, 6.5, 8.0, 9.0)
"""By rung: the longer a training, the larger, darker and more angular its marker."""
NEAR = 1.0
"""A published network is drawn where it widens the axis by this share at most; others are named at the edge."""


@dataclass(frozen=True)
class Point:
    """A network tried: its place in the figure, its number of steps and whether it is the scaled default."""

    cost: float
    psnr: float
    steps: int
    architecture: str
    default: bool


def points_of(record: BudgetRecord, unit: str) -> list[Point]:
    """Return every network and rung of the budgets of a unit, each once, without those whose training failed."""
    found: dict[Point, None] = {}
    for choice in record.of(unit):
        default = choice.default.text
        for line in (line for line in choice.tried if not line.failed):
            cost = shown_cost(record, line.architecture, line.cost, unit)
            found[Point(cost, line.psnr, line.steps, line.architecture, line.architecture == default)] = None
    return list(found)


def shown_cost(record: BudgetRecord, architecture: str, predicted: float, unit: str) -> float:
    """Return the cost of a network as drawn: thousands of multiply-adds, or milliseconds, measured if they were."""
    if unit == "MAC/pixel":
        return predicted / 1000
    for line in record.latencies:
        if line.get("architecture") == architecture and unit_at(line) == unit:
            return line["milliseconds"]
    return predicted


def pareto(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other matches at a lower or equal cost, by rising cost.

    >>> pareto([Point(1, 20, 9, "a", False), Point(2, 19, 9, "b", False), Point(3, 21, 9, "c", False)])[1].cost
    3
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.psnr)):
        if not found or point.psnr > found[-1].psnr:
            found.append(point)
    return found


def front_figure(record: BudgetRecord, unit: str) -> Figure:
    """Return validation PSNR against the cost in ``unit`` of every network tried.

    A network has a marker for each rung; the kind of the marker tells the steps. The front joins those of the last
    rung.
    """
    figure = Figure(figsize=(11, 5.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    points, choices = points_of(record, unit), record.of(unit)
    dress(axes, "", _name(unit), whole=False)
    axes.set_ylabel("PSNR on the validation images (dB); higher is better", fontsize=9, color=MUTED)
    floor = floor_of(points)
    _draw_points(axes, points, floor)
    _draw_front(axes, points)
    for choice in choices:
        _draw_choice(axes, record, choice)
    _limit(axes, points, choices, floor)
    _draw_published(axes, record, unit)
    axes.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.01, 0.5), labelspacing=0.9)
    return figure


def floor_of(points: Sequence[Point]) -> float:
    """Return the PSNR below which markers stand at the lower edge: far below the others, a training failed."""
    values = [point.psnr for point in points]
    if len(values) < 4:
        return min(values, default=0.0)
    first, _, third = statistics.quantiles(values, n=4)
    return max(min(values), first - 2.5 * (third - first))


def _name(unit: str) -> str:
    if unit == "MAC/pixel":
        return "thousand multiply-adds per pixel (kMAC/pixel); less is faster, but not exactly"
    return (
        f"milliseconds for an image of {unit.removeprefix('ms at ').replace('x', ' x ')} pixels; further left is faster"
    )


def _tint(color: str, share: float) -> tuple[float, ...]:
    """Return a color mixed with white; a share of 1 is the color itself."""
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return tuple(1 - share * (1 - part) for part in parts)


def _draw_points(axes: Axes, points: Sequence[Point], floor: float) -> None:
    rungs = sorted({point.steps for point in points})
    for network in dict.fromkeys(point.architecture for point in points):
        own = [point for point in points if point.architecture == network]
        values = [point.psnr for point in own]
        if len({point.steps for point in own}) > 1:
            axes.plot([own[0].cost] * 2, [min(values), max(values)], color=GRID, linewidth=1.4, zorder=1)
    for number, steps in enumerate(rungs):
        share = 0.4 + 0.6 * (number + 1) / len(rungs)
        for default, color in ((False, BLUE), (True, DEFAULT)):
            those = [p for p in points if p.steps == steps and p.default == default]
            if not those:
                continue
            count = len({p.architecture for p in those})
            axes.plot(
                [p.cost for p in those],
                [max(p.psnr, floor) for p in those],
                linestyle="",
                marker="^" if default else MARKERS[min(number, len(MARKERS) - 1)],
                markersize=SIZES[min(number, len(SIZES) - 1)] + default,
                color=_tint(color, share),
                markeredgecolor="white",
                markeredgewidth=0.6,
                zorder=3 + number,
                label=_label(count, default, steps),
            )
            if default:
                # The mean over the seeds: the best of several would be better by chance.
                of_cost = {p.cost: [q.psnr for q in those if q.cost == p.cost] for p in those}
                line = sorted((cost, statistics.mean(values)) for cost, values in of_cost.items())
                axes.plot(*zip(*line, strict=True), color=_tint(color, share), linewidth=1.1, zorder=2)


def _label(count: int, default: bool, steps: int) -> str:
    if default:
        return f"default network{', scaled in width,' if count > 1 else ''}\nafter {steps:,} steps"
    return f"{count} network{'s' if count > 1 else ''} after {steps:,} steps"


def _draw_front(axes: Axes, points: Sequence[Point]) -> None:
    last = max((point.steps for point in points), default=0)
    front = pareto([point for point in points if point.steps == last])
    if len(front) > 1:
        axes.plot(
            [p.cost for p in front], [p.psnr for p in front], color=FRONT, linewidth=1.8, zorder=2,
            label="Pareto front: none is both\nfaster and better",
        )  # fmt: skip


def _draw_choice(axes: Axes, record: BudgetRecord, choice: Choice) -> None:
    scale = 1000 if choice.unit == "MAC/pixel" else 1
    labels = axes.get_legend_handles_labels()[1]
    axes.axvline(
        choice.amount / scale, color=MUTED, linewidth=1.1, linestyle=(0, (5, 3)), zorder=0,
        label=None if "budget" in labels else "budget",
    )  # fmt: skip
    axes.annotate(
        choice.budget, (choice.amount / scale, 1.0), xytext=(0, 3), ha="center", va="bottom", size=8.5,
        xycoords=axes.get_xaxis_transform(), textcoords="offset points", color=INK,
    )  # fmt: skip
    best = choice.best_of(choice.architecture)
    if best is not None:
        place = (shown_cost(record, best.architecture, best.cost, choice.unit), best.psnr)
        label = None if "chosen" in labels else "chosen"
        axes.plot(
            *place, "o", markersize=16, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.6, label=label,
            zorder=8,
        )  # fmt: skip


def _limit(axes: Axes, points: Sequence[Point], choices: Sequence[Choice], floor: float) -> None:
    """Choose the limits by the networks tried; published ones may stand far outside."""
    scale = 1000 if choices[0].unit == "MAC/pixel" else 1
    costs = [*(point.cost for point in points), *(choice.amount / scale for choice in choices)]
    low, high = min(costs), max(costs)
    if high > 3 * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(low / 1.15, high * 1.15)
    else:
        margin = 0.08 * max(high - low, 0.05 * high)
        axes.set_xlim(low - margin, high + margin)
    top = max((point.psnr for point in points), default=1.0)
    margin = max(top - floor, 0.05)
    axes.set_ylim(floor - 0.08 * margin, top + 0.14 * margin)


def _draw_published(axes: Axes, record: BudgetRecord, unit: str) -> None:
    """Draw a line at the cost of each published network; those far away are named at the right edge."""
    low, high = axes.get_xlim()
    key, factor = ("macs_per_pixel", 1000.0) if unit == "MAC/pixel" else ("milliseconds", 1.0)
    lines = [(str(x.get("name")), float(x[key]) / factor) for x in record.published(unit)]  # type: ignore[literal-required]
    most = high * (high / low) ** NEAR if axes.get_xscale() == "log" else high + NEAR * (high - low)
    near = [(name, cost) for name, cost in lines if low <= cost <= most]
    for name, cost in near:
        axes.axvline(cost, color=COLORS[3], linewidth=1.2, linestyle=(0, (1, 2)), zorder=0)
        axes.annotate(
            f"{name} {cost:,.4g}", (cost, 0.0), xytext=(-4, 4), ha="right", va="bottom", size=8.5, rotation=90,
            xycoords=axes.get_xaxis_transform(), textcoords="offset points", color=COLORS[3],
        )  # fmt: skip
    if near:
        axes.set_xlim(low, max(high, *(cost * 1.03 for _, cost in near)))
    # Outside the axes, below the legend, where no marker can be.
    far = sorted((item for item in lines if item not in near), key=lambda item: item[1])
    for row, (name, cost) in enumerate(far):
        arrow = "\N{LEFTWARDS ARROW}" if cost < low else "\N{RIGHTWARDS ARROW}"
        axes.annotate(
            f"{arrow} {name} {cost:,.0f}", (1.02, 0.02 + 0.055 * row), xycoords="axes fraction", ha="left", va="bottom",
            size=8.5, color=COLORS[3],
        )  # fmt: skip
