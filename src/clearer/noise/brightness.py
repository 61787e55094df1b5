"""Noise level against brightness, and the Poisson-Gaussian model ``variance = gain * brightness + offset``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from clearer.images.types import UnitPixels
from clearer.noise.blocks import BLOCK, Floats, clipped_share, dct_basis, frequencies, median, unclipped
from clearer.noise.gaps import Known, cut_known, known_energies

MOST_BLOCKS = 60_000
BIN_BLOCKS = 200
"""Blocks per step of brightness at least; there are at most `BINS` steps."""
BINS = 16
FLAT = 0.1
"""Share of the blocks of a step from which its level is read: the flattest."""
LEAK = 0.07
"""Share of the excess of the middle frequencies that image content puts into the highest ones."""
ALIKE, SPREAD = (0.65, 0.9), 2.0
"""As for `clearer.noise.level.estimate_level`."""
FALLING, IN_ORDER, FEWEST_STEPS = 1.25, -0.7, 4
"""Noise falls with brightness if the level of the line at the darkest step is more than so many times that at the
brightest, and the rank correlation of brightness and variance is below this, over so many steps. Of 311 photographs of
BSDS500 with white noise of sigma 3 to 50, none is said to have such noise; with noise that does fall, 72 to 98 % of
single images are, and all sets of 6."""
TINY = 1e-12


@dataclass(frozen=True)
class BrightnessCurve:
    """The noise variance at steps of brightness, and the line fitted to it; white is 1.

    Attributes:
        brightness: mean of each step, rising, (N,).
        white: variance that noise independent between pixels would have, from the highest frequencies, (N,).
        total: variance over all frequencies of a block, (N,); image content counts more than in ``white``.
        trust: weight of each step in the fit, 0 to 1: less where even the flattest blocks show content, (N,).
        alike: variance of the flattest blocks over that of the next flat ones, (N,): 1 where noise fills all alike,
            less where it is image content.
    """

    brightness: Floats
    white: Floats
    total: Floats
    trust: Floats
    alike: Floats

    @property
    def level(self) -> float:
        """RMS of the white noise over all steps."""
        return math.sqrt(_average(self.white, self.trust))

    @property
    def total_level(self) -> float:
        """RMS of the noise over all steps and frequencies."""
        return math.sqrt(_average(self.total, self.trust))

    @property
    def certain_level(self) -> float:
        """RMS of what is noise beyond doubt: beside white noise, what fills all flat blocks alike at all steps."""
        alike = np.clip((self.alike - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1)
        even = np.minimum(self.total, SPREAD * self.total.min())
        certain = self.white + alike * np.maximum(even - self.white, 0)
        return math.sqrt(_average(certain, self.trust))


def brightness_curve(images: Sequence[UnitPixels], known: Known | None = None) -> BrightnessCurve:
    """Measure the noise variance of images at steps of brightness, all channels together.

    The flattest blocks of a step are chosen by one half of the middle frequencies and read at the other, so that
    the choice leaves no bias. Blocks with more than 5 % of clipped pixels are left out if others are there.

    Args:
        images: (H, W, C) in [0, 1], one at least of 8x8 pixels.
        known: where they have a value; see `clearer.noise.gaps.cut_known`.
    """
    cut, masks = cut_known(images, known, BLOCK, MOST_BLOCKS)
    blocks = cut.reshape(-1, BLOCK * BLOCK)
    kept = unclipped(clipped_share(blocks.reshape(-1, BLOCK, BLOCK)))
    energies = np.square(blocks[kept] @ dct_basis().T) if masks is None else known_energies(cut, masks)[kept]
    means = blocks[kept].mean(1)
    steps = max(1, min(BINS, len(means) // BIN_BLOCKS))
    order = np.argsort(means, kind="stable")[: len(means) // steps * steps].reshape(steps, -1)
    spectra, alike = _flat_spectra(energies, order)
    high, middle = (spectra @ _sets()[:2].T).T
    ratio = (middle + TINY) / (high + TINY)
    # Correlated noise has a ratio above 1 at every step, image content at some: only what exceeds the least counts.
    trust = np.maximum(ratio / np.maximum(ratio.min(), 1.5), 1) ** -4
    white = np.maximum(high - LEAK * np.maximum(middle - high, 0), 0)
    return BrightnessCurve(means[order].mean(1), white, np.maximum(spectra[:, 1:].mean(1), white), trust, alike)


def _flat_spectra(energies: Floats, steps: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the mean energy at each frequency in the flattest blocks of each step, and how alike these are.

    Args:
        energies: of all blocks, (N, 64).
        steps: the blocks of each step, (S, n).

    Returns:
        (S, 64) and (S,).
    """
    row, column = frequencies()
    first, second = halves = _sets()[2:] > 0
    count = min(steps.shape[1], max(8, round(FLAT * steps.shape[1])))
    flatness = (energies @ halves.T.astype(np.float32))[steps]  # (S, n, 2)
    orders = np.take_along_axis(steps[..., None], flatness.argsort(1, kind="stable"), 1)
    by_first, by_second = (energies[orders[:, :count, k]].mean(1) for k in (0, 1))
    spectra: Floats = np.where(first, by_second, np.where(second, by_first, (by_first + by_second) / 2))
    # Smooth images are planes everywhere alike: the lowest frequencies are taken to be as the next ones.
    spectra[:, row + column == 1] = spectra[:, row + column == 2].mean(1, keepdims=True)
    following = energies[orders[:, 2 * count : 3 * count, 0]]
    if not following.size:
        return spectra, np.zeros(len(steps), np.float32)
    return spectra, (by_first @ second + TINY) / (following.mean(1) @ second + TINY)


