"""What a model is for, in one word, by the degradations that its card states."""

from __future__ import annotations

from typing import Literal

from clearer.degradations.base import Degradation
from clearer.degradations.mixture import Mixture
from clearer.network.architecture import Architecture
from clearer.zoo.card import ModelCard

Purpose = Literal["photo", "gray", "color", "jpeg", "rain", "microscopy"]

PURPOSES: dict[Purpose, str] = {
    "photo": "noise of cameras, in photographs",
    "gray": "noise that is independent from pixel to pixel, in gray images",
    "color": "noise that is independent from pixel to pixel, in color images",
    "jpeg": "JPEG compression",
    "rain": "streaks of rain",
    "microscopy": "noise of a microscope",
}

WHITE_NOISE = frozenset({"gaussian", "poisson-gaussian", "speckle"})
OTHER_NOISE = frozenset({"correlated", "camera"})
NOISE = WHITE_NOISE | OTHER_NOISE
RARE = 0.1
"""Share of a kind, beside that of the kind that a mixture has most of, below which a model is not for it."""
OF_TASK = {"denoise": frozenset({"gaussian"}), "derain": frozenset({"rain"}), "dejpeg": frozenset({"jpeg"})}
"""The kinds of degradation that a task stands for, where a card states none, as after training on pairs."""


def trained_kinds(card: ModelCard) -> frozenset[str]:
    """Return the kinds of degradation that a model was trained on; empty if its card does not tell."""
    return main_kinds(card.trained_on(), card.task or "")


def is_for_white_noise(card: ModelCard) -> bool:
    """Return whether a model has learned noise that is independent between pixels and channels, and hardly any other.

    All other kinds together are `RARE` beside it.

    >>> white = ModelCard(degradation={"kind": "gaussian", "sigma": [0, 75]})
    >>> is_for_white_noise(white), is_for_white_noise(ModelCard(task="denoise"))
    (True, False)
    """
    degradation = card.trained_on()
    if degradation is None:
        return False
    if not isinstance(degradation, Mixture):
        return _is_white(degradation)
    white = sum(part.share for part in degradation.parts if _is_white(part.degradation))
    return sum(part.share for part in degradation.parts) - white < RARE * white


def _is_white(degradation: Degradation) -> bool:
    def is_shared(one: Degradation) -> bool:
        correlation = getattr(one, "channel_correlation", 0.0)
        return any(correlation) if isinstance(correlation, tuple) else bool(correlation)

    return all(one.kind in WHITE_NOISE and not is_shared(one) for one in degradation.components())


def main_kinds(degradation: Degradation | None, task: str) -> frozenset[str]:
    """Return the kinds of a degradation, of a mixture without those that are `RARE` beside the most frequent one.

    A model that saw little of a kind removes it in part, and another may be made for it. The task tells the kind
    where there is no degradation, as in pairs.
    """
    if degradation is None or not any(one.kind != "none" for one in degradation.components()):
        return OF_TASK.get(task, frozenset())
    if isinstance(degradation, Mixture):
        parts = [(part.degradation.components(), part.share) for part in degradation.parts]
    else:
        parts = [(degradation.components(), 1.0)]
    shares: dict[str, float] = {}
    for components, share in parts:
        for kind in {one.kind for one in components} - {"none"}:
            shares[kind] = shares.get(kind, 0.0) + share
    return frozenset(kind for kind, share in shares.items() if share >= RARE * max(shares.values()))


def purpose_of(architecture: Architecture, card: ModelCard) -> Purpose | None:
    """Return what a model is for; None if its card does not tell, or tells something else.

    >>> gray = Architecture.parse("P-P", channels=1)
    >>> purpose_of(gray, ModelCard(task="denoise")), purpose_of(gray, ModelCard(recipe="microscopy"))
    ('gray', 'microscopy')
    """
    kinds, is_gray = trained_kinds(card), architecture.channels == 1
    if card.recipe == "microscopy":
        return "microscopy"
    if kinds == {"rain"}:
        return "rain"
    if kinds == {"jpeg"}:
        return "jpeg"
    if not kinds & NOISE:
        return None
    return "gray" if is_gray else "photo" if kinds & OTHER_NOISE else "color"


def about(architecture: Architecture, card: ModelCard) -> str:
    """Return a line such as "For gray images, noise of level 0 to 75."."""
    images = "gray images" if architecture.channels == 1 else "color images"
    degradation = card.trained_on()
    if card.description and degradation is not None and len(degradation.components()) > 1:
        return f"{card.description[0].upper()}{card.description[1:]}."  # a list of a dozen degradations helps nobody
    if degradation is not None and degradation.effect():
        return f"For {images}, {degradation.effect()}."
    task = card.task or ""
    degraded_by = {"derain": "rain", "denoise": "noise", "restore": "degraded like its training pairs"}.get(task)
    if degraded_by:
        return f"For {images}, {degraded_by}."
    return f"For {images}{f', {task}' if task else ''}."
