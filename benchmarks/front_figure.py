"""The figure of front.py: PSNR over speed, our models joined as a front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from clearer.report.figures import COLORS, INK, MUTED, dress, places_apart, save_figure

LEVELS = (25, 50)
LIBRARY = "its own"
MARKERS = {"FFDNet": "D", "DnCNN": "s", "BM3D": "^"}
SAME = 1.03
Point = tuple[str, float, float]  # name, megapixels a second, dB


def draw(value: dict[str, Any], path: Path) -> None:
    """Write the figure of a result of front.py: a panel for each of two noise levels."""
    figure = Figure(figsize=(10.6, 4.6), layout="constrained", facecolor="white")
    for place, sigma in enumerate(LEVELS):
        axes = figure.add_subplot(1, 2, place + 1)
        dress(axes, f"{value['data'].upper()}, white noise of sigma {sigma}", "megapixels a second", whole=False)
        axes.set_ylabel("PSNR, dB", fontsize=9, color=MUTED)
        panel(axes, points_of(value, sigma), {one["name"]: one["kind"] for one in value["denoisers"]})
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=5)
    save_figure(figure, path, dpi=100)


def points_of(value: dict[str, Any], sigma: int) -> dict[str, list[Point]]:
    """Return the points of each runtime, in the order of the rows; a denoiser without a figure at the level has none.

    PSNR is that in the precision that was timed, or else that in fp32.
    """
    found: dict[str, list[Point]] = {}
    for row in value["speed"]["rows"]:
        by = value["psnr"].get(row["name"], {})
        score = by.get(row["precision"], by.get("fp32", {})).get(str(sigma))
        if score is not None:
            runtime = f"{row['runtime']} {row['precision']}".strip()
            found.setdefault(runtime, []).append((row["name"], 1000 / row["ms_per_megapixel"], score))
    return found


def panel(axes: Axes, found: dict[str, list[Point]], kinds: dict[str, str]) -> None:
    """Draw one noise level: a color for each runtime, in each a front of ours; those of the first are emphasized."""
    axes.set_xscale("log")
    colors = dict(zip((runtime for runtime in found if runtime != LIBRARY), COLORS, strict=False))
    for number, (runtime, points) in enumerate(found.items()):
        color, first = colors.get(runtime, MUTED), number == 0 or runtime == LIBRARY
        ours = front([point for point in points if kinds[point[0]] == "ours"])
        if ours:
            strength: dict[str, Any] = {"linewidth": 2 if first else 1, "alpha": 1 if first else 0.7}
            axes.plot([x for _, x, _ in ours], [y for *_, y in ours], color=color, zorder=3, label=runtime, **strength)
        for name, x, y in points:
            size: dict[str, Any] = {"markersize": 6.5 if first else 4.5, "alpha": 1 if first else 0.7}
            axes.plot([x], [y], marker=MARKERS.get(name, "o"), color=color, zorder=4, **size)
    write_names(axes, [point for points in found.values() for point in points])


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points, from slow to fast, than which no other is as fast and better, or as good and faster.

    Speeds within 3 % count as one: two models with one network differ by as much.

    >>> front([("a", 1, 30), ("b", 2, 29), ("c", 1.5, 28), ("d", 2.02, 28.5)])
    [('a', 1, 30), ('b', 2, 29)]
    """

    def beaten(x: float, y: float) -> bool:
        return any((a >= x and b >= y and (a, b) != (x, y)) or (SAME * a >= x and b > y) for _, a, b in points)

    kept = [(name, x, y) for name, x, y in points if not beaten(x, y)]
    return sorted(kept, key=lambda point: point[1])


def write_names(axes: Axes, points: Sequence[Point]) -> None:
    """Write each name right of its fastest point, none over another."""
    fastest = {name: max(point for point in points if point[0] == name) for name, *_ in points}
    slow, fast = (f(x for _, x, _ in points) for f in (min, max))
    axes.set_xlim(slow * (slow / fast) ** 0.04, fast * (fast / slow) ** 0.4)  # the names stand on the right
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    places = places_apart([y for *_, y in fastest.values()], 0.042 * (high - low), (low, high))
    for (name, x, y), place in zip(fastest.values(), places, strict=True):
        moved = abs(place - y) > 0.015 * (high - low)
        arrow = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
        at = (x * (axes.get_xlim()[1] / axes.get_xlim()[0]) ** 0.02, place)
        axes.annotate(
            name, (x, y), at, xycoords="data", textcoords="data", va="center", ha="left", color=INK, size=8,
            arrowprops=arrow if moved else None, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.75},
        )  # fmt: skip
