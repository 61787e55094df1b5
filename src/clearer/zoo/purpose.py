"""What a model is for, in one word, by the degradations that its card states."""

from __future__ import annotations

from typing import Literal

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
OF_TASK = {"denoise": frozenset({"gaussian"}), "derain": frozenset({"rain"}), "dejpeg": frozenset({"jpeg"})}
"""The kinds of degradation that a task stands for, where a card states none, as after training on pairs."""


def trained_kinds(card: ModelCard) -> frozenset[str]:
    """Return the kinds of degradation that a model was trained on; empty if its card does not tell."""
    degradation = card.trained_on()
    kinds = () if degradation is None else (one.kind for one in degradation.components())
    return frozenset(kinds) - {"none"} or OF_TASK.get(card.task or "", frozenset())


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
