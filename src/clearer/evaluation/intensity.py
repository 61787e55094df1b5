"""Intensity preservation: how restored brightness relates to that of the ground truth, pixel by pixel."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from clearer.images.depth import depth_of_file
from clearer.images.pixels import WHOLE, Span
from clearer.runs.schema import IntensityBin, IntensityRecord

BINS = 10
"""Bins of brightness in a record."""
_FINE = 1 << 14  # bins in which pixels are counted, merged to BINS once the range of brightness is known
_TAIL = 0.001  # share of the darkest and of the brightest pixels, which make the ends of the range
_FEWEST = 20  # pixels in a bin that is reported

Sums = npt.NDArray[np.float64]


class IntensityMeter:
    """Sums over pixels of restored and degraded images against ground truth, in bins of the ground truth.

    Args:
        levels: the values that are black and white in the files.
    """

    def __init__(self, levels: Span) -> None:
        self.levels = levels
        self.sums: Sums = np.zeros((7, _FINE))  # of 1, t, t^2, y, t y, (y - t)^2, x; t truth, y restored, x input
        self.products = 0.0  # of t x

    def add(self, clean: Tensor, degraded: Tensor, restored: Tensor) -> None:
        """Add an image: ground truth, input and result, of one shape, in [0, 1]."""
        t, x, y = (image.flatten().double().numpy() for image in (clean, degraded, restored))
        place = np.minimum((t * _FINE).astype(np.int64), _FINE - 1)
        for row, weight in enumerate((None, t, t * t, y, t * y, (y - t) ** 2, x)):
            self.sums[row] += np.bincount(place, weight, _FINE)
        self.products += float(t @ x)

    def record(self) -> IntensityRecord:
        """Return slopes, offsets and the bias by brightness, in the levels of the files."""
        low, high = self.levels
        length = high - low
        count, t, tt, y, ty, _, x = self.sums.sum(1)
        slope, offset = _line(count, t, tt, y, ty)
        input_slope, input_offset = _line(count, t, tt, x, self.products)
        return {
            "levels": [low, high],
            "slope": slope,
            "offset": low + length * offset - slope * low,
            "input_slope": input_slope,
            "input_offset": low + length * input_offset - input_slope * low,
            "bias": length * (y - t) / count,
            "input_bias": length * (x - t) / count,
            "bins": self._bins(),
        }

    def _bins(self) -> list[IntensityBin]:
        """Return the mean of the ground truth, the bias and the error of bins of equal width."""
        low, high = self.levels
        length = high - low
        share = np.cumsum(self.sums[0]) / self.sums[0].sum()
        first, last = int(np.searchsorted(share, _TAIL)), int(np.searchsorted(share, 1 - _TAIL)) + 1
        edges = np.unique(np.linspace(first, last, min(BINS, last - first) + 1).round().astype(int))
        edges[0], edges[-1] = 0, _FINE
        bins: list[IntensityBin] = []
        for begin, end in itertools.pairwise(edges.tolist()):
            count, t, _, y, _, errors, x = self.sums[:, begin:end].sum(1)
            if count >= _FEWEST:
                bins.append({
                    "level": low + length * t / count,
                    "pixels": int(count),
                    "bias": length * (y - t) / count,
                    "input_bias": length * (x - t) / count,
                    "rmse": length * float(np.sqrt(errors / count)),
                })  # fmt: skip
        return bins


def _line(count: float, t: float, tt: float, y: float, ty: float) -> tuple[float, float]:
    """Return slope and offset of the least-squares line of y over t; of flat images, slope 1."""
    spread = count * tt - t * t
    slope = (count * ty - t * y) / spread if spread > 1e-12 * count * count else 1.0
    return float(slope), float((y - slope * t) / count)


def levels_of(path: Path, span: Span) -> Span:
    """Return the values that are black and white in a file, for records."""
    if span != WHOLE:
        return span
    return 0.0, {"8": 255.0, "16": 65535.0}.get(depth_of_file(path), 1.0)
