"""NLRN (Liu et al., NeurIPS 2018): one recurrent state, refined twelve times with attention over a whole patch."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from clearer.network.baselines.base import BaselineCard, BaselineNetwork

WIDTH, KEY_WIDTH, STATES = 128, 64, 12
PATCH, STRIDE = 43, 22
"""Side and distance in pixels of the patches that an image is restored in; inside a patch, all pixels see all."""
PATCHES_AT_ONCE = 16
"""On a GPU; a CPU is a third faster with one. For each, attention holds two matrices of ``PATCH**4`` weights, 27 MB."""

_norm = partial(nn.BatchNorm2d, eps=1e-3)


class NLRN(BaselineNetwork):
    """Non-local recurrent network of twelve states, whose attention accumulates from state to state.

    In training mode each image is one window of attention. In evaluation mode an image larger than `PATCH` is restored
    in overlapping patches of that side, and the overlaps are averaged.
    """

    name: ClassVar[str] = "nlrn"
    channels: ClassVar[int] = 1
    card: ClassVar[BaselineCard] = BaselineCard(
        title="NLRN",
        task="denoise",
        about="one state, refined twelve times with attention over 43x43 pixels; residual",
        source="Liu, Wen, Fan, Loy and Huang, NeurIPS 2018",
        reading="One blind network, where the authors train one for each noise level. Images larger than 43 pixels are "
        "restored in patches of 43 pixels at stride 22, the last ones at the border, and the overlaps averaged; the "
        "authors' stride is 7, at ten times the cost. The loss covers the whole patch, as in the authors' older "
        "program, with the schedule of the newer one, whose loss covers the central 5x5 pixels. Initial weights are "
        "Glorot's, which our sources do not state. The moving statistics take 10% of each batch where the authors' "
        "take 1%, which would need hundreds of steps.",
        checked="the published count of weights, which leaves out the norms; all states written out by hand",
        sample=20,
    )

    def __init__(self) -> None:
        super().__init__()
        self.first_norm, self.last_norm = _norm(self.channels), _norm(WIDTH)
        self.first = nn.Conv2d(self.channels, WIDTH, 3, padding=1)
        self.query, self.key = nn.Conv2d(WIDTH, KEY_WIDTH, 1), nn.Conv2d(WIDTH, KEY_WIDTH, 1)
        self.value = nn.Conv2d(WIDTH, WIDTH, 1)
        self.inner, self.outer = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))
        # The states share all weights but those of their batch norms.
        self.attention_norms, self.inner_norms, self.outer_norms = (
            nn.ModuleList(_norm(WIDTH) for _ in range(STATES)) for _ in range(3)
        )
        self.last = nn.Conv2d(WIDTH, self.channels, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.value.weight)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        height, width = x.shape[2:]
        if self.training or max(height, width) <= PATCH:
            return self.window(x)
        places = [(top, left) for top in _starts(height) for left in _starts(width)]
        patches = torch.cat([x[:, :, top : top + PATCH, left : left + PATCH] for top, left in places])
        at_once = 1 if x.device.type == "cpu" else PATCHES_AT_ONCE
        some = [self.window(patches[start : start + at_once]) for start in range(0, len(patches), at_once)]
        restored = torch.cat(some).reshape(len(places), *x.shape[:2], *patches.shape[2:])
        total, times = torch.zeros_like(x, dtype=restored.dtype), restored.new_zeros(height, width)
        for (top, left), patch in zip(places, restored, strict=True):
            total[:, :, top : top + PATCH, left : left + PATCH] += patch
            times[top : top + PATCH, left : left + PATCH] += 1
        result: Tensor = total / times
        return result

    def window(self, x: Tensor) -> Tensor:
        """Restore a batch of patches, each with attention from every pixel to every pixel."""
        first = features = self.first(self.first_norm(x))
        similarity: Tensor | None = None
        for norms in zip(self.attention_norms, self.inner_norms, self.outer_norms, strict=True):
            change, similarity = self._next(norms, features, similarity)
            features = first + change
        result: Tensor = x + self.last(self.last_norm(features).relu())
        return result

    def _next(
        self, norms: tuple[nn.Module, nn.Module, nn.Module], features: Tensor, similarity: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return how the next state differs from the first features, and its similarities ``(B, pixels, pixels)``."""
        attention_norm, inner_norm, outer_norm = norms
        features = attention_norm(features).relu()
        query, key, value = (layer(features).flatten(2) for layer in (self.query, self.key, self.value))
        # In fp32: it adds up over the states, and the softmax of large sums is sensitive to their rounding.
        product = (query.mT @ key).float()
        similarity = product if similarity is None else product.add_(similarity)
        attended = value @ similarity.softmax(-1).to(value.dtype).mT
        features = self.inner(inner_norm(features + attended.view_as(features)))
        return self.outer(outer_norm(features).relu()), similarity

    def further_macs(self, height: int, width: int) -> float:
        """Return the multiply-adds of attention; see `BaselineNetwork.further_macs`."""
        windows = len(_starts(height)) * len(_starts(width))
        pixels = min(height, PATCH) * min(width, PATCH)
        return float(windows * STATES * pixels**2 * (KEY_WIDTH + WIDTH))


def _starts(side: int) -> list[int]:
    """Return the first rows (or columns) of the patches that cover a side; the last patch ends at the border.

    >>> _starts(43), _starts(100)
    ([0], [0, 22, 44, 57])
    """
    return [*range(0, side - PATCH, STRIDE), max(0, side - PATCH)]
