"""RED30 (Mao et al., NeurIPS 2016): a chain of convolutions and one of transposed convolutions, joined by skips."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from clearer.network.baselines.base import BaselineCard, BaselineNetwork

WIDTH, DEPTH = 128, 15
SKIP_EVERY = 2
"""A skip joins every second layer of the encoder with its mirror image in the decoder."""


class RED(BaselineNetwork):
    """Residual encoder-decoder of 30 layers at full resolution, 128 channels wide as released.

    The decoder's transposed convolutions have stride 1, which makes them convolutions with mirrored kernels.
    """

    name: ClassVar[str] = "red"
    channels: ClassVar[int] = 1
    card: ClassVar[BaselineCard] = BaselineCard(
        title="RED30",
        task="denoise",
        about="15 convolutions and 15 transposed ones, joined by skips; residual",
        source="Mao, Shen and Yang, NeurIPS 2016",
        reading="One blind network; the publication has one for each noise level, and a blind one, too. 128 channels "
        "as in the released network; its text says 64. The initial weights are not stated: PyTorch's. The mean over 8 "
        "orientations of the image, which the authors' test program takes, is left out; --ensemble of the tables takes "
        "it.",
        checked="the published count of weights; its skips written out by hand",
        sample=20,
    )

    def __init__(self) -> None:
        super().__init__()
        widths = [self.channels, *[WIDTH] * DEPTH]
        self.encoder = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(nn.Conv2d(WIDTH, b, 3, padding=1) for b in widths[DEPTH - 1 :: -1])

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        features, kept = x, []
        for place, layer in enumerate(self.encoder, 1):
            features = layer(features).relu()
            if place % SKIP_EVERY == 0:
                kept.append(features)
        for place, layer in enumerate(self.decoder[:-1], 1):
            features = layer(features).relu()
            if place % SKIP_EVERY == 1:
                features = (features + kept.pop()).relu()
        result: Tensor = x + self.decoder[-1](features)
        return result
