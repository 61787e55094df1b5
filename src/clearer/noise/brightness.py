"""Noise level against brightness, and the Poisson-Gaussian model ``variance = gain * brightness + offset``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clearer.images.types import UnitPixels
from clearer.noise.blocks import BLOCK, Floats, clipped_share, cut_blocks, dct_basis, frequencies, unclipped

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
        return float(np.sqrt(np.average(self.white, weights=self.trust)))

    @property
    def total_level(self) -> float:
        """RMS of the noise over all steps and frequencies."""
        return float(np.sqrt(np.average(self.total, weights=self.trust)))

    @property
    def certain_level(self) -> float:
        """RMS of what is noise beyond doubt: beside white noise, what fills all flat blocks alike at all steps."""
        alike = np.clip((self.alike - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1)
        even = np.minimum(self.total, SPREAD * self.total.min())
        certain = self.white + alike * np.maximum(even - self.white, 0)
        return float(np.sqrt(np.average(certain, weights=self.trust)))


def brightness_curve(images: Sequence[UnitPixels]) -> BrightnessCurve:
    """Measure the noise variance of images at steps of brightness, all channels together.

    The flattest blocks of a step are chosen by one half of the middle frequencies and read at the other, so that
    the choice leaves no bias. Blocks with more than 5 % of clipped pixels are left out if others are there.

    Args:
        images: (H, W, C) in [0, 1], one at least of 8x8 pixels.
    """
    blocks = cut_blocks(images, BLOCK, MOST_BLOCKS).reshape(-1, BLOCK * BLOCK)
    blocks = blocks[unclipped(clipped_share(blocks.reshape(-1, BLOCK, BLOCK)))]
    energies = (blocks @ dct_basis().T) ** 2
    means = blocks.mean(1)
    steps = np.array_split(np.argsort(means, kind="stable"), max(1, min(BINS, len(means) // BIN_BLOCKS)))
    read = [_flat_spectrum(energies[step]) for step in steps]
    spectra, alike = np.stack([spectrum for spectrum, _ in read]), np.array([ratio for _, ratio in read])
    row, column = frequencies()
    high = spectra[:, row + column >= 11].mean(1)
    middle = spectra[:, (row + column >= 2) & (row + column <= 8)].mean(1)
    ratio = (middle + TINY) / (high + TINY)
    # Correlated noise has a ratio above 1 at every step, image content at some: only what exceeds the least counts.
    trust = np.maximum(ratio / np.maximum(ratio.min(), 1.5), 1) ** -4
    white = np.maximum(high - LEAK * np.maximum(middle - high, 0), 0)
    brightness = np.array([means[step].mean() for step in steps])
    return BrightnessCurve(brightness, white, np.maximum(spectra[:, 1:].mean(1), white), trust, alike)


def _flat_spectrum(energies: Floats) -> tuple[Floats, float]:
    """Return the mean energy at each frequency, (64,), in the flattest of blocks (N, 64), and how alike they are."""
    row, column = frequencies()
    low = (row + column >= 2) & (row + column <= 8)
    first, second = low & (row % 2 == 0), low & (row % 2 == 1)
    count = min(len(energies), max(8, round(FLAT * len(energies))))
    orders = [np.argsort(energies[:, half].sum(1), kind="stable") for half in (first, second)]
    by_first, by_second = (energies[order[:count]].mean(0) for order in orders)
    spectrum: Floats = np.where(first, by_second, np.where(second, by_first, (by_first + by_second) / 2))
    # Smooth images are planes everywhere alike: the lowest frequencies are taken to be as the next ones.
    spectrum[row + column == 1] = spectrum[row + column == 2].mean()
    following = energies[orders[0][2 * count : 3 * count]]
    alike = (by_first[second].sum() + TINY) / (following[:, second].mean(0).sum() + TINY) if len(following) else 0.0
    return spectrum, float(alike)


def fit_line(brightness: Floats, variance: Floats, trust: Floats) -> tuple[float, float]:
    """Return gain and offset of ``variance = gain * brightness + offset``.

    Least squares of relative errors, reweighted so that steps far off the line (image content) count little.
    The gain is 0 or more, and so is the variance within the brightness seen.
    """
    if len(brightness) < 3 or np.ptp(brightness) < 1e-3:
        return 0.0, float(np.average(variance, weights=trust))
    fitted = np.full(len(variance), np.average(variance, weights=trust))
    gain = offset = 0.0
    for _ in range(30):
        scale = np.maximum(fitted, 0.02 * variance.max() + TINY)
        error = (variance - fitted) / scale
        spread = max(1.4826 * float(np.median(np.abs(error))), 0.02)
        weight = trust / scale**2 / np.maximum(np.abs(error) / (1.5 * spread), 1)
        gain, offset = _weighted_line(brightness, variance, weight)
        before, fitted = fitted, np.maximum(gain * brightness + offset, 0)
        if (np.abs(fitted - before) <= 1e-3 * scale).all():
            break
    return gain, offset


def _weighted_line(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    share = weight / weight.sum()
    mean_x, mean_y = float(share @ x), float(share @ y)
    across = x - mean_x
    gain = max(float(share @ (across * (y - mean_y))) / float(share @ across**2), 0.0)
    return gain, mean_y - gain * mean_x
