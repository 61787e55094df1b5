"""Protocols of simulated photographs keep their values, so that recorded figures stay comparable."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import skimage

from clearer.evaluation.protocols import parse_protocol
from clearer.images.view import read_image

PHOTOGRAPH = read_image(Path(skimage.__file__).parent / "data" / "astronaut.png", 3)[60:188, 140:268]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("camera-400", 37.86), ("camera-1600", 32.09), ("camera-6400", 26.03), ("camera-25600", 19.69),
        ("camera-gray-1600", 37.69),
        ("camera-processed-1600", 38.56), ("jpeg-10", 26.70), ("jpeg-444-10", 26.86), ("jpeg-twice-30", 28.82),
        ("jpeg-gray-twice-30", 30.04), ("resize-2", 30.26), ("resize-gray-3", 26.99), ("blur-2", 24.86),
        ("blur-disk-2", 28.22),
        ("blur-motion-9", 24.65),
    ],
)  # fmt: skip
def test_the_psnr_of_the_input_is_that_of_before(protocol: str, expected: float) -> None:
    stated = parse_protocol(protocol)
    clean = PHOTOGRAPH if stated.channels == 3 else PHOTOGRAPH[..., 1:2]
    errors = [((stated.degradation.degrade_image(clean, 0, k) - clean / 255) ** 2).mean() for k in range(4)]
    assert np.mean(-10 * np.log10(errors)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("protocol", ["gray-awgn-25", "gray-speckle-4", "jpeg-gray-20", "gray-poisson-30"])
def test_seeds_of_any_size_are_taken_and_differ(protocol: str) -> None:
    clean, one = np.random.default_rng(0).integers(0, 256, (32, 32, 1), np.uint8), parse_protocol(protocol).degradation
    assert one is not None
    drawn = [one.degrade_image(clean, seed, 0) for seed in (1, 2 * 10**13, 10**30)]
    assert all(np.isfinite(image).all() for image in drawn)
    for first, second in itertools.combinations(drawn, 2):
        # A JPEG of one quality draws nothing.
        assert np.array_equal(first, second) == protocol.startswith("jpeg")
