"""Measure the noise of images: level against brightness, correlation, stripes, compression, depth, sharpness."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearer.core.errors import UserError
from clearer.images.pixels import WHOLE, Span, center_crop, in_one_depth, to_unit
from clearer.images.types import AnyPixels, HiddenPixels
from clearer.noise.advice import METHODS, Direction, Kind, Method, recommendation
from clearer.noise.blockiness import block_grid
from clearer.noise.blocks import BLOCK, filled_channels
from clearer.noise.brightness import TINY, BrightnessCurve, brightness_curve, falls, fit_line
from clearer.noise.correlation import noise_correlation
from clearer.noise.depth import clipped_shares, used_bits
from clearer.noise.kind import COLORED, kind_of
from clearer.noise.sharpness import BLURRED, sharpness
from clearer.noise.stripes import stripe_levels

MOST_IMAGES = 24
"""Images of a folder that are measured, at equal distances in its order."""
MOST_SIDE = 1024
"""Of larger images, the center is measured."""
SKEWED = 0.1
"""Skewness of photon noise, gain over level without sign, from which SURE is not trusted: W2S, of 1 to 7 photons,
measures 0.33."""


@dataclass(frozen=True)
class NoiseProfile:
    """The noise of images, as measured without ground truth. White is 1 unless stated.

    Attributes:
        kind: ``clean``; ``independent`` from pixel to pixel, which is assumed if ``rows`` is empty; ``lines``:
            correlated along rows or along columns, not both; ``correlated`` both ways, or in color; ``blocky``: little
            noise, but the grid of JPEG compression.
        level: RMS of the noise, over the channels that are not empty.
        gain, offset: per channel; the variance is ``gain * brightness + offset``, with a gain below 0 only where the
            noise certainly falls with brightness.
        brightness, variance: at steps of brightness, all channels together; what the lines are fitted to.
        rows, columns: correlation of pixels of one row, or one column, at distances 0 to 8; empty if unknown.
        patch: correlation at distances -4 to 4 down and right, (9, 9); empty if unknown.
        channels: correlation between channels; None if only one is not empty.
        color: correlation of neighbors of the noise in color alone; None if there is none.
        row_stripes, column_stripes: standard deviation of the offsets of whole rows and whole columns.
        grid: strength of the 8x8 grid of JPEG, 0 without; see `clearer.noise.blockiness.Grid`.
        grid_at: row and column at which a block begins.
        black, white: shares of clipped values.
        span: brightness that the images span: the 0.1 % and the 99.9 % quantile.
        bits: stored per value, 32 for floating point; ``used_bits``: needed for the values present, None for
            floating point.
        sharpness: see `clearer.noise.sharpness.sharpness`; None if it cannot be told.
        images: number of images measured.
        scale: the values that are black and white in the files, `clearer.images.pixels.WHOLE` for those of their depth.
        colors: correlation of the noise in color alone at distances 0 to 8; empty without such noise, and if unknown.
    """

    kind: Kind
    level: float
    gain: tuple[float, ...]
    offset: tuple[float, ...]
    brightness: tuple[float, ...]
    variance: tuple[float, ...]
    rows: tuple[float, ...]
    columns: tuple[float, ...]
    patch: tuple[tuple[float, ...], ...]
    channels: float | None
    color: float | None
    row_stripes: float
    column_stripes: float
    grid: float
    grid_at: tuple[int, int]
    black: float
    white: float
    span: tuple[float, float]
    bits: int
    used_bits: int | None
    sharpness: float | None
    images: int
    scale: Span = WHOLE
    colors: tuple[float, ...] = ()

    @property
    def method(self) -> Method:
        """The way to train on such images alone: a key of the recommendation."""
        return "neighbor2neighbor" if self.kind == "independent" and self.without_sure else METHODS[self.kind]

    @property
    def recommendation(self) -> str:
        """What to do, in a sentence or two."""
        return recommendation(self.kind, self.direction, self.without_sure)

    @property
    def is_skewed(self) -> bool:
        """Whether the noise is that of few photons: its skewness, the gain over the level, is far from 0."""
        return max(map(abs, self.gain)) > SKEWED * self.level

    @property
    def is_known(self) -> bool:
        """Whether the correlation could be measured, which needs images of 16x16 pixels."""
        return bool(self.rows)

    @property
    def without_sure(self) -> bool:
        """Whether SURE is not trusted: the noise is skewed, or not known to be independent."""
        return self.is_skewed or not self.is_known

    @property
    def direction(self) -> Direction | None:
        """The lines along which noise is correlated; None unless the kind is ``lines``."""
        if self.kind != "lines":
            return None
        level = max(self.level, TINY)
        along = (self.rows[1] + self.row_stripes / level, self.columns[1] + self.column_stripes / level)
        return "rows" if along[0] >= along[1] else "columns"

    @property
    def blurred(self) -> bool:
        """Whether the images are blurred or enlarged; False if it cannot be told."""
        return self.sharpness is not None and self.sharpness < BLURRED

    def level_at(self, brightness: float) -> float:
        """Return the noise level at a brightness from 0 to 1, the RMS over the channels that have noise."""
        lines = [
            (gain, offset) for gain, offset in zip(self.gain, self.offset, strict=True) if gain > 0 or offset > TINY
        ]
        found = [max(gain * brightness + offset, 0.0) for gain, offset in lines]
        return float(np.sqrt(np.mean(found))) if found else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the profile with its recommendation, ready for JSON."""
        named = {"method": self.method, "direction": self.direction, "recommendation": self.recommendation}
        return {**dataclasses.asdict(self), "blurred": self.blurred, **named}


