"""PSNR on the validation images during training, always with the same noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from clearer.degradations.base import Degradation
from clearer.evaluation.metrics import psnr
from clearer.evaluation.no_reference import Estimate
from clearer.images.nodata import centers_without_gaps
from clearer.images.pixels import WHOLE, Span
from clearer.images.tensors import as_levels, to_batch, unit_of
from clearer.runs.schema import EpochLine, TrainResult
from clearer.training import distributed


class Validation:
    """Pairs of degraded and clean images, degraded once from a fixed seed. Several processes each measure a share.

    Args:
        images: (clean, degraded or None) of each image, (H, W, C) uint8, uint16 or float32 in [0, 1]. Pixels that
            are NaN do not count; the images are continued there.
        degradation: applied to the clean image, or to the degraded one of a pair, unless it replaces these.
        crop: side of the center crop in pixels, or None for whole images; a smaller image stays whole.
        device: where the images lie.
        span: the integer levels that are black and white. As in evaluations, ground truth is clamped to them.
    """

    latest: Estimate | None = None  # measured, not estimated

    def __init__(
        self,
        images: Sequence[tuple[np.ndarray, np.ndarray | None]],
        degradation: Degradation,
        *,
        crop: int | None,
        device: torch.device,
        span: Span = WHOLE,
    ) -> None:
        self.count = len(images)
        self.pairs: dict[int, tuple[Tensor, Tensor]] = {}
        self.where: dict[int, Tensor] = {}
        generator = torch.Generator()
        for k in range(distributed.rank(), self.count, distributed.world()):
            (clean, *pair), known = centers_without_gaps([image for image in images[k] if image is not None], crop)
            degraded = pair[0] if pair else None
            if known is not None:
                self.where[k] = torch.from_numpy(known).to(device)
            generator.manual_seed(k)
            target = _tensor(clean, span)
            source = target if degraded is None else _tensor(degraded, span)
            if degraded is None or not degradation.replaces:
                source = degradation.apply(source, generator)
            self.pairs[k] = source.to(device), target.clamp(0, 1).to(device)
        self.input_psnr = self.measure(lambda x: x)

    @torch.inference_mode()
    def measure(self, restore: Callable[[Tensor], Tensor]) -> float:
        """Return the mean PSNR in dB of ``restore``: (1, C, H, W) -> the same."""
        found = {
            k: psnr(restore(x).float().clamp(0, 1), clean, self.where.get(k)) for k, (x, clean) in self.pairs.items()
        }
        values = torch.zeros(self.count)  # 0 for the images of other processes
        for k, value in found.items():
            values[k] = value.item()
        return float(distributed.total(values).mean())

    def line(self, psnr: float) -> EpochLine:
        """Return the figures of the metrics after `measure`."""
        return {"psnr": psnr, "input_psnr": self.input_psnr}

    def result(self, best: float, estimate: Estimate | None, last: float) -> TrainResult:
        """Return the figures of the result: the PSNR of the best weights and of the last ones."""
        return {"best_psnr": best, "last_psnr": last, "input_psnr": self.input_psnr}


def _tensor(image: np.ndarray, span: Span) -> Tensor:
    return to_batch(unit_of(as_levels(np.ascontiguousarray(image)), span).numpy())
