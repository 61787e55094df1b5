"""The words and the figure on intensity preservation."""

from __future__ import annotations

from clearer.report.figures import svg_text
from clearer.report.intensity import intensity_figure, intensity_line, intensity_of
from clearer.runs.schema import IntensityRecord

RECORD: IntensityRecord = {
    "levels": [0, 4095], "slope": 0.98, "offset": 3.5, "input_slope": 0.7, "input_offset": 120.0, "bias": -4.0,
    "input_bias": 20.0, "bins": [
        {"level": 200.0, "pixels": 900, "bias": -1.5, "input_bias": 60.0, "rmse": 20.0},
        {"level": 800.0, "pixels": 100, "bias": -12.5, "input_bias": -20.0, "rmse": 30.0},
    ],
}  # fmt: skip


def test_the_line_states_slope_offset_and_the_range_of_the_bias() -> None:
    line = intensity_line(RECORD)
    assert line.startswith("restored = 0.980 x truth +3.5 (input: 0.700 x truth +120)")
    assert line.endswith("bias -12.5 to -1.5 by brightness, in levels of 0 to 4095")


def test_the_figure_shows_each_bin() -> None:
    figure = intensity_figure(RECORD)
    restored = next(line for line in figure.axes[0].lines if line.get_label() == "restored")
    assert list(restored.get_xdata()) == [200, 800] and list(restored.get_ydata()) == [198.5, 787.5]
    assert svg_text(figure).startswith("<svg")


def test_evaluations_without_bins_have_no_figure() -> None:
    assert intensity_of({"psnr": 1}) is None and intensity_of({"intensity": {**RECORD, "bins": []}}) is None
    assert intensity_of({"intensity": RECORD}) == RECORD
