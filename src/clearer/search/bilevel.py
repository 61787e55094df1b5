"""The search: weights on training images, alpha on held-out images, in turn (first order)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from clearer.core.allocator import keep_freed_memory
from clearer.core.device import autocast, choose_precision
from clearer.core.files import write_json
from clearer.data.patches import PatchSampler
from clearer.degradations.base import Degradation
from clearer.network.architecture import Architecture
from clearer.network.costs.registry import COSTS
from clearer.network.supernet import Supernet
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EpochLine
from clearer.search.alphas import Convergence, describe_mixing_weights
from clearer.search.objectives import architecture_loss, complexity_loss
from clearer.training import distributed as processes
from clearer.training.loop import Job, run_epochs
from clearer.training.optimizers import learning_rate, load_optimizer, make_optimizer, set_learning_rate
from clearer.training.run_device import choose_device, device_name, peak_memory_mb
from clearer.training.trainer import Images, Log, ready


def search(
    recipe: Recipe,
    training: Images,
    validation: Images,
    folder: Path,
    console: Console,
    log: Log | None = None,
) -> Architecture:
    """Search as the recipe says and return the architecture of the larger mixing_weights.

    L = L_Res + lambda_1 L_Arch + lambda_2 L_Comp. Each step moves the weights by L_Res on a training
    batch; after the warm-up it then moves the alpha by L on a validation batch, with the network in
    eval mode. Everything goes to ``folder``/search: checkpoints, metrics, result.json. Goes on where an
    earlier call stopped; a finished search is not run again. Several processes search as one would;
    ``folder`` is the first one's.
    """
    run = RunFolder(folder).search
    finished = processes.first(lambda: run.read_result() if run.finished else None)
    if finished is not None:
        return recipe.space.architecture(str(finished["architecture"]).replace("-", ""))
    keep_freed_memory()
    settings, space = recipe.search, recipe.search_space
    device = choose_device(recipe.device)
    precision = choose_precision(recipe.precision, device)
    torch.manual_seed(recipe.seed)
    supernet = ready(Supernet(space, settings.fusion_input), device)
    convergence = Convergence(settings.stop_gap, settings.stop_steps)
    costs = COSTS.get(settings.costs)(space).to(device)
    weights = supernet.weights()
    weight_optimizer = make_optimizer(settings.weights, weights)
    alpha_optimizer = make_optimizer(settings.alpha, [supernet.alpha])
    degradation = recipe.data.degradation

    def sampler(images: Images, degradation: Degradation, seed: int) -> PatchSampler:
        return PatchSampler(
            images,
            patch=settings.patch,
            batch=settings.batch,
            degradation=degradation,
            augment=recipe.data.augment,
            seed=seed,
            device=device,
            share=processes.rank(),
            shares=processes.world(),
        )

    draws = {
        "train": sampler(training, degradation, recipe.seed + 10),
        "validation": sampler(validation, degradation.held_out(), recipe.seed + 20),
    }

    def restoration_loss(draw: Callable[[], tuple[Tensor, Tensor]]) -> Tensor:
        degraded, clean = draw()
        with autocast(precision, device):
            output = supernet(degraded.contiguous(memory_format=torch.channels_last))
        return nn.functional.mse_loss(output.float(), clean)

    def step(index: int) -> dict[str, Tensor]:
        epoch = index // settings.steps_per_epoch
        set_learning_rate(weight_optimizer, learning_rate(settings.weights, epoch, settings.epochs))
        supernet.train()
        supernet.alpha.requires_grad_(False)
        loss = restoration_loss(draws["train"].draw)
        weight_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        (loss,) = processes.mean_gradients(weights, loss)
        norm = nn.utils.clip_grad_norm_(weights, settings.weights.clip or float("inf"))
        weight_optimizer.step()
        supernet.alpha.requires_grad_(True)
        values = {"loss": loss, "grad_norm": norm}
        if epoch >= settings.warmup_epochs:
            set_learning_rate(alpha_optimizer, learning_rate(settings.alpha, epoch, settings.epochs))
            values |= architecture_step()
        return values

    def architecture_step() -> dict[str, Tensor]:
        supernet.eval()
        with supernet.only_alpha():
            residual = restoration_loss(draws["validation"].draw)
            mixing = supernet.mixing_weights
            polar, complexity = architecture_loss(mixing), complexity_loss(mixing, costs)
            total = residual + settings.lambda_arch * polar + settings.lambda_comp * complexity
            alpha_optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
        total, residual = processes.mean_gradients([supernet.alpha], total, residual)
        if settings.alpha.clip:
            nn.utils.clip_grad_norm_([supernet.alpha], settings.alpha.clip)
        alpha_optimizer.step()
        convergence.note(supernet.mixing_weights)
        return {"loss_validation": total, "loss_res": residual, "loss_arch": polar, "loss_comp": complexity}

    def end_epoch(epoch: int, means: dict[str, float]) -> dict[str, Any]:
        taken = max(0, epoch + 1 - settings.warmup_epochs) * settings.steps_per_epoch
        mixing = supernet.mixing_weights.detach().cpu()
        rate = weight_optimizer.param_groups[0]["lr"]
        line = {"arch_step": taken, **means, "lr": rate, **describe_mixing_weights(mixing)}
        if means.get("loss_res", 0) > 0:
            line["psnr"] = -10 * math.log10(means["loss_res"])  # of the validation patches taken together
        return line

    def state() -> dict[str, Any]:
        return {
            "supernet": supernet.state_dict(),
            "weight_optimizer": weight_optimizer.state_dict(),
            "alpha_optimizer": alpha_optimizer.state_dict(),
            "draws": {name: draw.state_dict() for name, draw in draws.items()},
            "convergence": convergence.state_dict(),
        }

    def load(state: dict[str, Any]) -> None:
        supernet.load_state_dict(state["supernet"])
        load_optimizer(weight_optimizer, state["weight_optimizer"])
        load_optimizer(alpha_optimizer, state["alpha_optimizer"])
        for name, draw in draws.items():
            draw.load_state_dict(state["draws"][name])
        convergence.load_state_dict(state.get("convergence", {}), device)

    job = Job("search", settings.epochs, settings.steps_per_epoch, step, end_epoch, state, load, convergence.converged)
    steps, seconds = run_epochs(job, run, console, minutes=recipe.checkpoint_minutes, log=log)
    architecture = recipe.space.architecture(supernet.discretize().choices)
    saved = settings.epochs - steps // settings.steps_per_epoch  # epochs
    result = {
        "architecture": str(architecture),
        **describe_mixing_weights(supernet.mixing_weights.detach().cpu()),
        "steps": steps,
        "arch_steps": max(0, steps - settings.warmup_epochs * settings.steps_per_epoch),
        "steps_saved": saved * settings.steps_per_epoch,
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak_memory_mb(device)),
        "device": device_name(device),
        "precision": precision,
    }

    def write() -> dict[str, Any]:
        each = _seconds_an_epoch(run.read_metrics(), settings.warmup_epochs) if saved else 0.0
        write_json(run.result, {**result, "seconds_saved": round(saved * each, 1)})
        return result

    processes.first(write)
    return architecture


def _seconds_an_epoch(lines: list[EpochLine], warmup: int) -> float:
    """Return the mean time of the epochs after the warm-up: those that an early end saves are such."""
    times = [line["seconds"] for line in lines]
    before = times[warmup - 1] if 0 < warmup < len(times) else 0.0
    return (times[-1] - before) / max(1, len(times) - warmup)
