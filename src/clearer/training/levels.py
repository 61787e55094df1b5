"""The noise levels that a network with ``condition: level`` is told in training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from clearer.losses.base import Batch, Loss
from clearer.noise.level import estimate_level
from clearer.recipe.schema import TrainSettings
from clearer.training.job import RunContext

Restore = Callable[[Tensor], Tensor]


class PatchLevels:
    """Draws a noise level for each patch: the true one or the estimated one, times a log-normal factor.

    The true level is the RMS of degraded minus clean over the patch, so any degradation has one. Estimated levels are
    what the network gets in use, errors included; true ones keep it obedient to a level that a user states. Without
    ground truth all levels are estimated.

    Random numbers are drawn for the whole batch, so that the result does not depend on the number of processes.

    Args:
        settings: ``level_estimated`` and ``level_jitter``.
        needed: whether the network takes a level; otherwise nothing is drawn.
        batch: patches in a batch.
        seed: of the generator.
        context: of the run.
        truth: whether clean patches are the ground truth, not other exposures.
        loss: what calls the network; by default, one that calls it on whole batches.
    """

    def __init__(
        self,
        settings: TrainSettings,
        needed: bool,
        batch: int,
        seed: int,
        context: RunContext,
        *,
        truth: bool = True,
        loss: Loss | None = None,
    ) -> None:
        self.loss = loss
        self.settings, self.needed, self.batch, self.context, self.truth = settings, needed, batch, context, truth
        part = batch // context.world
        self.mine = slice(context.rank * part, (context.rank + 1) * part)
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, batch: Batch) -> Tensor:
        """Return the levels of a batch, (B,), in units of [0, 1]."""
        choice = torch.rand(self.batch, generator=self.generator)[self.mine]
        factor = (self.settings.level_jitter * torch.randn(self.batch, generator=self.generator)).exp()[self.mine]
        if not self.truth or batch.clean is None:
            level = estimate_level(batch.degraded)
        else:
            level = (batch.degraded - batch.clean).square().mean((1, 2, 3)).sqrt()
            places = (choice < self.settings.level_estimated).nonzero()[:, 0].to(level.device)
            if len(places):  # estimating takes a few per cent of a step
                level[places] = estimate_level(batch.degraded[places])
        return level * factor.to(level.device)

    def restore(self, network: nn.Module, batch: Batch) -> Restore:
        """Return ``network`` as losses call it; if it takes a level, it is told those of the patches.

        A loss may call it on parts of the patches, such as every second pixel, and on several of these as one batch.
        Where it calls it on some of the patches, the network estimates their levels.
        """
        estimating = partial(self.context.restore, network)
        if not self.needed:
            return estimating
        levels = self.draw(batch)  # in any case: later steps draw on
        if self.loss is not None and self.loss.at(batch.progress).on_copies:
            return estimating

        def restore(x: Tensor) -> Tensor:
            times, rest = divmod(len(x), len(levels))
            return self.context.restore(network, x, None if rest else levels.repeat(times))

        return restore

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state of the generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the state of the generator; that of a checkpoint older than this class is empty."""
        if state:
            self.generator.set_state(state["generator"])
