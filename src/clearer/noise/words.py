"""Say in words what the noise of images is, and how to train on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clearer.images.pixels import WHOLE

if TYPE_CHECKING:
    from clearer.noise.profile import NoiseProfile

STEADY = 1.25
"""Ratio of the levels at white and black up to which noise is said not to depend on brightness."""


def in_words(profile: NoiseProfile) -> list[str]:
    """Return what was measured, a sentence each: the noise, then depth, clipping and sharpness."""
    return [_noise(profile), *_remarks(profile)]


def _noise(profile: NoiseProfile) -> str:
    level = in_levels(profile, profile.level)
    if profile.kind == "clean":
        return f"Nearly no noise: {level}."
    if profile.kind == "blocky":
        at = (
            "" if profile.grid_at == (0, 0) else f", beginning at row {profile.grid_at[0]}, column {profile.grid_at[1]}"
        )
        return f"The 8x8 grid of JPEG compression is visible{at}, and nearly no other noise: {level}."
    along = {"rows": "along rows", "columns": "along columns"}
    how = {
        "independent": "independent from pixel to pixel",
        "lines": f"correlated {along.get(profile.direction or '', 'along lines')}",
        "correlated": "correlated between neighboring pixels",
    }[profile.kind]
    if not profile.is_known:
        how = UNKNOWN
    if profile.kind == "correlated" and max(profile.rows[1], profile.columns[1]) < IN_ALL and profile.color:
        how = "correlated between neighboring pixels in color, as compression and cameras leave it"
    return f"Noise of {level}, {how}, {_by_brightness(profile)}."


UNKNOWN = "taken as independent from pixel to pixel, which could not be measured"
IN_ALL = 0.18
"""Correlation of neighbors below which only the noise in color is said to be correlated."""


def _by_brightness(profile: NoiseProfile) -> str:
    low, high = profile.span
    if profile.brightness:  # where it was measured: beyond, the line says little
        low, high = max(low, min(profile.brightness)), min(high, max(profile.brightness))
    dark, bright = profile.level_at(low), profile.level_at(high)
    if max(dark, bright) <= STEADY * min(dark, bright):
        return "the same at every brightness"
    ends = ("white", "black") if low < 0.1 and high > 0.9 else ("the brightest", "the darkest")
    verb = "grows with brightness" if bright > dark else "falls with brightness"
    return f"{verb}: {in_levels(profile, bright)} at {ends[0]}, {in_levels(profile, dark, unit=False)} at {ends[1]}"


def _remarks(profile: NoiseProfile) -> Iterator[str]:
    if profile.channels is not None and profile.channels > 0.5 and profile.kind in ("independent", "lines"):
        yield f"The channels have nearly the same noise (correlation {profile.channels:.2f})."
    if profile.kind not in ("clean", "blocky"):
        for name, stripes in (("rows", profile.row_stripes), ("columns", profile.column_stripes)):
            if stripes > 0.15 * profile.level:
                yield f"Whole {name} are brighter or darker: {in_levels(profile, stripes)}."
    if profile.used_bits is not None and profile.used_bits < profile.bits:
        yield f"The values use {profile.used_bits} of {profile.bits} bits."
    if max(profile.black, profile.white) > 0.01:
        yield f"Clipped: {profile.black:.1%} of the values at black, {profile.white:.1%} at white."
    if profile.blurred:
        yield "The images are blurred or were enlarged: no fine detail at edges."


def in_levels(profile: NoiseProfile, level: float, unit: bool = True) -> str:
    """Return a level such as "about 12 gray levels"; see `gray_levels`."""
    scale, name = gray_levels(profile)
    count = level * scale
    number = f"{count:.2g}" if scale == 1 else f"{count:.1f}" if count < 9.95 else f"{count:.0f}"
    return f"about {number}{f' {name}' if unit else ''}"


def gray_levels(profile: NoiseProfile) -> tuple[float, str]:
    """Return the factor from [0, 1] to the values of the files, and their unit in words."""
    low, high = profile.scale
    if profile.scale != WHOLE:
        return high - low, f"gray levels of {high:g}" if low == 0 else f"gray levels of {low:g} to {high:g}"
    if profile.used_bits is None:
        return 1.0, "(white is 1)"
    top = 2**profile.bits - 1
    return float(top), "gray levels" if top == 255 else f"gray levels of {top}"
