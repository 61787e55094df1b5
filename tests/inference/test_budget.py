"""Sizes and budgets, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.inference.budget import Budget, ImageSize


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1920x1080", (1920, 1080)),
        (" 640 X 480", (640, 480)),
        ("1080p", (1920, 1080)),
        ("4K", (3840, 2160)),
        ("1mp", (1000, 1000)),
        ("0.25mp", (500, 500)),
        (".01MP", (100, 100)),
        ("12 megapixels", (3464, 3464)),
    ],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    found = ImageSize.parse(text)
    assert (found.width, found.height) == size and found.pixels == size[0] * size[1]


@pytest.mark.parametrize("text", ["", "big", "1920", "1920x", "0x100", "100x70000", "-1mp", "0mp", "1e9mp"])
def test_other_sizes_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(UserError, match="size: ") as caught:
        ImageSize.parse(text)
    assert repr(text) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "milliseconds", "size"),
    [
        ("100ms@1mp", 100, (1000, 1000)),
        ("100@1mp", 100, (1000, 1000)),
        ("1.5s@4k", 1500, (3840, 2160)),
        ("40ms @ 1920x1080", 40, (1920, 1080)),
        ("5mp/s", 200, (1000, 1000)),
        ("0.5MP/s", 2000, (1000, 1000)),
    ],
)
def test_budgets_of_time(text: str, milliseconds: float, size: tuple[int, int]) -> None:
    budget = Budget.parse(text)
    assert budget.milliseconds == pytest.approx(milliseconds) and budget.macs_per_pixel is None
    assert (budget.size.width, budget.size.height) == size and str(budget.size) in str(budget)


@pytest.mark.parametrize("text", ["60kmac", "60 kMACs", "60kmac/px", "60kmac/pixel"])
def test_budgets_of_multiply_adds(text: str) -> None:
    budget = Budget.parse(text)
    assert (budget.milliseconds, budget.macs_per_pixel, str(budget)) == (None, 60000, "60 kMAC/pixel")


@pytest.mark.parametrize("text", ["", "100ms", "100ms@", "ms@1mp", "100us@1mp", "100", "0ms@1mp", "0mp/s", "100ms@big"])
def test_other_budgets_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(UserError, match=r"(budget|size): ") as caught:
        Budget.parse(text)
    assert "\n" not in str(caught.value)


@settings(deadline=None, derandomize=True)
@given(ms=st.floats(0.01, 1e5), width=st.integers(1, 2**16), height=st.integers(1, 2**16))
def test_a_budget_reads_what_was_written(ms: float, width: int, height: int) -> None:
    budget = Budget.parse(f"{ms:.6f}ms@{width}x{height}")
    assert budget.milliseconds == pytest.approx(ms, abs=1e-6) and budget.size == ImageSize(width, height)
