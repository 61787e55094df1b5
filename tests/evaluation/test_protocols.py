"""Named protocols against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.degradations.gaussian import Gaussian
from clearer.evaluation.protocols import example_names, parse_protocol, without_pairs
from clearer.images.pixels import crop_to_multiple


def test_protocols_are_as_defined() -> None:
    gray, color, paper = (parse_protocol(f"{form}-12.5") for form in ("gray-awgn", "color-awgn", "clearer-gray"))
    plain, clipped = Gaussian(12.5), Gaussian(12.5, clip8=True)
    assert (gray.channels, gray.sigma, gray.degradation, gray.crop, gray.luma) == (1, 12.5, plain, 1, False)
    assert (color.channels, color.sigma, color.degradation, color.crop, color.luma) == (3, 12.5, plain, 1, False)
    assert (paper.channels, paper.sigma, paper.degradation, paper.crop, paper.luma) == (1, 12.5, clipped, 64, False)
    rgb, y = parse_protocol("rain-rgb"), parse_protocol("rain-y")
    assert (rgb.channels, rgb.sigma, rgb.luma) == (3, None, False)
    assert (y.channels, y.sigma, y.luma) == (3, None, True)
    pairs = [parse_protocol(name) for name in ("pairs-gray", "pairs-color")]
    assert [(p.channels, p.sigma, p.luma, p.crop, p.needs_pairs) for p in pairs] == [
        (1, None, False, 1, True), (3, None, False, 1, True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("grey-awgn-30", "gray-awgn-30"),
        ("gray-awgn", "gray-awgn-50"),
        ("clearer-grey-70", "clearer-gray-70"),
        ("gray-awgn-0", "gray-awgn-50"),
        ("gray-awgn--5", "gray-awgn-5"),
        ("colour-awgn-5", "color-awgn-5"),
        ("rain_rgb", "rain-rgb"),
        ("gray-awgn-" + "9" * 400, None),
        ("gray-awgn-50\n", None),
        ("", None),
    ],
)
def test_unknown_protocols_are_refused_with_the_nearest(name: str, near: str | None) -> None:
    with pytest.raises(UserError, match=r"^protocol: .*known are gray-awgn-S") as caught:
        parse_protocol(name)
    assert near is None or f"did you mean {near!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(height=st.integers(1, 200), width=st.integers(1, 200), multiple=st.sampled_from([1, 8, 64]))
def test_center_crop_is_central_and_maximal(height: int, width: int, multiple: int) -> None:
    rows, columns = np.mgrid[:height, :width]
    found = crop_to_multiple(np.stack([rows, columns], -1), multiple)
    assert found.shape[:2] == (height // multiple * multiple, width // multiple * multiple)
    if found.size:
        for axis, side in ((0, height), (1, width)):
            before, after = found[0, 0, axis], side - 1 - found[-1, -1, axis]
            assert after - before in (0, 1)


@pytest.mark.parametrize("name", example_names())
def test_every_protocol_has_a_degradation_with_one_level(name: str) -> None:
    protocol = parse_protocol(name)
    assert protocol.name == name and protocol.channels in (1, 3)
    assert protocol.degradation.at_level(0.3) == protocol.degradation
    clean = np.random.default_rng(0).integers(0, 256, (16, 12, protocol.channels), np.uint8)
    if not protocol.needs_pairs:
        found = [protocol.degradation.degrade_image(clean, seed, k) for seed, k in ((0, 0), (0, 0), (1, 2))]
        assert np.array_equal(found[0], found[1]) and found[2].shape == clean.shape
        assert all(image.dtype == np.float32 for image in found)


def test_protocols_that_need_pairs_name_those_that_do_not() -> None:
    assert without_pairs(parse_protocol("rain-y")) == ["rain-synthetic"]
    assert without_pairs(parse_protocol("pairs-color")) == []
