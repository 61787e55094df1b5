"""The kind of noise that images have, from its level and its correlation."""

from __future__ import annotations

from clearer.noise.advice import Kind
from clearer.noise.blockiness import Grid
from clearer.noise.correlation import Correlation

CORRELATED = 0.18
"""Correlation of neighbors from which noise is correlated. White noise of 5 gray levels measures 0.09 on photographs,
noise blurred by half a pixel 0.25; chosen on BSDS500 train and CID22."""
SMOOTH = 0.87
"""Correlation of neighbors, both ways, beyond which it is a smooth image and not noise: noise blurred by 1.5 pixels
measures 0.82, sharp photographs blurred by 2 pixels 0.89."""
COLORED = 1.3
"""Level that is noise beyond doubt, over that of the highest frequencies, from which noise is correlated."""
IN_COLOR = 0.3
"""The same for noise in color alone."""
CLEAN = 1.5 / 255
"""Level below which images are called clean, as a share of the brightness they span."""
ROUNDING = 1e-5
"""Level that a constant image may have by rounding, below a gray level of 16 bits."""
ONE_WAY = 0.5
"""Correlation of neighbors across lines over that along them, below which it is one of lines. Of 320 photographs of
BSDS500 with noise blurred alike both ways by 0.42 to 0.7 pixels or not at all, and 80 sets of 4, none is called lines
(without this margin, 30); of 200 with noise blurred along rows by 0.45 to 2 pixels, 163 (without it 166), and 41 of 50
sets (as many; the rest is below `CORRELATED`)."""
STRIPES = 0.15
"""Level of row or column offsets, as a share of the noise level, from which they are stripes."""


def kind_of(
    white: float, level: float, span: float, seen: Correlation | None, stripes: tuple[float, float], grid: Grid
) -> Kind:
    """Return the kind of noise.

    Args:
        white: level by the highest frequencies alone, which image content hardly reaches.
        level: the level by all frequencies if noise is correlated, else the same.
        span: brightness that the images span.
        seen: correlation of the noise; None if unknown: white noise counts as independent then.
        stripes: levels of rows and columns.
        grid: of JPEG.
    """
    if grid.visible and white < 2 * CLEAN * span:
        return "blocky"
    if seen is None:
        return "clean" if white < max(CLEAN * span, ROUNDING) else "independent"
    # Regular texture can pass for faint correlated noise: without white noise, twice the level is asked for.
    if level < CLEAN * span or (white < CLEAN * span and level < 2 * CLEAN * span):
        return "clean"
    rows, columns = float(seen.rows[1]), float(seen.columns[1])
    if white < CLEAN * span and min(rows, columns) > SMOOTH:
        return "clean"
    striped = [one > STRIPES * level for one in stripes]
    along_rows, along_columns = rows > CORRELATED or striped[0], columns > CORRELATED or striped[1]
    if along_rows == along_columns:
        both_ways = along_rows
    elif striped[0] != striped[1] or min(rows, columns) < ONE_WAY * max(rows, columns):
        return "lines"
    else:  # one is just above the threshold, and the other one just below
        both_ways = rows + columns > 2 * CORRELATED
    return "correlated" if both_ways or (seen.color or 0) > IN_COLOR else "independent"
