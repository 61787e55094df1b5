"""Blur: kernels of the right shape and sum, constants, parts of a batch, settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.degradations.blur import SHAPES, Blur, kernel
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(shape=st.sampled_from(sorted(SHAPES)), extent=st.floats(0.4, 9), angle=st.floats(-360, 360))
def test_an_impulse_becomes_the_kernel_whose_sum_is_1(shape: str, extent: float, angle: float) -> None:
    how = Blur(shape, sigma=extent / 3, radius=extent, length=2 * extent, angle=angle)
    impulse = torch.zeros(1, 1, 41, 41)
    impulse[..., 20, 20] = 1
    found = how.apply(impulse, chance())[0, 0]
    expected = kernel(shape, {"gaussian": extent / 3, "disk": extent, "motion": 2 * extent}[shape], angle, 20)
    assert found.sum().item() == pytest.approx(1, abs=1e-4)
    assert torch.allclose(found, expected, atol=1e-4)


def test_kernels_have_the_extent_that_is_stated() -> None:
    places = torch.arange(-12.0, 13)
    across, down = (kernel("gaussian", 2, 0, 12).sum(dim) for dim in (0, 1))
    assert [(line * places**2).sum().sqrt().item() for line in (across, down)] == pytest.approx([2, 2], abs=0.01)
    assert int((kernel("disk", 5, 0, 12) > 0).sum()) == pytest.approx(torch.pi * 5.5**2, rel=0.05)
    level, upright = kernel("motion", 9, 0, 12), kernel("motion", 9, 90, 12)
    assert level[12, 8:17].tolist() == pytest.approx([1 / 9] * 9) and torch.allclose(level.T, upright, atol=1e-6)
    rising = kernel("motion", 9, 45, 12)  # counterclockwise, as angles are
    assert rising[10, 14] > 0.05 and rising[14, 14] == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_image_stays(shape: str) -> None:
    constant = torch.full((3, 3, 17, 6), 0.4)
    assert torch.allclose(Blur(shape).apply(constant, chance()), constant, atol=1e-6)


def test_each_image_draws_its_blur_also_in_parts_of_a_batch() -> None:
    clean = torch.rand(1, 3, 24, 24, generator=chance()).expand(40, 3, 24, 24)
    whole = Blur().apply(clean, chance(1))
    assert len({round(image.std().item(), 5) for image in whole}) > 30
    parts = [Blur().apply(clean[i : i + 20], chance(1), start=i, of=40) for i in (0, 20)]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-6)
    assert torch.equal(whole, Blur().apply(clean, chance(1))) and whole.shape == clean.shape


def test_settings_and_protocols() -> None:
    how = Blur(["disk", "motion"], radius=3, length=(2, 6))
    assert degradation_from_dict(how.to_dict()) == how
    assert how.describe() == "blur (disk of radius 3, motion of length 2 to 6)" and how.effect() == "blur"
    assert how.at_level(0.5) == Blur(["disk", "motion"], radius=3, length=4)
    assert parse_protocol("blur-2").degradation == Blur("gaussian", sigma=2)
    assert parse_protocol("blur-disk-2.5").degradation == Blur("disk", radius=2.5)
    assert parse_protocol("blur-motion-9").degradation == Blur("motion", length=9)
    assert parse_protocol("blur-gray-1").channels == 1


@pytest.mark.parametrize(("name", "value"), [("shape", "box"), ("sigma", 0), ("length", [9, 3]), ("angle", "left")])
def test_invalid_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^degradation\.{name}: ") as caught:
        degradation_from_dict({"kind": "blur", name: value})
    assert "\n" not in str(caught.value)
