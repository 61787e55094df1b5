"""Bilevel search (first order): alternate steps of the weights on training images and of alpha on held-out ones."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from clearer.core.allocator import keep_freed_memory
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.data.patches import PatchSampler, TrainingImages
from clearer.data.variety import Variety
from clearer.degradations.base import Degradation
from clearer.losses.supervised import MSE
from clearer.network.architecture import Architecture
from clearer.network.costs.registry import COSTS
from clearer.network.supernet import Supernet
from clearer.recipe.schema import Recipe
from clearer.runs.schema import EpochLine, SearchResult
from clearer.search.alphas import Convergence, describe_mixing_weights
from clearer.search.objectives import architecture_loss, complexity_loss
from clearer.training import distributed
from clearer.training.job import RunContext, TrainingJob
from clearer.training.levels import PatchLevels
from clearer.training.loop import run_job
from clearer.training.optimizers import (
    clip_gradients,
    learning_rate,
    load_optimizer,
    make_optimizer,
    set_learning_rate,
)
from clearer.training.run_device import device_name, on_device, peak_memory_mb


def search(recipe: Recipe, context: RunContext) -> Architecture:
    """Search as the recipe says; return the architecture of the largest mixing weights.

    Resumes where an earlier call stopped; a finished search is not repeated. Several processes give the result of one.

    Raises:
        UserError, Interrupted: see `clearer.training.loop.run_job`.
    """
    stage = context.folder.search
    finished = distributed.first(lambda: stage.read_result() if stage.finished else None)
    if finished is not None:
        found = finished.get("architecture")
        if not isinstance(found, str):
            raise UserError(f"{stage.result}: states no architecture; remove it to search again")
        return recipe.space.architecture(found.replace("-", ""))
    keep_freed_memory()
    job = SearchJob(recipe, context)
    steps, seconds = run_job(job, context, minutes=recipe.checkpoint_minutes)
    result = job.result(steps, seconds)

    def write() -> str:
        if result["steps_saved"]:
            each = _seconds_per_epoch(stage.read_metrics(), job.settings.warmup_epochs)
            result["seconds_saved"] = round(result["steps_saved"] / job.steps_per_epoch * each, 1)
        write_json(stage.result, result)
        return result["architecture"]

    distributed.first(write)
    return job.architecture()


class SearchJob(TrainingJob):
    """Minimizes L = L_Res + lambda_1 L_Arch + lambda_2 L_Comp (method section of the paper).

    Each step updates the weights of the supernet by L_Res on a training batch. After the warm-up it also updates alpha
    by L on a validation batch, with the supernet in eval mode; ``search.order`` says which comes first.
    """

    name = "search"

    def __init__(self, recipe: Recipe, context: RunContext) -> None:
        settings = recipe.search
        self.recipe, self.settings, self.context = recipe, settings, context
        self.epochs, self.steps_per_epoch = settings.epochs, settings.steps_per_epoch
        torch.manual_seed(recipe.seed)
        self.supernet = on_device(Supernet(recipe.search_space, settings.fusion_input), context.device)
        self.weights = self.supernet.weights()
        self.costs = COSTS.get(settings.costs)(recipe.search_space).to(context.device)
        self.convergence = Convergence(settings.stop_gap, settings.stop_steps)
        self.weight_optimizer = make_optimizer(settings.weights, self.weights)
        self.alpha_optimizer = make_optimizer(settings.alpha, [self.supernet.alpha])
        self.training = self._sampler(context.training, context.degradation, recipe.seed + 10)
        self.validation = self._sampler(context.validation, context.degradation.held_out(), recipe.seed + 20)
        needed = recipe.search_space.takes_level
        self.levels = {
            half: PatchLevels(recipe.train, needed, settings.batch, recipe.seed + seed, context)
            for half, seed in (("train", 12), ("validation", 22))
        }

    def _sampler(self, images: TrainingImages, degradation: Degradation, seed: int) -> PatchSampler:
        return PatchSampler(
            images,
            patch=self.settings.patch,
            batch=self.settings.batch,
            degradation=degradation,
            variety=Variety.of(self.recipe.data),
            seed=seed,
            device=self.context.device,
            part=(self.context.rank, self.context.world),
            span=self.recipe.data.span,
        )

    def step(self, index: int) -> dict[str, Tensor]:
        """Update the weights; after the warm-up, alpha too."""
        epoch = index // self.steps_per_epoch
        if epoch < self.settings.warmup_epochs:
            return self.weight_step(epoch)
        if self.settings.order == "alpha":
            return self.alpha_step(epoch) | self.weight_step(epoch)
        return self.weight_step(epoch) | self.alpha_step(epoch)

    def weight_step(self, epoch: int) -> dict[str, Tensor]:
        """Update the weights by the gradient of L_Res on a training batch."""
        rate = learning_rate(self.settings.weights, epoch, self.epochs)
        set_learning_rate(self.weight_optimizer, rate)
        self.supernet.train()
        self.supernet.alpha.requires_grad_(False)
        loss = self.restoration_loss("train")
        self.weight_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        (loss,) = distributed.mean_gradients(self.weights, loss)
        norm = clip_gradients(self.settings.weights, self.weights, rate)
        self.weight_optimizer.step()
        self.supernet.alpha.requires_grad_(True)
        return {"loss": loss, "grad_norm": norm}

    def alpha_step(self, epoch: int) -> dict[str, Tensor]:
        """Update alpha by the gradient of L on a validation batch."""
        settings, alpha = self.settings, self.supernet.alpha
        rate = learning_rate(settings.alpha, epoch, self.epochs)
        set_learning_rate(self.alpha_optimizer, rate)
        self.supernet.eval()
        with self.supernet.only_alpha():
            restoration = self.restoration_loss("validation")
            mixing_weights = self.supernet.mixing_weights
            entropy, cost = architecture_loss(mixing_weights), complexity_loss(mixing_weights, self.costs)
            total = restoration + settings.lambda_arch * entropy + settings.lambda_comp * cost
            self.alpha_optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
        total, restoration = distributed.mean_gradients([alpha], total, restoration)
        if settings.alpha.clip:
            clip_gradients(settings.alpha, [alpha], rate)
        self.alpha_optimizer.step()
        self.convergence.note(self.supernet.mixing_weights)
        return {"loss_validation": total, "loss_res": restoration, "loss_arch": entropy, "loss_comp": cost}

    def restoration_loss(self, half: str) -> Tensor:
        """Return L_Res on a batch of a half of the images, ``train`` or ``validation``."""
        batch = (self.training if half == "train" else self.validation).draw()
        return MSE(self.levels[half].restore(self.supernet, batch), batch)

    def end_epoch(self, epoch: int, means: dict[str, float]) -> EpochLine:
        """Return the means of the epoch and the present mixing weights."""
        line: dict[str, Any] = {
            "arch_step": self._alpha_steps((epoch + 1) * self.steps_per_epoch),
            **means,
            "lr": self.weight_optimizer.param_groups[0]["lr"],
            **describe_mixing_weights(self.supernet.mixing_weights.detach().cpu()),
        }
        if means.get("loss_res", 0) > 0:
            line["psnr"] = -10 * math.log10(means["loss_res"])  # of the validation patches taken together
        return cast(EpochLine, line)

    def converged(self) -> bool:
        """Return whether the choices have stayed the same, with a large enough gap, for long enough."""
        return self.convergence.converged()

    def state_dict(self) -> dict[str, Any]:
        """See `TrainingJob`."""
        return {
            "supernet": self.supernet.state_dict(),
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "draws": {"train": self.training.state_dict(), "validation": self.validation.state_dict()},
            "levels": {half: levels.state_dict() for half, levels in self.levels.items()},
            "convergence": self.convergence.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `TrainingJob`."""
        self.supernet.load_state_dict(state["supernet"])
        load_optimizer(self.weight_optimizer, state["weight_optimizer"])
        load_optimizer(self.alpha_optimizer, state["alpha_optimizer"])
        self.training.load_state_dict(state["draws"]["train"])
        self.validation.load_state_dict(state["draws"]["validation"])
        for half, levels in self.levels.items():
            levels.load_state_dict(state.get("levels", {}).get(half, {}))
        self.convergence.load_state_dict(state.get("convergence", {}), self.context.device)

    def architecture(self) -> Architecture:
        """Return the architecture of the largest mixing weights, to be trained with the network's own norm."""
        return self.recipe.space.architecture(self.supernet.discretize().choices)

    def result(self, steps: int, seconds: float) -> SearchResult:
        """Return the contents of search/result.json, for a search that took ``steps`` and ``seconds``."""
        result: dict[str, Any] = {
            "architecture": str(self.architecture()),
            **describe_mixing_weights(self.supernet.mixing_weights.detach().cpu()),
            "steps": steps,
            "arch_steps": self._alpha_steps(steps),
            "steps_saved": self.steps - steps,
            "seconds": round(seconds, 1),
            "peak_memory_mb": round(peak_memory_mb(self.context.device)),
            "device": device_name(self.context.device),
            "precision": self.context.precision,
            "seconds_saved": 0.0,
        }
        return cast(SearchResult, result)

    def _alpha_steps(self, steps: int) -> int:
        """Return how many of the first ``steps`` steps moved alpha."""
        return max(0, steps - self.settings.warmup_epochs * self.steps_per_epoch)


def _seconds_per_epoch(lines: list[EpochLine], warmup: int) -> float:
    """Return the mean time of the epochs after the warm-up: early stopping saves epochs of this kind."""
    times = [line["seconds"] for line in lines]
    before = times[warmup - 1] if 0 < warmup < len(times) else 0.0
    return (times[-1] - before) / max(1, len(times) - warmup)
