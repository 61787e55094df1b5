"""Estimate the error of a denoiser from noisy images alone, with the uncertainty of the estimate."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import torch
from torch import Tensor
from torch.nn import functional

from clearer.core.errors import UserError
from clearer.images.nodata import centers_without_gaps
from clearer.images.pixels import WHOLE, Span
from clearer.images.tensors import as_levels, to_batch, unit_of
from clearer.images.types import AnyPixels
from clearer.losses.base import Batch
from clearer.losses.noise2void import Noise2Void
from clearer.noise.model import NoiseModel

Restore = Callable[[Tensor], Tensor]
"""(1, C, H, W) in [0, 1], which noise may leave, -> the same shape."""
Errors = list[float | None]
"""The error of each part of an image; None for a part in which none can be measured."""

UNITS = 8
"""Least number of parts that the scenes are divided into, whose spread is the uncertainty of their mean."""
STEP = 0.05
"""Size of the disturbance that measures how a result follows the noise, in standard deviations of the noise."""
NOISE_ERROR = 0.06
"""Relative error of a measured noise variance. Of the true one, the measured one was 0.89 to 0.99 on 10 images of W2S
and 0.98 to 1.17 on 17 images of BSDS500 with sigma 25, saved in 8 bits."""
CORRELATED_ERROR = 0.15
"""The same where neighbors share noise: of noise blurred by 1 pixel, 0.79 to 0.85 of the variance is measured."""
SMALLEST = 1e-6
"""Least mean squared error for a PSNR: an estimate may be 0 or below."""
WHAT = {
    "exposures": "compared with another exposure, less its noise",
    "sure": "SURE: distance from the noisy image, corrected by the noise model and by how the result follows the noise",
    "masked": "prediction of hidden pixels, compared with their noisy values, less the noise where its level is known",
}
"""The measures, best first, as reports explain them."""


@dataclass(frozen=True)
class Estimate:
    """Estimated mean squared errors against the unknown ground truth.

    Args:
        measure: the key in `WHAT`.
        errors: one for each scene, or part of a scene; their mean is unbiased where the noise model holds, and single
            ones may be negative.
        systematic: an error that all share, because the noise is not known exactly.
        scenes: the number of the scene of each error; empty if each is of another.
    """

    measure: str
    errors: tuple[float, ...]
    systematic: float = 0.0
    scenes: tuple[int, ...] = ()

    @property
    def psnr(self) -> float:
        """PSNR in dB of the mean error."""
        return -10 * math.log10(max(fmean(self.errors), SMALLEST))

    @property
    def standard_error(self) -> float:
        """Standard error of `psnr` in dB, from the spread over the scenes and ``systematic``; infinite for one part."""
        error = math.hypot(_error_of_mean(self.errors, self.scenes), self.systematic)
        return 10 / math.log(10) * error / max(fmean(self.errors), SMALLEST)

    def gain_over(self, other: Estimate) -> tuple[float, float]:
        """Return how much smaller the mean error is than another's on the same parts, in dB, and its standard error.

        What both share cancels, so that it is more certain than two values apart.
        """
        mine, theirs = (max(fmean(one.errors), SMALLEST) for one in (self, other))
        # The delta method for the logarithm of a ratio of means.
        terms = [a / mine - b / theirs for a, b in zip(self.errors, other.errors, strict=True)]
        return 10 * math.log10(theirs / mine), 10 / math.log(10) * _error_of_mean(terms, self.scenes)


def _error_of_mean(values: Sequence[float], scenes: Sequence[int]) -> float:
    """Return the standard error of the mean, from the spread of the means of the scenes.

    Parts of a scene are alike. They count where there is one scene, and where few scenes happen to be closer to one
    another than their parts are.
    """
    grouped: dict[int, list[float]] = defaultdict(list)
    for value, scene in zip(values, scenes or range(len(values)), strict=True):
        grouped[scene].append(value)
    means = [fmean(of_scene) for of_scene in grouped.values()]
    errors = [stdev(several) / math.sqrt(len(several)) for several in (values, means) if len(several) > 1]
    return max(errors, default=math.inf)


class NoReference:
    """Noisy images on which denoisers are compared without ground truth, always by the same random numbers.

    Args:
        images: (noisy, another exposure or None) of each image, (H, W, C) of any depth; NaN where there is no value.
        noise: the measured noise of each image; None if no model fits. It is not needed for exposures.
        hide: the pixels around a pixel with which its noise is correlated.
        crop: side of the center crop in pixels, or None for whole images.
        device: where the images lie.
        span: see `clearer.images.tensors.unit_of`.
        scenes: what each image shows, the same for exposures of a scene; by default each shows another one.

    Attributes:
        grid: each image is divided into grid x grid parts.
    """

    def __init__(
        self,
        images: Sequence[tuple[AnyPixels, AnyPixels | None]],
        noise: Sequence[NoiseModel] | None,
        *,
        hide: Noise2Void | None = None,
        crop: int | None = None,
        device: torch.device | None = None,
        span: Span = WHOLE,
        scenes: Sequence[str] | None = None,
    ) -> None:
        self.noise, self.hide, self.device = noise, hide or Noise2Void(), device or torch.device("cpu")
        filled = [centers_without_gaps([image for image in pair if image is not None], crop) for pair in images]
        self.noisy = [_tensor(found[0], span) for found, _ in filled]
        self.others = [_tensor(found[1], span) if len(found) > 1 else None for found, _ in filled]
        self.known = [None if known is None else torch.from_numpy(known) for _, known in filled]
        numbers: dict[str, int] = {}
        self.scenes = [
            numbers.setdefault(scene, len(numbers)) for scene in scenes or [str(k) for k in range(len(images))]
        ]
        self.grid = math.ceil(math.sqrt(UNITS / len(numbers))) if images else 1
        paired = bool(images) and all(other is not None for other in self.others)
        self.measure = "exposures" if paired else "masked" if noise is None else "sure"

    def __len__(self) -> int:
        return len(self.noisy)

    @torch.no_grad()
    def errors(self, restore: Restore, k: int, measure: str | None = None) -> Errors:
        """Return the estimated mean squared errors of the parts of image ``k``, by this measure."""
        noisy, other = self.noisy[k].to(self.device), self.others[k]
        measure = measure or self.measure
        if measure == "masked":
            return self._masked(restore, noisy, k)
        restored = _clamped(restore, noisy)
        if measure == "exposures" and other is not None:
            other = other.to(self.device)
            return self._parts((restored - other).square() - (noisy - other).square() / 2, k)
        if self.noise is None:
            raise ValueError("SURE needs a noise model")
        variance = self.noise[k].variance(noisy)
        probe = variance.sqrt() * self.noise[k].draw(noisy.shape, _generator(k)).to(noisy)
        slope = (_clamped(restore, noisy + STEP * probe) - restored) / STEP
        return self._parts((restored - noisy).square() - variance + 2 * probe * slope, k)

    def estimate(self, restore: Restore, measure: str | None = None) -> Estimate:
        """Estimate the error of ``restore`` on all images."""
        return self.summary([self.errors(restore, k, measure) for k in range(len(self))], measure)

    def summary(self, errors: Sequence[Errors], measure: str | None = None) -> Estimate:
        """Return the estimate that the errors of the parts of all images make: exposures of a scene are averaged."""
        measure = measure or self.measure
        found: dict[tuple[int, int], list[float]] = defaultdict(list)
        for scene, of_image in zip(self.scenes, errors, strict=True):
            for part, error in enumerate(of_image):
                if error is not None:
                    found[scene, part].append(error)
        if not found:
            raise UserError(
                "images without ground truth: no pixel that is compared has a value; leave out those without any"
            )
        means, scenes = tuple(fmean(several) for several in found.values()), tuple(scene for scene, _ in found)
        if self.noise is None or measure == "exposures":
            return Estimate(measure, means, scenes=scenes)
        doubts = [
            _mean(model.variance(noisy), known) * (CORRELATED_ERROR if model.is_correlated else NOISE_ERROR)
            for model, noisy, known in zip(self.noise, self.noisy, self.known, strict=True)
        ]
        return Estimate(measure, means, fmean(doubts), scenes)

    @torch.no_grad()
    def whiteness(self, restore: Restore) -> tuple[float, float]:
        """Return the correlation of what is removed at neighboring pixels, (along rows, along columns).

        For noise that is independent from pixel to pixel, a perfect denoiser gives 0; removed image content gives more.
        Neighbors count that both have a value: what continues the image in its gaps is correlated with what is beside.
        """
        found = []
        for noisy, known in zip(self.noisy, self.known, strict=True):
            removed = noisy - _clamped(restore, noisy.to(self.device)).cpu()
            removed = removed - _mean(removed, known)
            power = _mean(removed.square(), known) or 1.0
            beside = None if known is None else known[:, 1:] & known[:, :-1]
            below = None if known is None else known[1:] & known[:-1]
            along_row = _mean(removed[..., 1:] * removed[..., :-1], beside)
            along_column = _mean(removed[..., 1:, :] * removed[..., :-1, :], below)
            found.append((along_row / power, along_column / power))
        return fmean(row for row, _ in found), fmean(column for _, column in found)

    def _masked(self, restore: Restore, noisy: Tensor, k: int) -> Errors:
        generator = torch.Generator(device=self.device).manual_seed(k)
        hidden = self.hide.hide(Batch(noisy, None, generator))
        error = (_clamped(restore, hidden.images) - noisy).square()
        if self.noise is not None:
            error = error - self.noise[k].variance(noisy)
        return self._parts(error, k, hidden.centers.to(noisy))

    def _parts(self, error: Tensor, k: int, weight: Tensor | None = None) -> Errors:
        """Return the means over the parts of image ``k``, of the pixels that have a weight and a value."""
        error, known = error.mean(1, keepdim=True), self.known[k]
        if known is not None:
            weight = known.to(error) if weight is None else weight * known.to(error)
            weight = weight.expand_as(error)
        if weight is None:
            return [float(v) for v in functional.adaptive_avg_pool2d(error, self.grid).flatten()]
        sums, counts = (functional.adaptive_avg_pool2d(x, self.grid).flatten() for x in (error * weight, weight))
        return [float(a / b) if b > 0 else None for a, b in zip(sums, counts, strict=True)]


def _mean(values: Tensor, known: Tensor | None) -> float:
    """Return the mean of (1, C, H, W) over the pixels (H, W) that have a value; 0 if none has one."""
    if known is None:
        return float(values.mean())
    return float(values[..., known].mean()) if bool(known.any()) else 0.0


def _clamped(restore: Restore, noisy: Tensor) -> Tensor:
    return restore(noisy).float().clamp(0, 1)


def _generator(k: int) -> torch.Generator:
    return torch.Generator().manual_seed(k)


def _tensor(image: AnyPixels, span: Span) -> Tensor:
    return unit_of(as_levels(to_batch(image).numpy()), span)
