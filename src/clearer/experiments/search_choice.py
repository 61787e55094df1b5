"""The choice among the finalists of a search: the best network that meets the budget when it is measured as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.pipeline.latency import measure_latency

TOLERANCE = 0.05
"""A finalist may exceed the budget by this share of it, when it is measured as a whole."""
BUSY = 1.25
"""The default network takes at most this many times what the table says, unless other programs are at work."""


class _KeptChoice(TypedDict):
    """choice.json."""

    architecture: str
    milliseconds: dict[str, float]
    psnr: NotRequired[dict[str, float]]


@dataclass(frozen=True)
class Choice:
    """The network chosen among the finalists.

    Args:
        architecture: its text.
        milliseconds: of each finalist that was measured, as a whole; empty for a budget in multiply-adds.
        psnr: of each finalist and of the default network after the last rung, in dB; early searches lack it.
    """

    architecture: str
    milliseconds: Mapping[str, float]
    psnr: Mapping[str, float] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Write the file."""
        kept = {"architecture": self.architecture, "tolerance": TOLERANCE, "milliseconds": dict(self.milliseconds)}
        write_json(file, kept | {"psnr": dict(self.psnr)})

    @classmethod
    def read(cls, file: Path) -> Choice:
        """Read a file of `write`.

        Raises:
            UserError: it is damaged.
        """
        kept = read_shaped(file, _KeptChoice)
        try:
            return cls(Architecture.parse(kept["architecture"]).text, kept["milliseconds"], kept.get("psnr", {}))
        except UserError as error:
            raise UserError(f"{file}: damaged ({error}); remove it and rerun the command") from error


@dataclass
class Stopwatch:
    """Measures networks as a whole, on a machine that may be busy.

    Args:
        budget: of the search.
        device: see `clearer.recipe.schema.Recipe`.
        precision: in which networks are timed.
        default: the default network, which shows how busy the machine is.
        expected: its milliseconds by the table of pieces.
        console: where a busy machine is told, once.
    """

    budget: Budget
    device: str
    precision: str
    default: Architecture
    expected: float
    console: Console
    told: bool = field(default=False, init=False)

    def milliseconds(self, text: str, most: float) -> float:
        """Return the time of a network; where it is more than ``most``, without what other programs add to it.

        A network that takes too long is measured twice, and the default network beside it: as many times as that one
        takes longer than expected, other programs have slowed both.
        """
        found = float("inf")
        for _ in range(2):
            measured = self._measured(Architecture.parse(text))
            if measured > most:
                measured /= self._load()
            found = min(found, measured)
            if found <= most:
                break
        return found

    def _measured(self, network: Architecture) -> float:
        size = self.budget.size
        found = measure_latency(network, at=size, device=self.device, precision=self.precision)
        return float(found["milliseconds"])

    def _load(self) -> float:
        now = self._measured(self.default)
        if now <= BUSY * self.expected:
            return 1.0
        if not self.told:
            self.told = True
            say(
                f"search: this machine is busy: the default network takes {now:.4g} ms, and took {self.expected:.4g}; "
                "the times of the finalists are divided by the ratio; to measure them when it is idle, remove "
                "budget/choice.json in the run folder and rerun the command",
                self.console,
            )
        return now / self.expected


def choose(ranked: list[str], finalists: int, watch: Stopwatch) -> Choice:
    """Return the best network that meets the budget when it is measured as a whole.

    Args:
        ranked: text forms, the best first.
        finalists: that are measured in any case; others are where all of these exceed the budget.
        watch: measures them; networks over the budget are told on its console.

    Raises:
        UserError: there is no network.
    """
    if not ranked:
        raise UserError("search: every training of its last rung failed; lower train.optimizer.lr")
    budget, console = watch.budget, watch.console
    if budget.milliseconds is None:
        return Choice(ranked[0], {})
    most = budget.milliseconds * (1 + TOLERANCE)
    times = {text: watch.milliseconds(text, most) for text in ranked[:finalists]}
    for text in ranked:
        if text not in times:
            times[text] = watch.milliseconds(text, most)
        if times[text] <= most:
            return Choice(text, times)
        say(
            f"search: {text} takes {times[text]:.4g} ms, more than {TOLERANCE:.0%} over {budget}; the next is taken",
            console,
        )
    nearest = min(ranked, key=lambda text: times[text])
    say(f"search: every network exceeds {budget} when measured; {nearest}, the fastest, is taken", console)
    return Choice(nearest, times)
