"""FFDNet (Zhang et al., TIP 2018) as plain PyTorch in its fastest form, for speed and as baseline.

The published weights are not part of this repository: ``peers/ffdnet_color.npz`` and so on in the folder that the
environment variable CLEARER_SHARED names (docs/data.md). Speed needs none: random weights take the same time.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZES = {1: (15, 64), 3: (12, 96)}
"""Number of convolutions and width, by channels of the image."""


class FFDNet(nn.Module):
    """FFDNet: a pixel unshuffle, a map of the noise level, convolutions with ReLUs, a pixel shuffle.

    Args:
        channels: of the image, 1 or 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        count, width = SIZES[channels]
        widths = [4 * channels + 1, *[width] * (count - 1), 4 * channels]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        """Return the restored (B, C, H, W), not clamped; ``sigma`` in gray levels."""
        height, width = x.shape[2:]
        y = F.pixel_unshuffle(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)
        y = torch.cat([y, torch.full_like(y[:, :1], sigma / 255)], 1).contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions[:-1]:  # type: ignore[index]
            y = F.relu_(convolution(y))
        return F.pixel_shuffle(self.convolutions[-1](y), 2)[..., :height, :width]

    def load_published(self, path: Path) -> FFDNet:
        """Load weights w00, b00, w01, ... (O, I, 3, 3) of an npz file, whose phases stand in column-major order."""
        with np.load(path) as file:
            layers = [
                (torch.from_numpy(file[f"w{i:02d}"]), torch.from_numpy(file[f"b{i:02d}"]))
                for i in range(len(self.convolutions))
            ]
        order = torch.arange(layers[-1][0].shape[0]).unflatten(0, (-1, 2, 2)).transpose(1, 2).flatten()
        first, last = layers[0][0], layers[-1]
        layers[0] = (torch.cat([first[:, order], first[:, len(order) :]], 1), layers[0][1])
        layers[-1] = (last[0][order], last[1][order])
        for convolution, (weight, bias) in zip(self.convolutions, layers, strict=True):
            convolution.weight.data.copy_(weight)  # type: ignore[union-attr, operator]
            convolution.bias.data.copy_(bias)  # type: ignore[union-attr, operator]
        return self


def fastest(channels: int, device: torch.device, dtype: torch.dtype) -> FFDNet:
    """Return an FFDNet for inference, channels_last, its weights in ``dtype``; published weights where they are."""
    network = FFDNet(channels)
    path = published("ffdnet_gray" if channels == 1 else "ffdnet_color")
    if path is not None:
        network.load_published(path)
    return network.to(device, dtype, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]


def published(name: str) -> Path | None:
    """Return the file of published weights such as ``"ffdnet_color_clip"``, or None where it is not there."""
    path = Path(os.environ.get("CLEARER_SHARED", "")) / "peers" / f"{name}.npz"
    return path if path.is_file() else None
