"""Watch a training that started from a model (`train.start`): give the start up where fresh weights do better.

After ``train.watch_start`` steps, a start that has gained next to nothing, or was revived, is compared with fresh
weights that train as long, on the same batches, unless it restored the validation images well from the beginning. The
better ones go on. If these are the fresh ones, the training is from then on the one that would have been without a
start.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal, cast

from clearer.recipe.schema import TrainSettings
from clearer.runs.schema import StartRecord

LEAST_GAIN = 0.1
"""dB that a start gains in the watched steps; with less, it is compared with fresh weights."""
LEAST_OVER_INPUT = 0.5
"""dB that the network is over the degraded images after these steps; with less, it is compared with fresh weights."""

GOOD = 2.0
"""dB over the degraded images from which a start is good before the first step: it is kept, whatever it gains. A start
that does not fit is below: `denoise-color@2026-11` is +0.0 dB on noise of cameras."""

Phase = Literal["start", "fresh", "decided"]


def watched_epochs(settings: TrainSettings) -> int:
    """Return the number of epochs to watch, at most half of all; 0 without a start.

    The warm-up of the learning rate is at most half of them: within it, hardly anything changes.
    """
    if settings.start is None or settings.watch_start == 0:
        return 0
    wanted = -(-settings.watch_start // settings.steps_per_epoch)
    return min(max(wanted, 2 * settings.optimizer.warmup_epochs), settings.epochs // 2)


class StartWatch:
    """The decision between a start and fresh weights: three phases, whose state is part of each checkpoint.

    In ``start``, the weights of the start are trained. In ``fresh``, fresh ones are, and the state of the training from
    the start is kept aside. In ``decided``, the better ones are trained to the end.

    Args:
        epochs: epochs to watch; 0 to decide nothing.
        save, load: return and restore the state of the training: weights, optimizer, batches, best weights.
        renew: sets that state to the one at the beginning of a training without a start.
        say: takes the lines for people.
    """

    def __init__(
        self,
        epochs: int,
        *,
        save: Callable[[], dict[str, Any]],
        load: Callable[[dict[str, Any]], None],
        renew: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.epochs = epochs
        self.save, self.load, self.renew, self.say = save, load, renew, say
        self.phase: Phase = "start" if epochs else "decided"
        self.kept: dict[str, Any] = {}
        self.record: StartRecord = {}

    @property
    def other_epochs(self) -> int:
        """Epochs before now that did not train the present weights."""
        return self.epochs if self.phase == "fresh" or "fresh_psnr" in self.record else 0

    @property
    def gave_up_start(self) -> bool:
        """Whether training went on from fresh weights."""
        return self.record.get("kept") == "fresh"

    @property
    def trains_fresh(self) -> bool:
        """Whether fresh weights are being trained."""
        return self.phase == "fresh" or self.gave_up_start

    def begin(self, psnr: float, input_psnr: float) -> None:
        """Note the validation PSNR of the start and of the degraded images, in dB, before the first step."""
        self.record |= {"psnr": psnr, "input_psnr": input_psnr}

    def due(self, epoch: int) -> bool:
        """Return whether a decision waits for the validation after ``epoch`` of the present weights, from 0."""
        return self.phase != "decided" and epoch + 1 == self.epochs

    def decide(self, best: float, steps: int) -> None:
        """Decide which weights train on.

        Args:
            best: the best validation PSNR of the present weights, in dB.
            steps: their number of steps.
        """
        if self.phase == "start":
            self._after_start(best, steps)
        else:
            self._after_fresh(best, steps)

    def _after_start(self, best: float, steps: int) -> None:
        self.record |= {"steps": steps, "reached_psnr": best}
        before, over_input = self.record["psnr"], best - self.record["input_psnr"]
        gain = best - max(before, self.record["input_psnr"])
        revived = self.record.get("revived", 0) > 0  # such a start is hardly better than fresh weights, if at all
        good = before - self.record["input_psnr"] >= GOOD and best > before - LEAST_GAIN
        if not revived and (good or (gain >= LEAST_GAIN and over_input >= LEAST_OVER_INPUT)):
            self.phase, self.record["kept"] = "decided", "start"
            return
        self.say(
            f"train.start: validation PSNR {before:.2f} -> {best:.2f} dB in {steps} steps, {over_input:+.2f} dB over "
            "the input; fresh weights train as long, then the better ones go on"
        )
        self.kept = copy.deepcopy(self.save())
        self.renew()
        self.phase = "fresh"

    def _after_fresh(self, best: float, steps: int) -> None:
        reached = self.record["reached_psnr"]
        self.record["fresh_psnr"] = best
        figures = f"after {steps} steps {reached:.2f} dB from the start, {best:.2f} dB from fresh weights"
        if best > reached:
            self.record["kept"] = "fresh"
            self.say(f"train.start: {figures}; training goes on from the fresh ones")
        else:
            self.record["kept"] = "start"
            self.say(f"train.start: {figures}; training goes on from the start")
            self.load(self.kept)
        self.kept, self.phase = {}, "decided"

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"phase": self.phase, "kept": self.kept, "record": dict(self.record), "epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Restore the state of a checkpoint; None: of a version that did not watch."""
        if state is None:
            self.phase = "decided"
        else:
            self.phase, self.kept = state["phase"], state["kept"]
            self.record = cast(StartRecord, state["record"])
            # Those of the recipe change where ``train.epochs`` is raised; checkpoints before 0.2 lack them.
            self.epochs = state.get("epochs", self.epochs)
