"""Training by the sandwich rule: one network, whose first channels and modules become networks, too.

Yu and Huang, "Universally Slimmable Networks and Improved Training Techniques" (ICCV 2019): each step trains the widest
network, the narrowest one and some random ones between them. There the narrower ones learn from the widest one's
output; here all learn from the recipe's loss, so that any of its losses will do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from torch import Tensor, nn

from clearer.losses.base import Batch
from clearer.network.architecture import Architecture
from clearer.network.narrowed import Narrowed
from clearer.recipe.schema import Recipe
from clearer.search.slimmable import Slimming
from clearer.training.job import RunContext
from clearer.training.trainer import WeightTraining

RANDOM = 2
"""Random networks of each step, beside the widest and the narrowest one."""


class SandwichTraining(WeightTraining):
    """`WeightTraining` of the widest network, in which each step also trains narrower ones with the same patches."""

    def __init__(self, recipe: Recipe, slimming: Slimming, context: RunContext) -> None:
        super().__init__(recipe, slimming.widest, context)
        self.slimming = slimming

    def backward(self, batch: Batch, index: int) -> Tensor:
        """Add up the gradients of all networks of the step; return the loss of the widest one."""
        losses = []
        for network in self.networks(index):  # one after another: only one network's features are kept
            loss = self.loss(self.levels.restore(network, batch), batch)
            (loss / (2 + RANDOM)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return losses[0]

    def networks(self, index: int) -> Iterator[nn.Module]:
        """Yield the widest, the narrowest and the random networks of a step."""
        yield self.network
        rng = random.Random(f"{self.seed} {index}")
        narrower = [self.slimming.narrowest, *(self.slimming.random(rng) for _ in range(RANDOM))]
        for architecture in narrower:
            yield Narrowed(self.network, architecture)

    def part(self, architecture: Architecture) -> nn.Module:
        """Return a narrower network with the weights that are validated."""
        return Narrowed(self.judged, architecture)
