"""PReNet (Ren et al., CVPR 2019): one small residual network, applied six times with a memory."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork

WIDTH, STAGES, BLOCKS = 32, 6, 5


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class PReNet(BaselineNetwork):
    """Progressive recurrent network; the stages share their weights.

    Each stage sees the rainy image and what the stage before made of it. A convolutional LSTM remembers features from
    stage to stage.
    """

    name: ClassVar[str] = "prenet"
    channels: ClassVar[int] = 3
    card: ClassVar[BaselineCard] = BaselineCard(
        title="PReNet",
        task="derain",
        about="five residual blocks and an LSTM, applied six times",
        source="Ren, Zuo, Hu, Zhu and Meng, CVPR 2019",
        reading="Not part of the paper's comparison. Complete in its publication, but for the "
        "initial weights, which are torch's.",
        checked="outputs of the public program with its weights: equal to 1e-5",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        self.first = _conv(2 * self.channels, WIDTH)
        self.gates = nn.ModuleDict({gate: _conv(2 * WIDTH, WIDTH) for gate in ("input", "forget", "cell", "output")})
        self.blocks = nn.ModuleList(nn.Sequential(_conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH), nn.ReLU())
                                    for _ in range(BLOCKS))  # fmt: skip
        self.last = _conv(WIDTH, self.channels)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        return self.stages(x)[-1]

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return what each stage makes of the image."""
        restored = x
        hidden = cell = x.new_zeros(x.shape[0], WIDTH, *x.shape[2:])
        found = []
        for _ in range(STAGES):
            features = torch.cat([self.first(torch.cat([x, restored], 1)).relu(), hidden], 1)
            gate = {name: layer(features) for name, layer in self.gates.items()}
            cell = gate["forget"].sigmoid() * cell + gate["input"].sigmoid() * gate["cell"].tanh()
            hidden = gate["output"].sigmoid() * cell.tanh()
            y = hidden
            for block in self.blocks:
                y = (block(y) + y).relu()
            restored = x + self.last(y)
            found.append(restored)
        return found
