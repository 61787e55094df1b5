"""Optimizers and learning rates, as a recipe states them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from clearer.recipe.schema import OptimizerSettings
from clearer.training.muon import Muon


def make_optimizer(
    settings: OptimizerSettings, parameters: Iterable[nn.Parameter], precision: str = "fp32"
) -> torch.optim.Optimizer:
    """Return the optimizer; its learning rate is set at each step by `learning_rate`.

    ``precision``: of the run; weights and their moments are float32 in any.

    Fused where torch has it: a supernet has hundreds of small parameters, whose updates one by one took
    a twentieth to a tenth of a step on the CPU. (The alpha are a single one, which gains nothing.) See
    `load_optimizer`.
    """
    chosen = list(parameters)
    decay = settings.weight_decay
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
    """Take up the state of `make_optimizer`'s optimizer, laid out in memory as the parameters are.

    A fused step goes through parameter and moments in the order of memory, whatever their strides say:
    moments from a file are contiguous, parameters need not be (channels_last).
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def learning_rate(settings: OptimizerSettings, epoch: int, epochs: int) -> float:
    """Return the rate of ``epoch`` (0-based) of ``epochs``: linear warm-up, then a cosine to ``lr_final``.

    >>> s = OptimizerSettings(lr=1.0, lr_final=0.0, warmup_epochs=2)
    >>> [round(learning_rate(s, e, 6), 3) for e in range(6)]
    [0.333, 0.667, 1.0, 0.854, 0.5, 0.146]
    """
    if epoch < settings.warmup_epochs:
        return settings.lr * (epoch + 1) / (settings.warmup_epochs + 1)
    done = (epoch - settings.warmup_epochs) / max(1, epochs - settings.warmup_epochs)
    return settings.lr_final + (settings.lr - settings.lr_final) * (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
