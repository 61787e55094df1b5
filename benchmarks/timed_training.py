"""Train a network for so many minutes: for a rented device.

    python benchmarks/timed_training.py denoise-gray-large --minutes 9 -o runs/large --set 'data.train="bsds500/train"'

The learning rate follows the clock instead of the steps, so that the training ends in time whatever a step takes: the
warm-up is the first `--warmup` of the minutes, then a cosine. So two runs differ, unlike those of `clearer train`. A
training that diverges goes back to its last sound weights, with half the learning rate.
Writes model.safetensors, the averaged weights in half precision, at every validation; metrics.jsonl and result.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from graph_step import GraphStep  # type: ignore[import-not-found, unused-ignore]

from clearer.core.device import autocast
from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.degradations.gaussian import Gaussian
from clearer.pipeline.run_checks import check_run
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.optimizers import learning_rate, make_optimizer
from clearer.training.run_device import device_name
from clearer.training.trainer import WeightTraining
from clearer.training.validation import Validation
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights

EVERY = 250
"""Steps between lines of metrics, which wait for the device."""
UNITS = 100_000
"""The clock is counted in this many epochs of one step, which the learning rate follows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe's name or file; it gives the architecture")
    parser.add_argument("--minutes", type=float, required=True, help="of the steps; reading and validating come on top")
    parser.add_argument("--warmup", type=float, default=0.02, help="share of the minutes (default: 0.02)")
    parser.add_argument("--validate", type=int, default=4, help="validations on the way (default: 4)")
    parser.add_argument("--graph", action="store_true", help="replay steps as one CUDA graph (graph_step.py)")
    parser.add_argument("--levels", type=float, nargs="*", default=[], help="sigmas to validate apart, at the end")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    overrides = {key: json.loads(value) for key, _, value in (one.partition("=") for one in given.settings)}
    torch.backends.cudnn.benchmark = True  # all batches have one shape
    job, folder = prepared(given.recipe, overrides, given.warmup, given.out)
    graph = GraphStep(job) if given.graph else None
    train(job, folder, 60 * given.minutes, given.validate, graph)
    if given.levels:
        by_level(job, folder, given.levels)


def prepared(name: str, overrides: dict[str, object], warmup: float, out: Path) -> tuple[WeightTraining, RunFolder]:
    """Return the training, whose epochs are units of time, and its folder."""
    recipe = load_recipe(name, overrides)
    optimizer = dataclasses.replace(recipe.train.optimizer, warmup_epochs=round(warmup * UNITS))
    settings = dataclasses.replace(
        recipe.train, optimizer=optimizer, epochs=UNITS, steps_per_epoch=1, validate_every=UNITS
    )
    recipe = dataclasses.replace(recipe, train=settings)
    assert recipe.given is not None, "the recipe names no architecture"
    folder, console = RunFolder(out), Console(stderr=True)
    device, splits = check_run(recipe, folder, ("train",), console.print)
    channels = recipe.network.channels
    training = read_images(splits.train, channels, gaps=True)
    validation = read_images(splits.validation, channels)
    context = RunContext.of(recipe, folder, training, validation, console=console, device=device)
    folder.train.path.mkdir(parents=True, exist_ok=True)
    return WeightTraining(recipe, recipe.given, context), folder