@cache
def _sets() -> Floats:
    """Return the weights of 64 frequencies in the means of four sets, (4, 64).

    The sets are the highest frequencies, the middle ones, and two halves of these.
    """
    row, column = frequencies()
    middle = (row + column >= 2) & (row + column <= 8)
    sets = np.stack([row + column >= 11, middle, middle & (row % 2 == 0), middle & (row % 2 == 1)]).astype(np.float32)
    weights: Floats = sets / sets.sum(1, keepdims=True)
    return weights


def fit_line(brightness: Floats, variance: Floats, trust: Floats, *, may_fall: bool = False) -> tuple[float, float]:
    """Return gain and offset of ``variance = gain * brightness + offset``.

    Least squares of relative errors, reweighted so that steps far off the line (image content) count little.
    The gain is 0 or more, as for photons, unless it ``may_fall``.
    """
    least = -math.inf if may_fall else 0.0
    if len(brightness) < 3 or np.ptp(brightness) < 1e-3:
        return 0.0, _average(variance, trust)
    fitted = np.full(len(variance), _average(variance, trust))
    gain = offset = 0.0
    for _ in range(30):
        scale = np.maximum(fitted, 0.02 * variance.max() + TINY)
        error = (variance - fitted) / scale
        spread = max(1.4826 * median(np.abs(error)), 0.02)
        weight = trust / scale**2 / np.maximum(np.abs(error) / (1.5 * spread), 1)
        gain, offset = _weighted_line(brightness, variance, weight, least)
        before, fitted = fitted, np.maximum(gain * brightness + offset, 0)
        if (np.abs(fitted - before) <= 1e-3 * scale).all():
            break
    return gain, offset


def falls(brightness: Floats, variance: Floats, trust: Floats) -> bool:
    """Return whether noise certainly falls with brightness, as in negatives and where bright values were compressed."""
    if len(brightness) < FEWEST_STEPS or np.ptp(brightness) < 1e-3:
        return False
    gain, offset = fit_line(brightness, variance, trust, may_fall=True)
    dark, bright = (max(gain * float(x) + offset, 0.0) for x in (brightness[0], brightness[-1]))
    ranks = np.argsort(np.argsort(variance))
    order = float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1])
    return dark > FALLING**2 * bright and order < IN_ORDER


def _weighted_line(x: Floats, y: Floats, weight: Floats, least: float) -> tuple[float, float]:
    share = weight / weight.sum()
    mean_x, mean_y = float(share @ x), float(share @ y)
    across = x - mean_x
    gain = max(float(share @ (across * (y - mean_y))) / float(share @ across**2), least)
    return gain, mean_y - gain * mean_x


def _average(values: Floats, weights: Floats) -> float:
    return float(values @ weights) / float(weights.sum())
