"""TrainingJob: the steps and the state of a search or training. RunContext: the resources that a run's jobs share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from clearer.core.console import say
from clearer.core.device import autocast, choose_precision
from clearer.data.patches import TrainingImages
from clearer.degradations.base import Degradation
from clearer.noise.model import NoiseModel
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EpochLine
from clearer.training import distributed
from clearer.training.run_device import choose_device

HeldOutImages = Sequence[tuple[np.ndarray, np.ndarray | None]]
"""Decoded images: (clean, degraded or None) of each, (H, W, C) uint8, uint16 or float32 in [0, 1]."""

MetricLog = Callable[[str, EpochLine], None]
"""Takes the name of a job and a line of its metrics."""


@dataclass(frozen=True)
class RunContext:
    """The resources that the search and the training of a run share, resolved once.

    Args:
        folder: the run folder; only the first process reads and writes it.
        console: where progress is printed.
        device: the device of this process.
        precision: ``fp32`` or ``bf16``.
        rank, world: rank of this process and number of processes; each draws its share of every batch.
        degradation: how clean images are degraded.
        training, validation: the decoded images.
        log: gets every line of metrics in the first process.
        noise: the measured noise of each validation image, where there is no ground truth.
        training_noise: that of each training image, where a loss needs it.
        scenes: what each validation image shows, where there is no ground truth; see `clearer.data.noisy.scenes_of`.
    """

    folder: RunFolder
    console: Console
    device: torch.device
    precision: str
    rank: int
    world: int
    degradation: Degradation
    training: TrainingImages
    validation: HeldOutImages
    log: MetricLog | None = None
    noise: Sequence[NoiseModel] | None = None
    training_noise: Sequence[NoiseModel] | None = None
    scenes: Sequence[str] | None = None

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        folder: RunFolder,
        training: TrainingImages = (),
        validation: HeldOutImages = (),
        *,
        console: Console | None = None,
        device: torch.device | None = None,
        log: MetricLog | None = None,
    ) -> RunContext:
        """Return the context of a recipe on this machine: resolve ``auto`` settings.

        Args:
            recipe: all settings.
            folder: the run folder.
            training, validation: decoded images; none are needed where all is finished.
            console: by default, no progress is shown.
            device: by default the one that the recipe names.
            log: see the class.

        Raises:
            UserError: this machine lacks the device.
        """
        device = device or choose_device(recipe.device)
        return cls(
            folder=folder,
            console=console or Console(quiet=True),
            device=device,
            precision=choose_precision(recipe.precision, device),
            rank=distributed.rank(),
            world=distributed.world(),
            degradation=recipe.data.degradation,
            training=training,
            validation=validation,
            log=log,
        )

    def restore(self, network: nn.Module, degraded: Tensor, level: Tensor | None = None) -> Tensor:
        """Return the result of ``network`` for a batch, (B, C, H, W) float32, computed in the run's precision.

        ``level``: noise level of each image, (B,), for a network that takes it; by default the network estimates it.
        """
        told = () if level is None else (level,)
        with autocast(self.precision, self.device):
            restored: Tensor = network(degraded.contiguous(memory_format=torch.channels_last), *told)
        return restored.float()

    def say(self, text: str) -> None:
        """Print a line that may hold a path to be copied."""
        say(text, self.console)


class TrainingJob(ABC):
    """Epochs of steps, and all state that later steps depend on. `clearer.training.loop.run_job` runs it."""

    name: str
    """``search`` or ``train``: its folder in the run, and its name in messages."""
    epochs: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Steps of all epochs."""
        return self.epochs * self.steps_per_epoch

    @abstractmethod
    def step(self, index: int) -> dict[str, Tensor]:
        """Run step ``index``, from 0; return scalars to average over the epoch, the same in all processes."""

    @abstractmethod
    def end_epoch(self, epoch: int, means: dict[str, float]) -> EpochLine:
        """End the ``epoch``, from 0; return the line to log, including ``means``, the mean scalars of its steps."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything that later steps depend on: nested dicts and lists of tensors and JSON values."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""

    def converged(self) -> bool:
        """Return whether the job may end after this epoch, before its last one."""
        return False
