"""Revive dead features: channels of a start that give nothing on the images it is trained for now.

A network that was trained on other degradations may answer to nothing in these images. No gradient passes a ReLU that
is never active, so training does not bring such a channel back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from clearer.core.spread import evenly
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.losses.base import Batch
from clearer.network.network import RestorationNetwork
from clearer.recipe.schema import Recipe
from clearer.runs.schema import StartRecord
from clearer.training.features import DEAD, features_on
from clearer.training.job import RunContext

RESTORES = 0.5
"""dB over the degraded patches from which a start is left as it is: it restores these images, dead channels or not."""


SHARE = 0.3
"""Share of the start's weights that stays in a revived network; the rest is fresh."""
PATCHES = 8
"""Patches on which dead features are looked for."""


class Revival(NamedTuple):
    """What was found in a start: ``dead`` of ``features`` channels, and how many of these were ``revived``.

    ``last_active``: the share of active positions of the last features. ``gain``: in dB over the degraded patches;
    None without ground truth.
    """

    features: int
    dead: int
    revived: int
    last_active: float
    gain: float | None

    def in_words(self) -> str:
        """Return the line for people."""
        found = f"train.start: {self.dead:,} of {self.features:,} features are dead on these images"
        last = f"{100 * self.last_active:.0f} % of the last ones are active"
        if self.gain is None or self.dead == 0:
            return f"{found}; {last}"
        effect = f"it is {self.gain:+.2f} dB over the input on training patches"
        return f"{found}, {last}; {effect}: {f'{self.revived:,} revived' if self.revived else 'left as it is'}"

    def record(self) -> StartRecord:
        """Return what the run's record states."""
        return {
            "features": self.features,
            "dead": self.dead,
            "revived": self.revived,
            "last_active": round(self.last_active, 4),
        }


def sample_of(recipe: Recipe, context: RunContext) -> Batch:
    """Return `PATCHES` training patches, the same for any number of processes."""
    sampler = PatchSampler(
        evenly(context.training, PATCHES),
        patch=recipe.train.patch,
        batch=PATCHES,
        degradation=context.degradation,
        variety=Variety.of(recipe.data),
        seed=recipe.seed,
        device=torch.device("cpu"),
        span=recipe.data.span,
    )
    return sampler.draw()


@torch.no_grad()
def revive(network: RestorationNetwork, fresh: RestorationNetwork, batch: Batch) -> Revival:
    """Find the dead channels on a batch of patches and revive them, in place, unless the network restores the patches.

    All weights are shrunk to `SHARE` and ``fresh`` ones added (shrink and perturb: Ash and Adams, "On warm-starting
    neural network training", 2020). A residual network then begins with the image itself, as a fresh one does: its last
    convolution becomes zero.
    """
    found = features_on(network, batch.degraded)
    dead, channels = sum(len(f.dead) for f in found), sum(len(f.before) for f in found)
    last_active = float(found[-1].active.mean())
    gain = None if batch.clean is None else _gain(network, batch.degraded, batch.clean)
    if dead == 0 or gain is None or gain >= RESTORES:
        return Revival(channels, dead, 0, last_active, gain)
    # Fresh weights in the dead channels alone did not last: within 100 steps the last features were dead again.
    for value, new in zip(network.parameters(), fresh.parameters(), strict=True):
        value.lerp_(new, 1 - SHARE)
    if network.residual:
        for value in network.last.parameters():
            value.zero_()
    after = features_on(network, batch.degraded)
    revived = sum(int((now.active[before.dead] > DEAD).sum()) for before, now in zip(found, after, strict=True))
    return Revival(channels, dead, revived, last_active, gain)


def _gain(network: RestorationNetwork, degraded: Tensor, clean: Tensor) -> float:
    was = network.training
    with torch.no_grad():
        error = (network.eval()(degraded) - clean).square().mean()
    network.train(was)
    return 10 * math.log10(float((degraded - clean).square().mean()) / max(float(error), 1e-12) or 1e-12)