def profile_from(values: Mapping[str, Any]) -> NoiseProfile | None:
    """Return the profile that `NoiseProfile.to_dict` wrote; None if the fields, or their lengths, are others.

    Types are those of the fields: see `clearer.core.shape.check_shape`.
    """
    fields = dataclasses.fields(NoiseProfile)
    if any(field.name not in values and field.default is dataclasses.MISSING for field in fields):
        return None
    found = NoiseProfile(**{field.name: _fixed(values[field.name]) for field in fields if field.name in values})
    return found if _fits(found) else None


def _fits(profile: NoiseProfile) -> bool:
    """Return whether lists that belong together are of one length, and correlations known at the same distances."""
    fits = len(profile.gain) == len(profile.offset) > 0 and len(profile.brightness) == len(profile.variance)
    return (
        fits and len(profile.rows) == len(profile.columns) and len({len(profile.patch), *map(len, profile.patch)}) < 2
    )


def _fixed(value: Any) -> Any:
    return tuple(map(_fixed, value)) if isinstance(value, list) else value


def profile_images(
    images: Sequence[AnyPixels], scale: Span = WHOLE, known: Sequence[HiddenPixels | None] | None = None
) -> NoiseProfile:
    """Measure the noise of images of one source.

    Of more than 24 images, 24 are measured, of images above 1024 pixels in a side the center; about 0.1 s for each
    image of 0.25 megapixels.

    Args:
        images: (H, W) or (H, W, C), uint8, uint16 or floating point in [0, 1]. If gray and color are mixed, those
            of the kind of the first are measured.
        scale: the integer levels that are black and white; floats are scaled by it already.
        known: where (H, W) each image has a value, None for everywhere. Elsewhere the images are continued, by pixels
            without noise of their own, which are left out.

    Raises:
        UserError: no image has 8x8 pixels.
    """
    stored, seen = _chosen(images, known or [None] * len(images), scale)
    colors = [to_unit(image, WHOLE if image.dtype.kind == "f" else scale) for image in stored]
    filled = filled_channels(colors)
    units = colors if len(filled) == colors[0].shape[2] else [unit[:, :, filled] for unit in colors]
    whole = brightness_curve(units, seen)
    falling = falls(whole.brightness, whole.white, whole.trust)  # content counts least in the highest frequencies
    expected = fit_line(whole.brightness, whole.total, whole.trust, may_fall=falling)
    correlation = noise_correlation(units, *expected, seen)
    apart = zip(units, seen, strict=True)
    single = [whole] if len(units) == 1 else [brightness_curve([unit], [one]) for unit, one in apart]
    certain = float(np.median([curve.certain_level for curve in single]))
    colored = correlation is not None and certain > COLORED * whole.level
    level = whole.total_level if colored else whole.level
    stripes, grid = stripe_levels(units, seen), block_grid(units)
    values = [
        _valued(unit[::2, ::2], one if one is None else one[::2, ::2]) for unit, one in zip(units, seen, strict=True)
    ]
    low, high = np.quantile(np.concatenate([some.ravel() for some in values]), (0.001, 0.999))
    black, white = clipped_shares([_valued(image, one)[..., filled] for image, one in zip(stored, seen, strict=True)])
    kind = kind_of(whole.level, certain if colored else level, float(high - low), correlation, stripes, grid)
    # What fills the lower frequencies of clean and compressed images is not noise.
    total = colored and kind not in ("clean", "blocky")
    curves = [brightness_curve([unit[:, :, c : c + 1] for unit in colors], seen) for c in range(colors[0].shape[2])]
    lines = [fit_line(one.brightness, _variance(one, total), one.trust, may_fall=falling) for one in curves]
    return NoiseProfile(
        kind=kind,
        level=whole.total_level if total else whole.level,
        gain=tuple(gain for gain, _ in lines),
        offset=tuple(offset for _, offset in lines),
        brightness=_plain(whole.brightness),
        variance=_plain(_variance(whole, total)),
        rows=() if correlation is None else _plain(correlation.rows),
        columns=() if correlation is None else _plain(correlation.columns),
        patch=() if correlation is None else tuple(_plain(row) for row in correlation.patch),
        channels=None if correlation is None else correlation.channels,
        color=None if correlation is None else correlation.color,
        row_stripes=stripes[0],
        column_stripes=stripes[1],
        grid=grid.strength,
        grid_at=(grid.row, grid.column),
        black=black,
        white=white,
        span=(float(low), float(high)),
        bits=1 if stored[0].dtype.kind == "b" else 8 * stored[0].dtype.itemsize,
        used_bits=used_bits(stored),
        sharpness=sharpness(units, level**2, seen),
        images=len(units),
        scale=(float(scale[0]), float(scale[1])),
        colors=() if correlation is None or correlation.colors is None else _plain(correlation.colors),
    )