def train(
    job: WeightTraining, folder: RunFolder, seconds: float, validations: int, graph: GraphStep | None = None
) -> None:
    """Train until the seconds are over; write metrics, the averaged weights and the result."""
    began, step, loss = time.monotonic(), 0, 0.0
    paused, due = 0.0, [seconds * k / (validations + 1) for k in range(1, validations + 1)]
    pixels, anchor = job.settings.batch * job.settings.patch**2, Anchor(job)
    while (spent := time.monotonic() - began - paused) < seconds:
        # A step averages as its number says, and learns as the clock says.
        index = min(UNITS - 1, int(spent / seconds * UNITS))
        rate = learning_rate(job.settings.optimizer, index, UNITS)
        loss = loss + (timed_step(job, step, index) if graph is None else graph(rate, step))  # type: ignore[assignment]
        step += 1
        if step % EVERY == 0:
            mean, loss = float(loss) / EVERY, 0.0
            line = {"step": step, "loss": mean, "seconds": round(spent, 1), "lr": rate}
            if not anchor.holds(mean):
                anchor.back(graph)
                log(folder, line | {"diverged": True, "loss": str(mean)})
                continue
            if due and spent > due[0]:
                at = time.monotonic()
                line["psnr"] = keep(job, folder, step)
                due.pop(0)
                paused += time.monotonic() - at
            log(folder, line | {"mpx_per_second": round(step * pixels / 1e6 / spent, 2)})
    if job.context.device.type == "cuda":
        torch.cuda.synchronize()
    spent = time.monotonic() - began - paused
    rest = step % EVERY
    if rest and not anchor.holds(mean := float(loss) / rest):
        anchor.back(graph)
        log(folder, {"step": step, "diverged": True, "loss": str(mean), "seconds": round(spent, 1)})
    psnr = keep(job, folder, step)
    used = {"device": device_name(job.context.device), "precision": job.context.precision}
    result = {"architecture": job.architecture.text, "steps": step, "seconds": round(spent, 1), **used, "psnr": psnr}
    write_json(folder.train.result, result | {"gigapixels": round(step * pixels / 1e9, 3)})
    log(folder, {"step": step, "psnr": psnr, "seconds": round(spent, 1)})


class Anchor:
    """The weights of the last sound stretch of a training, to which one that diverges goes back."""

    def __init__(self, job: WeightTraining) -> None:
        self.job, self.least = job, math.inf
        self.states = self._states()

    def _networks(self) -> list[nn.Module]:
        return [self.job.network, *([self.job.averaged.network] if self.job.averaged is not None else [])]

    def _states(self) -> list[dict[str, torch.Tensor]]:
        return [{k: v.detach().clone() for k, v in net.state_dict().items()} for net in self._networks()]

    def holds(self, loss: float) -> bool:
        """Return whether a mean loss and the weights are sound; then these are the weights to go back to."""
        states = self._states()
        # The loss is that before the last step. NaN is not sound either.
        limit = self.least + 2 * abs(self.least)  # a loss may be a logarithm
        if not loss < limit or not all(bool(v.isfinite().all()) for state in states for v in state.values()):
            return False
        self.least, self.states = min(self.least, loss), states
        return True

    def back(self, graph: GraphStep | None = None) -> None:
        """Go back, with fresh moments and half the learning rate."""
        for net, state in zip(self._networks(), self.states, strict=True):
            net.load_state_dict(state)
        job = self.job
        optimizer = dataclasses.replace(job.settings.optimizer, lr=job.settings.optimizer.lr / 2)
        job.settings = dataclasses.replace(job.settings, optimizer=optimizer)
        job.optimizer = make_optimizer(optimizer, job.network.parameters(), job.context.precision)
        if graph is not None:
            graph.reset()


def keep(job: WeightTraining, folder: RunFolder, step: int) -> float:
    """Validate the averaged weights and write them; return their PSNR."""
    psnr, recipe = job.measure(), job.recipe
    card = ModelCard(
        recipe=recipe.name,
        task=recipe.task,
        description=recipe.description,
        degradation=recipe.data.degradation.to_dict(),
        steps=step,
        seed=job.seed,
        precision=job.context.precision,
        weights="last",
        validation_psnr=psnr,
    )
    save_weights(folder.weights, job.judged, card, half=True)
    return psnr


def timed_step(job: WeightTraining, step: int, index: int) -> torch.Tensor:
    """Carry out a step at a unit of the time; the average forgets its beginning by the number of steps."""
    averaged, job.averaged = job.averaged, None
    values = job.step(index)
    job.averaged = averaged
    if averaged is not None:
        averaged.update(job.network, step)
    return values["loss"].detach()


def by_level(job: WeightTraining, folder: RunFolder, levels: list[float]) -> None:
    """Add to the result what the averaged weights give the validation images at each level of white noise."""
    found, context = {}, job.context
    for sigma in levels:
        images, crop = context.validation[: job.settings.validation_images], job.settings.validation_crop
        validation = Validation(images, Gaussian(sigma), crop=crop, device=context.device, span=job.recipe.data.span)
        with autocast(context.precision, context.device):
            found[f"{sigma:g}"] = validation.measure(job.judged.eval())
    write_json(folder.train.result, json.loads(folder.train.result.read_text()) | {"by_level": found})
    log(folder, {"by_level": found})


def log(folder: RunFolder, line: dict[str, object]) -> None:
    with folder.train.metrics.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(folder.path.name, json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
