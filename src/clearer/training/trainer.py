"""Train the network that a search found or a user gave."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from clearer.core.allocator import keep_freed_memory
from clearer.core.device import autocast
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.data.noisy import is_noisy_only
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.losses.base import Batch
from clearer.losses.registry import LOSSES
from clearer.network.baselines.base import BaselineNetwork
from clearer.network.baselines.build import Form, TrainableNetwork, build_network
from clearer.network.network import RestorationNetwork
from clearer.recipe.schema import Recipe
from clearer.runs.schema import EpochLine, StartRecord, TrainResult
from clearer.training import distributed
from clearer.training.best import Best
from clearer.training.checkpoints import load_checkpoint
from clearer.training.ema import AveragedWeights
from clearer.training.initial_weights import begin_with, check_start
from clearer.training.job import RunContext, TrainingJob
from clearer.training.levels import PatchLevels
from clearer.training.loop import run_job
from clearer.training.noisy_validation import NoisyValidation
from clearer.training.optimizers import (
    clip_gradients,
    learning_rate,
    load_optimizer,
    make_optimizer,
    set_learning_rate,
)
from clearer.training.revival import revive, sample_of
from clearer.training.run_device import device_name, on_device, peak_memory_mb
from clearer.training.start_watch import StartWatch, watched_epochs
from clearer.training.validation import Validation
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights


def train(recipe: Recipe, architecture: Form, context: RunContext) -> TrainResult:
    """Train ``architecture`` as the recipe says; write model.safetensors (best) and last.safetensors.

    Resumes where an earlier call stopped; a finished training is not repeated. Several processes give the result of
    one.

    Raises:
        UserError, Interrupted: see `clearer.training.loop.run_job`.
    """
    stage = context.folder.train
    finished = distributed.first(lambda: stage.read_result() if context.folder.is_trained else None)
    if finished is not None:
        return finished
    if distributed.first(lambda: stage.finished):
        if not distributed.first(lambda: stage.begun):
            raise UserError(
                f"{context.folder.weights}: missing, and so are the checkpoints to write it from; remove "
                f"{stage.result} to train again, or choose another folder with --out"
            )
        context.say(
            f"{context.folder.weights}: missing; the training goes on from its last checkpoint to write it again"
        )
    keep_freed_memory()
    job = WeightTraining(recipe, architecture, context)
    _, seconds = run_job(job, context, minutes=recipe.checkpoint_minutes)
    result = job.result(seconds)

    def write() -> TrainResult:
        job.save_weights()
        write_json(stage.result, result)
        return result

    return distributed.first(write)


class WeightTraining(TrainingJob):
    """Trains one network by a loss on training patches; the validation images choose the best weights."""

    name = "train"

    def __init__(self, recipe: Recipe, architecture: Form, context: RunContext) -> None:
        settings = recipe.train
        self.recipe, self.settings, self.context = recipe, settings, context
        self.epochs, self.steps_per_epoch = settings.epochs, settings.steps_per_epoch
        self.seed = recipe.seed if settings.seed is None else settings.seed
        self.architecture = architecture
        network = self.fresh_network()
        found = distributed.first(partial(_take_initial_weights, network, recipe, context))
        self.network = on_device(network, context.device)
        self.averaged = AveragedWeights(self.network, settings.average) if settings.average else None
        self.optimizer = make_optimizer(settings.optimizer, self.network.parameters(), context.precision)
        self.loss = LOSSES.get(settings.loss)
        self.sampler = PatchSampler(
            context.training,
            patch=settings.patch,
            batch=settings.batch,
            degradation=context.degradation,
            variety=Variety.of(recipe.data),
            seed=self.seed,
            device=context.device,
            part=(context.rank, context.world),
            span=recipe.data.span,
        )
        if self.loss.needs_noise:
            if context.training_noise is None:
                raise UserError(
                    f"train.loss: {settings.loss} needs noisy images alone, whose noise is measured; give --noisy"
                )
            self.sampler.tell_noise(context.training_noise)
        self.levels = PatchLevels(
            settings,
            architecture.takes_level,
            settings.batch,
            self.seed + 2,
            context,
            truth=not self.loss.between_exposures,
            loss=self.loss,
        )
        if self.loss.needs_clean and not self.sampler.has_clean:
            raise UserError(
                f"train.loss: {settings.loss} needs ground truth, which some training images lack; "
                "give pairs or clean images, or choose a loss that needs none"
            )
        without_truth = is_noisy_only(recipe.data)
        self.validation = NoisyValidation(recipe, context) if without_truth else _validation(recipe, context)
        self.best = Best()
        self.last_psnr: float | None = None
        self.first_draws = {"sampler": self.sampler.state_dict(), "levels": self.levels.state_dict()}
        self.watch = StartWatch(
            watched_epochs(settings),
            save=self.training_state,
            load=self.load_training_state,
            renew=self.renew,
            say=context.say,
        )
        self.watch.record |= found

    @property
    def steps(self) -> int:
        """Steps of all epochs, and those of weights that the watch gave up."""
        return (self.epochs + self.watch.other_epochs) * self.steps_per_epoch

    @property
    def judged(self) -> TrainableNetwork:
        """The network that is validated and saved."""
        return self.network if self.averaged is None else self.averaged.network

    def step(self, index: int) -> dict[str, Tensor]:
        """Draw a batch and update the weights by the gradient of its loss."""
        if index == 0 and self.watch.phase == "start":
            self.watch.begin(self.measure(), self.validation.input_psnr)
        index -= self.watch.other_epochs * self.steps_per_epoch
        rate = learning_rate(self.settings.optimizer, index // self.steps_per_epoch, self.epochs)
        set_learning_rate(self.optimizer, rate)
        batch = replace(self.sampler.draw(), progress=(index + 1) / (self.epochs * self.steps_per_epoch))
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.backward(batch, index)
        (loss,) = distributed.mean_gradients(self.network.parameters(), loss)
        norm = clip_gradients(self.settings.optimizer, self.network.parameters(), rate)
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update(self.network, index)
        return {"loss": loss, "grad_norm": norm}

    def backward(self, batch: Batch, index: int) -> Tensor:
        """Compute the gradients of step ``index``; return the loss."""
        loss = self.loss_of(batch)
        if loss.requires_grad:  # not where no patch of this process counts
            loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a differentiable scalar."""
        if not self.loss.own:
            return self.loss(self.levels.restore(self.network, batch), batch)
        assert isinstance(self.network, BaselineNetwork) and batch.clean is not None  # checked by the recipe
        with autocast(self.context.precision, self.context.device):
            return self.network.loss(batch.degraded.contiguous(memory_format=torch.channels_last), batch.clean)

    def end_epoch(self, epoch: int, means: dict[str, float]) -> EpochLine:
        """Validate after every ``train.validate_every`` epochs and after the last one, and keep the best weights."""
        line: EpochLine = {
            "loss": means["loss"],
            "grad_norm": means["grad_norm"],
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        own = epoch - self.watch.other_epochs
        decides = self.watch.due(own)
        if (own + 1) % self.settings.validate_every == 0 or own + 1 == self.epochs or decides:
            line |= self.validate(epoch)
        if self.watch.trains_fresh:
            line["fresh"] = True
        if decides:
            self.watch.decide(self.best.psnr, (own + 1) * self.steps_per_epoch)
        return line

    def validate(self, epoch: int) -> EpochLine:
        """Measure the PSNR on the validation images and keep the weights if they are the best so far."""
        psnr = self.last_psnr = self.measure()
        is_best = self.best.is_beaten_by(psnr, self.validation.latest)
        if is_best:
            weights = {name: value.detach().clone() for name, value in self.judged.state_dict().items()}
            self.best = self.best.followed_by(epoch + 1, psnr, weights, self.validation.latest)
        return {**self.validation.line(psnr), "best": is_best}

    def measure(self) -> float:
        """Return the PSNR on the validation images, in dB; without ground truth, an estimate."""
        judged = self.judged.eval()
        with autocast(self.context.precision, self.context.device):
            return self.validation.measure(judged)

    def renew(self) -> None:
        """Begin again as a training without ``train.start`` begins, with fresh weights and the first batches."""
        self.network.load_state_dict(self.fresh_network().state_dict())
        if self.averaged is not None:
            self.averaged = AveragedWeights(self.network, self.settings.average)
        self.optimizer = make_optimizer(self.settings.optimizer, self.network.parameters(), self.context.precision)
        self.sampler.load_state_dict(self.first_draws["sampler"])
        self.levels.load_state_dict(self.first_draws["levels"])
        self.best, self.last_psnr = Best(), None

    def fresh_network(self) -> TrainableNetwork:
        """Return a network with the random weights of the training's seed, the same in all processes."""
        torch.manual_seed(self.seed)
        network = build_network(self.architecture)
        distributed.same_everywhere(network)
        return network

    def state_dict(self) -> dict[str, Any]:
        """See `TrainingJob`."""
        return self.training_state() | {"watch": self.watch.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `TrainingJob`."""
        self.load_training_state(state)
        self.watch.load_state_dict(state.get("watch"))

    def training_state(self) -> dict[str, Any]:
        """Return the state of the network that is trained now."""
        return {
            "network": self.network.state_dict(),
            "averaged": {} if self.averaged is None else self.averaged.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.sampler.state_dict(),
            "levels": self.levels.state_dict(),
            "best": self.best.state_dict(),
            "last_psnr": [] if self.last_psnr is None else [self.last_psnr],
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore a state that `training_state` returned."""
        self.network.load_state_dict(state["network"])
        if self.averaged is not None:
            self.averaged.network.load_state_dict(state["averaged"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.sampler.load_state_dict(state["sampler"])
        self.levels.load_state_dict(state.get("levels", {}))
        self.best.load_state_dict(state["best"])
        self.last_psnr = next(iter(state["last_psnr"]), None)

    def result(self, seconds: float) -> TrainResult:
        """Return the contents of train/result.json; ``seconds``: of the whole training."""
        assert self.last_psnr is not None  # the last epoch ends with a validation
        result: TrainResult = {
            "architecture": str(self.network.architecture),
            "steps": self.epochs * self.steps_per_epoch,
            "seconds": round(seconds, 3),  # never 0: the cost of a search is divided by it
            "peak_memory_mb": round(peak_memory_mb(self.context.device)),
            "device": device_name(self.context.device),
            "precision": self.context.precision,
            "best_epoch": self.best.epoch,
            **self.validation.result(self.best.psnr, self.best.estimate, self.last_psnr),
        }
        if self.settings.start is not None:
            result["start"] = {"model": self.settings.start, **self.watch.record}
        return result

    def save_weights(self) -> None:
        """Write the last and the best weights; afterwards the network holds the best ones."""
        folder, network = self.context.folder, self.judged
        card = ModelCard(
            recipe=self.recipe.name,
            task=self.recipe.task,
            # What the model is for; a run may be given the architecture that its recipe would search.
            description=self.recipe.description.replace(", architecture searched", ""),
            degradation=self.context.degradation.to_dict(),
            range=self.recipe.data.range,
            steps=self.epochs * self.steps_per_epoch,
            seed=self.seed,
            precision=self.context.precision,
            start=None if self.watch.gave_up_start else self.settings.start,
        )
        measured = not isinstance(self.validation, NoisyValidation)  # a card states no estimate as a PSNR
        last = replace(card, weights="last", validation_psnr=self.last_psnr if measured else None)
        save_weights(folder.last_weights, network, last)
        network.load_state_dict(self.best.weights)
        psnr = self.best.psnr if measured else None
        best = replace(card, weights="best", epoch=self.best.epoch, validation_psnr=psnr)
        save_weights(folder.weights, network, best)


def _validation(recipe: Recipe, context: RunContext) -> Validation:
    return Validation(
        context.validation[: recipe.train.validation_images],
        context.degradation,
        crop=recipe.train.validation_crop,
        device=context.device,
        span=recipe.data.span,
    )


def _take_initial_weights(network: TrainableNetwork, recipe: Recipe, context: RunContext) -> StartRecord:
    """Load the weights of ``train.start`` into the network, unless the training resumes from a checkpoint.

    Dead features are revived. Returns what the run's record states about it.
    """
    if recipe.train.start is None:
        return {}
    # A damaged checkpoint does not count: it is renamed before `check_start` looks for one.
    load_checkpoint(context.folder.train.checkpoints, context.say)
    weights = check_start(recipe, context.folder)
    if weights is None:
        return {}
    assert isinstance(network, RestorationNetwork)  # `check_start` refuses others
    fresh = copy.deepcopy(network)
    context.say(begin_with(network, weights))
    if recipe.train.watch_start == 0:
        return {}
    found = revive(network, fresh, sample_of(recipe, context))
    context.say(found.in_words())
    return found.record()
