"""The figure and the words on intensity preservation: restored brightness against that of the ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from matplotlib.figure import Figure

from clearer.report.figures import COLORS, MUTED, dress
from clearer.runs.schema import IntensityRecord


def intensity_of(evaluation: Mapping[str, Any]) -> IntensityRecord | None:
    """Return the record of an evaluation, if it has one with bins."""
    found = evaluation.get("intensity")
    return cast(IntensityRecord, found) if isinstance(found, Mapping) and found.get("bins") else None


def intensity_line(record: IntensityRecord) -> str:
    """Return slope, offset and bias in one sentence."""
    biases = [one["bias"] for one in record["bins"]]
    low, high = record["levels"]
    return (
        f"restored = {record['slope']:.3f} x truth {record['offset']:+.3g} "
        f"(input: {record['input_slope']:.3f} x truth {record['input_offset']:+.3g}); "
        f"bias {min(biases):+.3g} to {max(biases):+.3g} by brightness, in levels of {low:g} to {high:g}"
    )


def intensity_figure(record: IntensityRecord) -> Figure:
    """Return two charts over the brightness of the ground truth: restored brightness, and its bias and error."""
    bins = record["bins"]
    levels = [one["level"] for one in bins]
    figure = Figure(figsize=(11, 3.6), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    dress(left, "mean restored level (dashed: equal)", "level of the ground truth", whole=False)
    dress(right, "bias (bars: RMS error of pixels)", "level of the ground truth", whole=False)
    ends = [levels[0], levels[-1]]
    left.plot(ends, ends, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    line = [record["slope"] * level + record["offset"] for level in ends]
    left.plot(ends, line, color=COLORS[0], linewidth=0.8)
    restored = [one["level"] + one["bias"] for one in bins]
    left.plot(levels, restored, "o", color=COLORS[0], markersize=5, label="restored")
    degraded = [one["level"] + one["input_bias"] for one in bins]
    left.plot(levels, degraded, "x", color=COLORS[1], markersize=5, label="input")
    left.legend(frameon=False, fontsize=8)
    right.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    errors = [one["rmse"] for one in bins]
    right.errorbar(
        levels, [one["bias"] for one in bins], errors, fmt="o", color=COLORS[0], markersize=5, elinewidth=0.8
    )
    right.plot(levels, [one["input_bias"] for one in bins], "x", color=COLORS[1], markersize=5)
    return figure
