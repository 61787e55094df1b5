"""Choose a pretrained model for an image: by what it shows, and by what the models were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clearer.core.errors import UserError
from clearer.inference.image_facts import ImageFacts
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import find_models
from clearer.zoo.names import ModelName, is_for_use
from clearer.zoo.purpose import NOISE, OTHER_NOISE, WHITE_NOISE, trained_kinds
from clearer.zoo.weight_metadata import read_architecture

AUTO = "auto"
"""The name of a model that stands for the choice by the image."""

BLUR = frozenset({"blur", "resize"})


@dataclass(frozen=True)
class Candidate:
    """A model that can be chosen: its name, the degradations that it was trained on, its channels and cost."""

    name: str
    kinds: frozenset[str]
    levels: tuple[float, float] | None
    gray: bool
    macs: float

    @classmethod
    def of(cls, name: str, architecture: Architecture, card: ModelCard) -> Candidate:
        """Return the candidate of a model."""
        kinds, levels = trained_kinds(card), None
        degradation = card.trained_on()
        if degradation is not None:
            levels = degradation.noise_levels()
        return cls(name, kinds, levels, architecture.channels == 1, macs_per_pixel(architecture))

    @property
    def preference(self) -> int:
        """The order of its tier among models that fit alike."""
        return ModelName.parse(self.name).preference

    @property
    def denoises(self) -> bool:
        """Whether noise is what it removes, among other things."""
        return bool(self.kinds & NOISE)

    def covers(self, facts: ImageFacts) -> bool:
        """Whether it was trained on what an image shows."""
        if facts.rain:
            return self.kinds == {"rain"}
        if facts.noisy:
            wanted = WHITE_NOISE if facts.kind == "independent" else OTHER_NOISE
            low, high = self.levels or (0.0, 255.0)
            return bool(self.kinds & wanted) and low <= 1.3 * facts.level and facts.level <= 1.3 * high
        if facts.compressed:
            return self.kinds == {"jpeg"}
        return facts.blurred and bool(self.kinds) and self.kinds <= BLUR


@dataclass(frozen=True)
class Choice:
    """A model and why; None where nothing is to be done, or no model present was trained on what the image shows."""

    model: str | None
    reason: str
    needed: bool

    def line(self) -> str:
        """Return the choice in a line."""
        if self.model is not None:
            return f"{self.model}: {self.reason}"
        return f"{'no model fits' if self.needed else 'nothing to do'}: {self.reason}"


def candidates() -> Iterator[Candidate]:
    """Yield the pretrained models that restore images of a known kind, except the paper's and former weights."""
    for name, file in find_models(strict=False).items():
        if not is_for_use(name):
            continue
        try:
            found = Candidate.of(name, *read_architecture(file.path))
        except UserError:
            continue  # `clearer models` reports it
        if found.kinds:
            yield found


def choose(facts: ImageFacts, among: Iterable[Candidate] | None = None) -> Choice:
    """Choose the model for an image with these facts.

    Models trained on the most kinds of degradation come first, then those whose channels are the image's, then those
    of the standard tier, then the fastest. For noise that is independent between pixels and between channels, the
    channels come first, then those trained on the fewest kinds: models for white noise alone remove it best, also if
    it varies with the brightness.

    Args:
        facts: of the image.
        among: the models; by default all pretrained ones.
    """
    if not (facts.rain or facts.noisy or facts.compressed or facts.blurred):
        return Choice(None, facts.in_words(), needed=False)
    fitting = [one for one in (candidates() if among is None else among) if one.covers(facts)]
    if not fitting:
        return Choice(None, facts.in_words(), needed=facts.rain or facts.noisy or facts.compressed)

    def rank(one: Candidate) -> tuple[int, ...]:
        other_channels = int(one.gray != facts.gray)
        if facts.white:
            return (other_channels, len(one.kinds))
        return (-len(one.kinds), other_channels) if facts.gray else (other_channels, -len(one.kinds))

    best = min(fitting, key=lambda one: (*rank(one), one.preference, one.macs))
    return Choice(best.name, facts.in_words(), needed=True)


def default_model(names: Iterable[str]) -> str | None:
    """Return the model for photographs among pretrained models: that for color images trained on the most kinds."""
    wanted = set(names)
    found = [one for one in candidates() if one.name in wanted and one.denoises and not one.gray]
    return max(found, key=lambda one: (len(one.kinds), -one.preference, -one.macs)).name if found else None
