"""RESCAN (Li et al., ECCV 2018): SCAN with gated recurrent units, applied in four stages."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearer.methods.scan import DILATIONS, WIDTH, ExcitedUnit, conv, decoder
from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork

STAGES = 4


class RecurrentUnit(nn.Module):
    """Convolutional gated recurrent unit with squeeze and excitation; its output is its next state."""

    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        gates = ("mix", "reset", "candidate")
        self.of_input = nn.ModuleDict({gate: conv(inputs, WIDTH, dilation) for gate in gates})
        self.of_state = nn.ModuleDict({gate: conv(WIDTH, WIDTH) for gate in gates})
        self.excited = ExcitedUnit()

    def forward(self, x: Tensor, state: Tensor | None) -> Tensor:
        """Return the next state, (B, WIDTH, H, W); ``state`` is None in the first stage."""
        mix, candidate = self.of_input["mix"](x), self.of_input["candidate"](x)
        if state is None:
            following = mix.sigmoid() * candidate.tanh()
        else:
            mix = (mix + self.of_state["mix"](state)).sigmoid()
            reset = (self.of_input["reset"](x) + self.of_state["reset"](state)).sigmoid()
            candidate = (candidate + self.of_state["candidate"](reset * state)).tanh()
            following = state.lerp(candidate, mix)
        result: Tensor = self.excited(following)
        return result


class RESCAN(BaselineNetwork):
    """Recurrent SCAN; the stages share their weights, and each predicts the whole rain layer.

    Each stage sees the rainy image minus the rain layer of the stage before. The units remember their state from
    stage to stage.
    """

    name: ClassVar[str] = "rescan"
    channels: ClassVar[int] = 3
    card: ClassVar[BaselineCard] = BaselineCard(
        title="RESCAN",
        task="derain",
        about="SCAN with gated recurrent units, applied four times; residual",
        source="Li, Wu, Lin, Liu and Zha, ECCV 2018",
        reading="Of its published forms the one that the authors' program trains by default: gated recurrent units, "
        "each stage predicting the whole rain layer. It sees RGB where that program sees BGR, which is the same to a "
        "network that is trained. The initial weights are torch's.",
        checked="outputs of the public program with public weights, all stages: equal to 1e-5",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        inputs = (self.channels, *(WIDTH for _ in DILATIONS[1:]))
        self.units = nn.ModuleList(RecurrentUnit(n, d) for n, d in zip(inputs, DILATIONS, strict=True))
        self.decoder = decoder(self.channels)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        return self.stages(x)[-1]

    def loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        """Return the sum over the stages of the mean squared error."""
        errors = [functional.mse_loss(restored.float(), clean) for restored in self.stages(degraded)]
        return torch.stack(errors).sum()

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return what each stage makes of the image."""
        restored = x
        states: list[Tensor | None] = [None] * len(self.units)
        found = []
        for _ in range(STAGES):
            features = restored
            for place, unit in enumerate(self.units):
                features = states[place] = unit(features, states[place])
            restored = x - self.decoder(features)
            found.append(restored)
        return found