def _chosen(
    images: Sequence[AnyPixels], known: Sequence[HiddenPixels | None], scale: Span
) -> tuple[list[AnyPixels], list[HiddenPixels | None]]:
    """Return the images to be measured, (H, W, C) with the same C and dtype, and where each has a value."""
    solid = [(image if image.ndim == 3 else image[:, :, None], one) for image, one in zip(images, known, strict=True)]
    usable = [(image, one) for image, one in solid if min(image.shape[:2]) >= BLOCK]
    if not usable:
        raise UserError("images: none has 8x8 pixels, which measuring noise needs; add larger ones")
    same = [(image, one) for image, one in usable if image.shape[2] == usable[0][0].shape[2]]
    few = [same[i] for i in sorted({round(x) for x in np.linspace(0, len(same) - 1, MOST_IMAGES)})]
    cropped = [center_crop(image, MOST_SIDE, MOST_SIDE) for image, _ in few]
    seen = [None if one is None else center_crop(one, MOST_SIDE, MOST_SIDE) for _, one in few]
    return list(in_one_depth(cropped, scale)), [None if one is None or one.all() else one for one in seen]


def _valued(image: AnyPixels, known: HiddenPixels | None) -> AnyPixels:
    """Return the pixels (..., C) of an image that have a value; all if none has one."""
    return image if known is None or not known.any() else image[known]


def _variance(curve: BrightnessCurve, total: bool) -> Any:
    return curve.total if total else curve.white


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
