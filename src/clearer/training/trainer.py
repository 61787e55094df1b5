"""Training of one network: the weight loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from clearer.core.allocator import keep_freed_memory
from clearer.core.device import autocast, choose_precision
from clearer.core.files import write_json
from clearer.data.patches import PatchSampler
from clearer.losses.base import Batch
from clearer.losses.registry import LOSSES
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import TrainResult
from clearer.training import distributed as processes
from clearer.training.checkpoints import load_checkpoint
from clearer.training.initial_weights import begin_with, check_start
from clearer.training.loop import Job, run_epochs
from clearer.training.optimizers import learning_rate, load_optimizer, make_optimizer, set_learning_rate
from clearer.training.run_device import choose_device, device_name, peak_memory_mb
from clearer.training.validation import Validation
from clearer.zoo.weights import save_weights

Images = Sequence[tuple[np.ndarray, np.ndarray | None]]
Log = Callable[[dict[str, Any]], None]


@dataclass
class Best:
    """The best validation so far, and the weights that gave it."""

    epoch: int
    psnr: float
    weights: dict[str, Tensor]


def train(
    recipe: Recipe,
    architecture: Architecture,
    training: Images,
    validation: Images,
    folder: Path,
    console: Console,
    log: Log | None = None,
) -> TrainResult:
    """Train ``architecture`` as the recipe says; write model.safetensors (best) and last.safetensors.

    ``folder`` is the run's; checkpoints and metrics go to ``folder``/train. Goes on where an earlier
    call stopped; a finished training is not run again. Returns train/result.json. Several processes
    train as one would; ``folder`` is the first one's.
    """
    run = RunFolder(folder)
    finished = processes.first(lambda: run.train.read_result() if run.train.finished else None)
    if finished is not None:
        return finished
    keep_freed_memory()
    settings = recipe.train
    device = choose_device(recipe.device)
    precision = choose_precision(recipe.precision, device)
    seed = recipe.seed if settings.seed is None else settings.seed
    torch.manual_seed(seed)
    network = RestorationNetwork(architecture)

    def begin() -> None:  # the first one's weights go to all others
        # A checkpoint that turns out to be damaged is no beginning: it is set aside before the question is asked.
        if settings.start is not None:
            load_checkpoint(run.train.checkpoints, lambda text: console.print(text, soft_wrap=True, markup=False))
        start = check_start(recipe, folder)
        if start is not None:
            console.print(begin_with(network, start))

    processes.first(begin)
    network = ready(network, device)
    averaged = _averaged(network) if settings.average else None
    optimizer = make_optimizer(settings.optimizer, network.parameters(), precision)
    degradation = recipe.data.degradation
    sampler = PatchSampler(
        training,
        patch=settings.patch,
        batch=settings.batch,
        degradation=degradation,
        augment=recipe.data.augment,
        seed=seed,
        device=device,
        share=processes.rank(),
        shares=processes.world(),
    )
    held_out = Validation(
        validation[: settings.validation_images], degradation, crop=settings.validation_crop, device=device
    )
    loss_of = LOSSES.get(settings.loss)

    def forward(degraded: Tensor) -> Tensor:
        with autocast(precision, device):
            output: Tensor = network(degraded.contiguous(memory_format=torch.channels_last))
        return output.float()

    best = Best(0, float("-inf"), {})
    last_psnr: list[float] = []

    def step(index: int) -> dict[str, Tensor]:
        set_learning_rate(
            optimizer, learning_rate(settings.optimizer, index // settings.steps_per_epoch, settings.epochs)
        )
        degraded, clean = sampler.draw()
        network.train()
        loss = loss_of(forward, Batch(degraded, clean))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        (loss,) = processes.mean_gradients(network.parameters(), loss)
        limit = settings.optimizer.clip or float("inf")
        norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
        optimizer.step()
        if averaged is not None:
            _average(averaged, network, settings.average, index)
        return {"loss": loss, "grad_norm": norm}

    def end_epoch(epoch: int, means: dict[str, float]) -> dict[str, Any]:
        line: dict[str, Any] = {**means, "lr": optimizer.param_groups[0]["lr"]}
        if (epoch + 1) % settings.validate_every == 0 or epoch + 1 == settings.epochs:
            judged = network if averaged is None else averaged
            judged.eval()
            with autocast(precision, device):
                value = held_out.measure(judged)
            last_psnr[:] = [value]
            line |= {"psnr": value, "input_psnr": held_out.input_psnr, "best": value > best.psnr}
            if value > best.psnr:
                best.epoch, best.psnr = epoch + 1, value
                best.weights = {name: t.detach().clone() for name, t in judged.state_dict().items()}
        return line

    def state() -> dict[str, Any]:
        return {
            "network": network.state_dict(),
            "averaged": {} if averaged is None else averaged.state_dict(),
            "optimizer": optimizer.state_dict(),
            "sampler": sampler.state_dict(),
            "best": {"epoch": best.epoch, "psnr": best.psnr if best.epoch else None, "weights": best.weights},
            "last_psnr": last_psnr,
        }

    def load(state: dict[str, Any]) -> None:
        network.load_state_dict(state["network"])
        if averaged is not None:
            averaged.load_state_dict(state["averaged"])
        load_optimizer(optimizer, state["optimizer"])
        sampler.load_state_dict(state["sampler"])
        found = state["best"]
        if found["epoch"]:
            best.epoch, best.psnr, best.weights = found["epoch"], found["psnr"], found["weights"]
        last_psnr[:] = state["last_psnr"]

    job = Job("train", settings.epochs, settings.steps_per_epoch, step, end_epoch, state, load)
    _, seconds = run_epochs(job, run.train, console, minutes=recipe.checkpoint_minutes, log=log)
    last = network if averaged is None else averaged
    card = {
        "recipe": recipe.name,
        "task": recipe.task,
        "description": recipe.description,
        "degradation": degradation.to_dict(),
        "steps": settings.epochs * settings.steps_per_epoch,
        "seed": seed,
        "precision": precision,
        **({"start": settings.start} if settings.start else {}),
    }
    result: TrainResult = {
        "architecture": str(architecture),
        "steps": settings.epochs * settings.steps_per_epoch,
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak_memory_mb(device)),
        "device": device_name(device),
        "precision": precision,
        "best_epoch": best.epoch,
        "best_psnr": best.psnr,
        "last_psnr": last_psnr[0],
        "input_psnr": held_out.input_psnr,
    }

    def write() -> TrainResult:
        save_weights(run.last_weights, last, {**card, "weights": "last", "validation_psnr": last_psnr[0]})
        last.load_state_dict(best.weights)
        best_card = {**card, "weights": "best", "epoch": best.epoch, "validation_psnr": best.psnr}
        save_weights(run.weights, last, best_card)
        write_json(run.train.result, result)
        return result

    return processes.first(write)


N = TypeVar("N", bound=nn.Module)


def ready(network: N, device: torch.device) -> N:
    """Return ``network`` on its device; of several processes all have the same weights, and norms that see all."""
    if processes.world() > 1:
        from clearer.training.sync_batchnorm import use_global_statistics

        processes.same_everywhere(network)
        use_global_statistics(network, processes.total, processes.world())
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _averaged(network: RestorationNetwork) -> RestorationNetwork:
    twin = RestorationNetwork(network.architecture)
    twin.load_state_dict(network.state_dict())
    device = next(network.parameters()).device
    return twin.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights on; early on the decay is smaller, so that the start is soon forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    for mine, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(new, 1 - decay)
        else:
            mine.copy_(new)
