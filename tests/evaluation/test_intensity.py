"""Intensity preservation, against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.data.folders import Folders
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.intensity import IntensityMeter


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 1.2), st.floats(-0.05, 0.05), st.sampled_from([(0.0, 255.0), (100.0, 4095.0)]))
def test_slope_and_offset_are_those_of_a_least_squares_line(slope: float, offset: float, levels) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 1, 40, 50, generator=generator, dtype=torch.float64) * 0.6 + 0.1
    noisy = truth + 0.1 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    restored = slope * truth + offset + 0.02 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    meter = IntensityMeter(levels)
    for k in range(2):
        meter.add(truth[k : k + 1], noisy[k : k + 1], restored[k : k + 1])
    record = meter.record()
    t, x, y = (levels[0] + image.flatten().numpy() * (levels[1] - levels[0]) for image in (truth, noisy, restored))
    assert (record["slope"], record["offset"]) == pytest.approx(np.polyfit(t, y, 1), rel=1e-6, abs=1e-4)
    assert (record["input_slope"], record["input_offset"]) == pytest.approx(np.polyfit(t, x, 1), rel=1e-6, abs=1e-4)
    assert record["bias"] == pytest.approx((y - t).mean(), abs=1e-6)
    bins = record["bins"]
    assert len(bins) == 10 and sum(one["pixels"] for one in bins) == t.size
    assert [one["level"] for one in bins] == sorted(one["level"] for one in bins)
    whole = sum(one["rmse"] ** 2 * one["pixels"] for one in bins) / t.size
    assert whole == pytest.approx(((y - t) ** 2).mean(), rel=1e-6)
    expected = (slope - 1) * np.array([one["level"] for one in bins])
    drift = np.array([one["bias"] for one in bins]) - expected
    assert np.ptp(drift) < 0.02 * (levels[1] - levels[0])


def test_flat_and_dim_images_have_records(tmp_path: Path) -> None:
    flat = torch.full((1, 1, 8, 8), 0.25)
    meter = IntensityMeter((0, 255))
    meter.add(flat, flat, flat + 0.1)
    record = meter.record()
    assert (record["slope"], len(record["bins"])) == (1.0, 1)
    assert record["offset"] == pytest.approx(25.5, abs=1e-4)


def test_pairs_of_12_bits_are_recorded_in_their_levels(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    truth = chance.integers(100, 900, (48, 64)).astype(np.uint16)
    for name, image in (("truth", truth), ("noisy", truth + 50)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", image.astype(np.uint16))
    pairs = Folders(clean=str(tmp_path / "truth"), degraded=str(tmp_path / "noisy"))
    result = evaluate(lambda x: 0.5 * x, pairs, "pairs-gray", span=(0, 4095))
    intensity = result.to_dict()["intensity"]
    assert intensity["levels"] == [0, 4095]
    assert (intensity["slope"], intensity["offset"]) == pytest.approx((0.5, 25), abs=1e-3)
    assert intensity["input_bias"] == pytest.approx(50, abs=1e-3)
    assert "intensity" not in evaluate(lambda x: x, tmp_path / "truth", "gray-awgn-25").to_dict()
