"""Empty channels, and images too small for the correlation of their noise, are not taken for clean ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.noise.test_profile import COFFEE, NOISE, UNIT, stored

from clearer.inference.choice import choose
from clearer.inference.image_facts import facts_of
from clearer.noise.blocks import filled_channels
from clearer.noise.glance import glance
from clearer.noise.profile import profile_images
from clearer.noise.words import in_words
from clearer.pipeline.noisy import method_by

NOISY = stored(UNIT + 20 / 255 * NOISE)


def only(channels: Sequence[int], value: int = 0) -> np.ndarray:
    """Return the noisy photograph with the other channels constant."""
    image = np.full_like(NOISY, value)
    image[:, :, channels] = NOISY[:, :, channels]
    return image


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("channels", [[1], [0, 1]])
def test_an_empty_channel_does_not_hide_the_noise_of_the_others(channels: list[int], value: int) -> None:
    found, alone = profile_images([only(channels, value)]), profile_images([NOISY[:, :, channels]])
    assert (found.kind, found.level, found.rows) == (alone.kind, alone.level, alone.rows)
    assert found.level * 255 == pytest.approx(20, rel=0.1)
    assert found.level_at(0.5) == pytest.approx(alone.level_at(0.5))
    assert in_words(found) == in_words(alone)  # no "Clipped: 66.7% of the values at black"
    assert [gain > 0 or offset > 1e-6 for gain, offset in zip(found.gain, found.offset, strict=True)] == [
        c in channels for c in range(3)
    ]
    assert glance(only(channels, value) / np.float32(255)) == glance(NOISY[:, :, channels] / np.float32(255))


def test_a_label_drawn_over_an_empty_channel_does_not_fill_it() -> None:
    image = only([1])
    image[360:368, 400:500] = 255
    assert list(filled_channels([image / np.float32(255)])) == [1]
    assert profile_images([image]).kind == "independent"


def test_no_channel_is_left_out_of_constant_images_and_of_photographs() -> None:
    for image in (np.zeros((64, 64, 3), np.float32), UNIT):
        assert list(filled_channels([image])) == [0, 1, 2]


@pytest.mark.parametrize("height", [8, 12, 15])
def test_the_noise_of_a_small_image_is_taken_as_white(height: int) -> None:
    small = NOISY[100 : 100 + height, :200]
    found, facts = profile_images([small]), facts_of(small / np.float32(255))
    assert found.kind == facts.kind == "independent" and facts.white
    assert found.level * 255 == pytest.approx(20, rel=0.25) and facts.level == pytest.approx(20, rel=0.25)
    assert "could not be measured" in in_words(found)[0]
    assert "taken as independent" in choose(facts, ()).line() and choose(facts, ()).needed
    assert method_by(found).settings == {"train.loss": "neighbor2neighbor"}
    assert not any("have independent noise" in line for line in method_by(found).remarks)


def test_a_small_image_without_noise_is_clean() -> None:
    smooth = np.broadcast_to(np.linspace(40, 60, 200), (12, 200)).astype(np.uint8)
    assert profile_images([smooth]).kind == "clean"
    assert facts_of(smooth[:, :, None] / np.float32(255)).in_words().startswith("nearly no noise")


def test_an_image_below_a_block_is_not_said_to_have_no_noise() -> None:
    facts = facts_of(NOISY[:7, :200] / np.float32(255))
    assert facts.in_words() == "noise not measured, which needs 8x8 pixels"
    assert choose(facts, ()).model is None


def test_clean_images_are_not_said_to_have_independent_noise() -> None:
    assert not any("independent" in line for line in method_by(profile_images([COFFEE])).remarks)
