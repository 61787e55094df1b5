"""Optimizers and learning-rate schedules, as set in a recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from clearer.recipe.schema import OptimizerSettings
from clearer.training.muon import Muon


def make_optimizer(
    settings: OptimizerSettings, parameters: Iterable[nn.Parameter], precision: str = "fp32"
) -> torch.optim.Optimizer:
    """Return the optimizer; `learning_rate` gives its rate for each epoch.

    ``precision`` is that of the run. Weights and moments are float32 in either.
    """
    chosen = list(parameters)
    decay = settings.weight_decay
    # Fused where torch has it: the updates of a supernet's hundreds of small parameters, one by one, took 5 to 10 %
    # of a step on the CPU. Alpha is a single parameter and gains nothing. See `load_optimizer`.
    fused = (len(chosen) > 1 and chosen[0].device.type in ("cpu", "cuda")) or None
    if settings.kind == "sgd":
        return torch.optim.SGD(chosen, settings.lr, momentum=settings.momentum, weight_decay=decay, fused=fused)
    if settings.kind == "muon":
        betas = (settings.betas[0], settings.betas[1])
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        return Muon(chosen, settings.lr, momentum=settings.momentum, betas=betas, weight_decay=decay, kind=kind)
    adam = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    betas = (settings.betas[0], settings.betas[1])
    return adam(chosen, settings.lr, betas=betas, weight_decay=decay, fused=fused)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of an optimizer, with its moments laid out in memory as the parameters are.

    A fused step reads parameter and moments in the order of memory and ignores their strides. Moments from a file
    are contiguous; parameters may be channels_last.
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def learning_rate(settings: OptimizerSettings, epoch: int, epochs: int) -> float:
    """Return the learning rate of an epoch, from 0: linear warm-up, then the schedule from ``lr`` to ``lr_final``.

    >>> s = OptimizerSettings(lr=1.0, lr_final=0.0, warmup_epochs=2)
    >>> [round(learning_rate(s, e, 6), 3) for e in range(6)]
    [0.333, 0.667, 1.0, 0.854, 0.5, 0.146]
    """
    if epoch < settings.warmup_epochs:
        return settings.lr * (epoch + 1) / (settings.warmup_epochs + 1)
    if settings.schedule == "steps":
        return float(
            settings.lr * settings.factor ** sum(epoch >= milestone for milestone in settings.milestones or ())
        )
    done = (epoch - settings.warmup_epochs) / max(1, epochs - settings.warmup_epochs)
    if settings.schedule == "exponential":
        return float(settings.lr * (settings.lr_final / settings.lr) ** done)
    return settings.lr_final + (settings.lr - settings.lr_final) * (1 + math.cos(math.pi * done)) / 2


def clip_gradients(settings: OptimizerSettings, parameters: Iterable[nn.Parameter], rate: float) -> Tensor:
    """Scale the gradients of a step down to the largest norm that the settings allow; return the norm before."""
    most = settings.clip or math.inf
    return nn.utils.clip_grad_norm_(parameters, most / rate if settings.clip_by_rate and rate > 0 else most)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
