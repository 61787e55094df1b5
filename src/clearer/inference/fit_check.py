"""Check whether a model fits the images that it was given: noise left, nothing to do, hardly any change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clearer.images.tensors import batch_view
from clearer.images.types import UnitPixels
from clearer.inference.choice import Candidate, candidates, choose
from clearer.inference.image_facts import ImageFacts, facts_of
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.noise.blocks import brightness_ends
from clearer.noise.level import estimate_level
from clearer.zoo.card import ModelCard
from clearer.zoo.purpose import OTHER_NOISE

LOOKED_AT = 192
"""Side in pixels of the center that is looked at closely where the levels are suspicious."""
BLOCKS = 576
"""Blocks from which the levels are estimated, in each channel."""
NOISY, CLEAN = 3.0, 1.5
"""Level from which an image is noisy, and below which it is clean, in 255ths of the brightness it spans."""
LEFT = 0.4
"""Share of the noise level that is left, from which the model is said not to fit."""
LITTLE = 0.5
"""Mean change, in the same unit as `NOISY`, that is hardly any."""
DIM, FAINT = 0.1, 1.0
"""Brightness that an image spans, and noise level, below which the network's own error may exceed the noise."""


@dataclass(frozen=True)
class Fit:
    """How a model fits an image.

    Attributes:
        file: name of the file.
        level_before, level_after: noise level in gray levels of 255.
        change: RMS of what the network changed, in gray levels.
        problem: in words; None if the model fits as far as can be told.
        model: name of a pretrained model that fits better; None if none is known.
    """

    file: str
    level_before: float
    level_after: float
    change: float
    problem: str | None = None
    model: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)

    def line(self) -> str | None:
        """Return the problem and what to do, in one sentence; None without problem."""
        if self.problem is None:
            return None
        return self.problem if self.model is None else f"{self.problem}; {self.model} is for that"


class FitCheck:
    """Watches a network at work, and states for each image whether the model fits.

    Args:
        name: of the model, in messages.
        architecture, card: of the model.
        among: the models that may be named; by default all pretrained ones.
    """

    def __init__(
        self, name: str, architecture: Architecture, card: ModelCard, among: Iterable[Candidate] | None = None
    ) -> None:
        self.name = name
        self.model = Candidate.of(name, architecture, card)
        self.among = None if among is None else list(among)
        self.seen: tuple[UnitPixels, UnitPixels] | None = None

    @classmethod
    def of(cls, restorer: Restorer) -> FitCheck:
        """Return the check of a restorer."""
        return cls(restorer.name, restorer.architecture, restorer.card)

    def see(self, x: UnitPixels, y: UnitPixels) -> None:
        """Remember input and output of the network, (H, W, C) in [0, 1]; of one image the first run counts."""
        if self.seen is None:
            self.seen = x, y

    def finish(self, file: str, quality: int | None = None) -> Fit | None:
        """Return the fit for the image seen, and forget it; None if the network did not run.

        Args:
            file: name in messages.
            quality: of a JPEG file.
        """
        if self.seen is None:
            return None
        (x, y), self.seen = self.seen, None
        before, after = (float(estimate_level(batch_view(image), BLOCKS)) * 255 for image in (x, y))
        change = float(np.sqrt(np.mean((y[::3, ::3] - x[::3, ::3]) ** 2))) * 255
        low, high = brightness_ends(x)
        span = high - low
        if self.model.denoises and span < DIM and before < FAINT and change > 2 * before:
            dim = f"it spans {255 * span:.1f} of 255 gray levels, of which {change:.1f} were changed where its noise is"
            return Fit(file, before, after, change, f"{dim} {before:.2g}: set black and white by --range")
        suspicious = before >= NOISY * span and after > LEFT * before
        if not suspicious and before >= CLEAN * span and change >= LITTLE * span:
            return Fit(file, before, after, change)
        facts = facts_of(x, quality, LOOKED_AT)
        if not facts.noisy and self.model.denoises and change > before:
            facts = facts_of(x, quality)  # as far as the choice of a model looks: coarse noise may lie elsewhere
        problem = self._problem(facts, suspicious, before, after, change, span)
        return Fit(file, before, after, change, problem, self._better(facts) if problem else None)

    def _problem(
        self, facts: ImageFacts, noise_left: bool, before: float, after: float, change: float, span: float
    ) -> str | None:
        """Return what does not fit, in words."""
        if noise_left and facts.noisy:
            some = f"about {after:.0f} of {before:.0f} gray levels of noise are left"
            left = some if after <= before else f"all of the noise is left, about {before:.0f} gray levels"
            if not self.model.kinds or self.model.covers(facts):
                return left
            return f"{left}: it is {facts.how}, which {self.name} was not trained on"
        little = f"hardly any change ({change:.1f} gray levels): " if change < LITTLE * max(span, 0.1) else ""
        if facts.known and not facts.noisy and self.model.denoises:
            if facts.rain or facts.compressed or facts.blurred:
                return f"{little}{facts.in_words()}, and {self.name} removes noise"
            if little:
                return f"{little}{facts.in_words()}, so there is nothing to remove"
            # The noise of cameras can be missed; see `clearer.inference.trial`.
            too_much = change > before and not self.model.kinds & OTHER_NOISE
            return f"{facts.in_words()}, yet {change:.1f} were changed: detail was removed" if too_much else None
        return f"{little}{self.name} found nothing to remove" if little else None

    def _better(self, facts: ImageFacts) -> str | None:
        """Return the name of another model that fits."""
        if self.among is None:
            self.among = list(candidates())
        found = choose(facts, self.among).model
        return None if found == self.name else found


def lines(fits: Sequence[Fit]) -> list[str]:
    """Return a line for each problem; files with the same problem share one.

    A problem is the same if the text without its numbers is.
    """
    groups: dict[tuple[str, str | None], list[Fit]] = {}
    for fit in fits:
        if fit.problem is not None:
            groups.setdefault((_without_numbers(fit.problem), fit.model), []).append(fit)
    found = []
    for same in groups.values():
        others = "" if len(same) == 1 else f" and {len(same) - 1} more"
        found.append(f"{same[0].file}{others}: {same[0].line()}")
    return found


def _without_numbers(text: str) -> str:
    return "".join(c for c in text if not c.isdigit() and c != ".")
