"""A trial on an image that seems to have nothing to remove: what the model for photographs changes at its center.

The noise of cameras is blurred by demosaicing, scaling and compression, so that it has less of the highest frequencies
than texture has, and measuring these misses it. A network that was trained on such noise tells the two apart better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from clearer.images.pixels import center_crop
from clearer.images.types import UnitPixels
from clearer.inference.batches import Passes, restore_unit
from clearer.inference.choice import Candidate, Choice, choose, default_model
from clearer.inference.image_facts import ImageFacts, facts_of
from clearer.inference.restorer import Restorer

SIDE, LEAST = 256, 64
"""Side in pixels of the center that is restored, and the least of an image that is tried."""
NOTICED = 1.2 / 255
"""RMS of the change from which it is noise; chosen on photographs of CID22, see docs/results/auto-quality.json."""


def chosen_for(
    unit: UnitPixels, quality: int | None, load: Callable[[str], Restorer], among: list[Candidate]
) -> tuple[ImageFacts, Choice]:
    """Return what an image shows, and the model for it: by what it shows, or by a trial.

    Args:
        unit: the image, (H, W, C) in [0, 1].
        quality: of its JPEG file, if it is from one.
        load: returns the restorer of a model's name.
        among: the models.
    """
    facts = facts_of(unit, quality)
    return facts, tried(choose(facts, among), unit, load, among)


def tried(choice: Choice, unit: UnitPixels, load: Callable[[str], Restorer], among: Iterable[Candidate]) -> Choice:
    """Return the choice; where nothing is to be done, by a trial of the model for photographs.

    Args:
        choice: by what the image shows.
        unit, load, among: see `chosen_for`.
    """
    if choice.model is not None or choice.needed or min(unit.shape[:2]) < LEAST:
        return choice
    name = default_model(one.name for one in among)
    if name is None:
        return choice
    change = change_of(load(name), unit)
    if change < NOTICED:
        return choice
    return Choice(name, f"noise of about {255 * change:.0f} gray levels, found by a trial of the model", needed=True)


def change_of(restorer: Restorer, unit: UnitPixels) -> float:
    """Return the RMS of what a model changes at the center of an image, white is 1."""
    center = np.ascontiguousarray(center_crop(unit, SIDE, SIDE))
    return float(np.sqrt(np.square(restore_unit(restorer.at_depth("float"), center, Passes()) - center).mean()))
