"""The list of pretrained models: purpose, cost, results."""

from __future__ import annotations

import logging
from typing import Any, TypedDict

from clearer.core.errors import UserError
from clearer.network.cost import macs_per_pixel, parameters
from clearer.zoo.locate import ModelFile, Source, find_models
from clearer.zoo.names import RESEARCH_MODELS, ModelName, Tier, is_for_use, shown_name
from clearer.zoo.purpose import Purpose, purpose_of
from clearer.zoo.weight_metadata import read_architecture

log = logging.getLogger("clearer")


class ModelEntry(TypedDict):
    """A model that can be loaded by name; JSON values throughout.

    Keys:
        name: the name that `clearer.load` takes.
        task: ``"denoise"``, ``"derain"`` or ``"restore"``; empty if not stated.
        purpose: what it is for, in a word, see `clearer.zoo.purpose`; None if that cannot be told.
        tier: of speed, ``"fast"``, ``"standard"`` (the bare name), ``"medium"`` or ``"best"``.
        shown: the name in lists, which `clearer.load` takes, too: that of a model of the paper begins with ``paper/``.
        description: what the model is for; empty if not stated.
        architecture: see `clearer.Architecture.to_dict`.
        takes_level: whether it takes the noise level as an optional input (``clearer restore --sigma``).
        parameters: number of weights.
        macs_per_pixel: multiply-adds per pixel.
        bytes: size of the weight file.
        file: path of the weight file.
        source: ``"package"``, ``"CLEARER_MODELS"`` or ``"checkout"``; see `clearer.zoo.locate.ModelFile`.
        research: whether the model reproduces a result of the paper; for use there are better ones.
        for_use: whether lists show it by default: neither a model of the paper nor the former weights of a name.
        differs_in_bf16: whether it restores images of 8 bits in fp32 by default, too.
        results: one entry per protocol and dataset: PSNR (dB) and SSIM, also of the degraded input.
    """

    name: str
    task: str
    purpose: Purpose | None
    tier: Tier
    shown: str
    description: str
    architecture: dict[str, Any]
    takes_level: bool
    parameters: int
    macs_per_pixel: float
    bytes: int
    file: str
    source: Source
    research: bool
    for_use: bool
    differs_in_bf16: bool
    results: list[dict[str, Any]]


def models() -> list[ModelEntry]:
    """Return all models that can be loaded by name, sorted by name.

    These are the models in the package, in the folder that the environment variable CLEARER_MODELS names, and
    in the ``models`` folder of a checkout.

    A damaged file is reported (logger ``clearer``) and left out.

    Raises:
        UserError: CLEARER_MODELS does not name a folder.

    >>> "denoise-gray" in {model["name"] for model in models()}
    True
    """
    found = []
    for file in find_models().values():
        try:
            found.append(_entry(file))
        except UserError as error:
            log.warning("%s", error)
    return found


def _entry(file: ModelFile) -> ModelEntry:
    architecture, card = read_architecture(file.path)
    return {
        "name": file.name,
        "task": card.task or "",
        "purpose": purpose_of(architecture, card),
        "tier": ModelName.parse(file.name).tier,
        "shown": shown_name(file.name),
        "description": card.description or "",
        "architecture": architecture.to_dict(),
        "takes_level": architecture.takes_level,
        "parameters": parameters(architecture),
        "macs_per_pixel": macs_per_pixel(architecture),
        "bytes": file.path.stat().st_size,
        "file": str(file.path),
        "source": file.source,
        "research": file.name in RESEARCH_MODELS,
        "for_use": is_for_use(file.name),
        "differs_in_bf16": card.differs_in_bf16,
        "results": [result.to_dict() for result in card.results],
    }
