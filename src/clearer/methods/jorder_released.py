"""The network released by the authors of JORDER (Yang et al., CVPR 2017): residual, on luma, without a rain mask."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from clearer.evaluation.metrics import luma601
from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork

WIDTH, UNITS = 64, 5
KEPT = 0.5
"""The share of its input in what a unit returns."""
LUMA_RANGE = 219 / 255
"""Luma of white minus luma of black."""


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class LumaNetwork(nn.Module):
    """The released network: luma ``(B, 1, H, W)``, 16 to 235 divided by 255, to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.first = _conv(1, WIDTH)
        self.units = nn.ModuleList(
            nn.Sequential(_conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH)) for _ in range(UNITS)
        )
        self.last = _conv(WIDTH, 1)

    def forward(self, luma: Tensor) -> Tensor:
        """Restore a batch of luma images."""
        first = features = self.first(luma).relu()
        for unit in self.units:
            features = features.lerp(unit(features), 1 - KEPT).relu()
        result: Tensor = luma + self.last(KEPT * first + (1 - KEPT) * features)
        return result


class JorderReleased(BaselineNetwork):
    """The released network on luma; the chroma of the rainy image is kept."""

    name: ClassVar[str] = "jorder-released"
    channels: ClassVar[int] = 3
    card: ClassVar[BaselineCard] = BaselineCard(
        title="JORDER (released)",
        task="derain",
        about="twelve convolutions in five recurrent units, on luma; residual",
        source="Yang, Tan, Feng, Liu, Guo and Yan, CVPR 2017: the network that the authors released",
        reading="The released network has neither the dilated convolutions nor the rain mask of the publication, and "
        "sees luma alone. It is applied to the whole image; the authors' program cuts it into tiles and "
        "continues the border by its last pixels, where zeros continue it here.",
        checked="outputs of the public network with its weights: equal to 1e-5",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        self.luma = LumaNetwork()

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        luma = luma601(x)
        # The chroma of x is kept: a change of luma alone changes red, green and blue by the same amount.
        result: Tensor = x + (self.luma(luma) - luma) / LUMA_RANGE
        return result

    def loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        """Return the mean squared error of luma, as published; the network does not change chroma."""
        return functional.mse_loss(self.luma(luma601(degraded)).float(), luma601(clean))
