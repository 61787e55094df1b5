"""The shares of clipped values count what was clipped, and nothing else."""

from __future__ import annotations

import numpy as np

from clearer.noise.depth import clipped_shares
from clearer.noise.profile import profile_images
from clearer.noise.words import in_words

NOISE = np.random.default_rng(0).normal(0, 0.1, (64, 64, 1)).astype(np.float32)


def test_floats_beyond_black_and_white_were_not_clipped() -> None:
    assert clipped_shares([NOISE]) == clipped_shares([1 + NOISE]) == (0, 0)
    assert not any("Clipped" in line for line in in_words(profile_images([NOISE + 0.02])))


def test_floats_that_end_at_black_or_white_were_clipped() -> None:
    black, white = clipped_shares([NOISE.clip(0, 1)])
    assert abs(black - 0.5) < 0.05 and white == 0
    black, white = clipped_shares([(1 + NOISE).clip(0, 1)])
    assert abs(white - 0.5) < 0.05 and black == 0
    assert "Clipped" in " ".join(in_words(profile_images([NOISE.clip(0, 1)])))


def test_each_image_is_judged_by_its_own_values() -> None:
    assert clipped_shares([NOISE, NOISE.clip(0, 1)])[0] == np.mean(NOISE <= 0) / 2
