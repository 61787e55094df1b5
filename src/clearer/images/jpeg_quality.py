"""The quality that a JPEG file was saved with, from its quantization tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

# The luma table of the JPEG standard, annex K.1, which nearly all encoders scale.
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def quality_of(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Return the quality, 1 to 100, whose luma table is the nearest; None without tables.

    Tables are compared by their sums, so the order of their values does not matter. Tables that are not those of the
    standard, as some cameras have them, give the quality of equally strong compression.
    """
    if not tables:
        return None
    total = sum(tables[min(tables)])
    return min(range(1, 101), key=lambda quality: abs(_sum_at(quality) - total))


@cache
def _sum_at(quality: int) -> int:
    """Return the sum of the luma table at a quality, as the Independent JPEG Group scales it."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((value * scale + 50) // 100, 1), 255) for value in _LUMA)
