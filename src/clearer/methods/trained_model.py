"""A trained network as a method."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.images.tensors import to_array, to_batch
from clearer.inference.baseline import BaselineRestorer, load_measurable
from clearer.methods.base import ImageArray, Method
from clearer.network.baselines.build import cost_of
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import located, name_and_source
from clearer.zoo.seen_images import seen_images

ENSEMBLE_PASSES = 8


@dataclass(frozen=True)
class Running:
    """How trained networks run: ``device`` and ``precision`` as of `clearer.load`, ``ensemble`` as below."""

    device: str = "auto"
    precision: str = "fp32"
    ensemble: bool = False


def method_of_model(
    path_or_name: str | Path, device: str = "auto", precision: str = "fp32", ensemble: bool = False
) -> Method:
    """Return a trained network as a method. Its model card states the degradation it is meant for.

    Args:
        path_or_name: a model as `clearer.load` takes it, or ``NAME=`` followed by one. Without a name
            the method is named after the run folder or the file.
        device, precision: see `clearer.load`.
        ensemble: restore by the x8 self-ensemble, which takes eight times the multiply-adds; ``setup`` states it.

    Raises:
        UserError: see `clearer.load`; or the card does not state the degradation.
    """
    name, source = name_and_source(str(path_or_name))
    restorer = load_measurable(source, device, precision)
    parameters, macs_per_pixel = cost_of(restorer.architecture)
    weights = located(source)
    (degradation, *also), sigmas, notes = _meant_for(restorer.card, source)

    def restore(image: ImageArray, sigma: float | None) -> ImageArray:
        x = to_batch(image)
        restored: ImageArray = to_array(restorer(x, ensemble))
        return restored

    return Method(
        name=name,
        degradation=degradation,
        restore=restore,
        channels=restorer.channels,
        sigmas=sigmas,
        parameters=parameters,
        macs_per_pixel=macs_per_pixel * (ENSEMBLE_PASSES if ensemble else 1),
        notes=notes,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "",
        setup=f"{restorer.device}, {restorer.precision}{', x8 self-ensemble' if ensemble else ''}",
        also=tuple(also),
        sample=restorer.network.card.sample if isinstance(restorer, BaselineRestorer) else None,
        seen=lambda items: seen_images(restorer.card, items, source),
    )


def _meant_for(card: ModelCard, source: str) -> tuple[list[str], tuple[float, float] | None, str]:
    """Return the degradations, the range of noise levels of the first one and the note that a model card states."""
    degradation = card.trained_on()
    if degradation is None:
        raise UserError(f"{source}: its card does not state a degradation; train it again with 'clearer train'")
    if degradation.needs_pairs:  # only the task says how the degraded images are degraded
        task = card.task or ""
        return ["rain" if "rain" in task.lower() else task], None, _trained(card, "pairs")
    # White noise first: tables of it list a model of a mixture among the denoisers.
    parts = sorted(degradation.components(), key=lambda part: part.kind != "gaussian")
    kinds = list(dict.fromkeys(part.kind for part in parts))
    return kinds, parts[0].noise_levels(), _trained(card, degradation.describe())


def _trained(card: ModelCard, kind: str) -> str:
    """Return how long a model was trained and on what, as far as its card states it."""
    said = [f"trained on {card.data.rstrip('.')}", f"degradation: {kind}"] if card.data else [f"trained on {kind}"]
    if card.steps is not None:
        said.append(f"{card.steps:,} steps{' in its last stage' if card.start else ''}")
    return "; ".join(said)
