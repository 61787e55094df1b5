"""PSNR on held-out pictures while training, always with the same noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from clearer.data.degradations import Degradation, degrade
from clearer.evaluation.metrics import psnr


class Validation:
    """Degraded and clean pictures, degraded once from a fixed seed.

    Args:
        pictures: (clean, degraded or None), uint8 (H, W, C).
        crop: side of the centre crop, or None for whole pictures (smaller ones stay whole).
    """

    def __init__(
        self,
        pictures: Sequence[tuple[np.ndarray, np.ndarray | None]],
        degradation: Degradation,
        *,
        crop: int | None,
        device: torch.device,
    ) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []
        generator = torch.Generator()
        for k, (clean, degraded) in enumerate(pictures):
            generator.manual_seed(k)
            target = _tensor(clean, crop)
            source = target if degraded is None else _tensor(degraded, crop)
            self.pairs.append((degrade(source, degradation, generator).to(device), target.to(device)))
        self.input_psnr = self.measure(lambda x: x)

    @torch.inference_mode()
    def measure(self, restore: Callable[[Tensor], Tensor]) -> float:
        """Return the mean PSNR in dB of ``restore``: (1, C, H, W) -> the same."""
        values = [psnr(restore(x).float().clamp(0, 1), clean) for x, clean in self.pairs]
        return float(torch.as_tensor(torch.cat([torch.as_tensor(v).reshape(-1) for v in values])).mean())


def _tensor(picture: np.ndarray, crop: int | None) -> Tensor:
    if crop is not None:
        top, left = max(0, picture.shape[0] - crop) // 2, max(0, picture.shape[1] - crop) // 2
        picture = picture[top : top + crop, left : left + crop]
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()[None] / 255
