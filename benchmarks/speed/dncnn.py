"""DnCNN (Zhang et al., TIP 2017) for gray images as plain PyTorch, for speed and as baseline.

Its batch norms are folded into the convolutions, as in the published weights, which are not part of this repository:
``peers/dncnn_gray_sigma50.npz`` and so on in the folder that the environment variable CLEARER_SHARED names
(docs/data.md). Speed needs none: random weights take the same time.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS, WIDTH = 17, 64


class DnCNN(nn.Module):
    """DnCNN of one noise level: 17 convolutions with ReLUs, which compute the noise that is subtracted."""

    def __init__(self) -> None:
        super().__init__()
        widths = [1, *[WIDTH] * (LAYERS - 1), 1]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Return the restored (B, 1, H, W), not clamped."""
        y = x.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions[:-1]:  # type: ignore[index]
            y = F.relu_(convolution(y))
        return x - self.convolutions[-1](y)

    def load_published(self, path: Path) -> DnCNN:
        """Load weights w00, b00, w01, ... (O, I, 3, 3) of an npz file."""
        with np.load(path) as file:
            for i, convolution in enumerate(self.convolutions):
                convolution.weight.data.copy_(torch.from_numpy(file[f"w{i:02d}"]))  # type: ignore[union-attr, operator]
                convolution.bias.data.copy_(torch.from_numpy(file[f"b{i:02d}"]))  # type: ignore[union-attr, operator]
        return self
