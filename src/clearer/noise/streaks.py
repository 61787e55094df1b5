"""Streaks of rain: what fills the flattest blocks of an image and is correlated along steep lines, not across."""

from __future__ import annotations

from clearer.noise.blockiness import Grid
from clearer.noise.correlation import Correlation

# Chosen on 100 pairs of Rain800's training part and 200 photographs of BSDS500 train and CID22: 80 % of the rainy
# images are found, 2 % of their clean halves, 1 % of the photographs, and no noise, white or blurred or in lines.
FAR = 4
"""Distance in pixels at which a streak is still seen."""
ALONG, ACROSS = 0.25, 0.1
"""Correlation at that distance: at least along the steepest streak found, at most across."""
WIDE = 0.2
"""Correlation of neighbors in a row, since a streak is wider than a pixel, as column noise is not."""
MARGIN = 0.1
"""By how much neighbors in a column are correlated more."""
FAINT = 2 / 255


def shows_streaks(seen: Correlation | None, level: float, grid: Grid) -> bool:
    """Return whether an image shows rain.

    Args:
        seen: correlation in its flattest blocks.
        level: RMS of what fills them, over all frequencies.
        grid: of JPEG compression, whose flat blocks say nothing.
    """
    if seen is None or grid.visible or level < FAINT:
        return False
    middle = seen.patch.shape[0] // 2
    near = slice(middle - 2, middle + 3)
    along = float(seen.patch[middle + FAR, near].max())
    across = float(seen.patch[near, middle + FAR].max())
    steep = seen.columns[1] - seen.rows[1] > MARGIN and seen.rows[1] > WIDE
    return bool(along > ALONG and across < ACROSS and steep)
