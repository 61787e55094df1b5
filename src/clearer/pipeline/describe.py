"""Describe a network and its cost, from its genotype, weight file or run folder."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError, nearest
from clearer.network.architecture import Architecture
from clearer.network.cost import Part, cost_table, supernet_cost_table
from clearer.network.stored_form import AT
from clearer.runs.layout import RunFolder, read_architecture_file
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import find_models, is_model_name, located, refuse_auto
from clearer.zoo.weight_metadata import read_architecture


@dataclass(frozen=True)
class Description:
    """An architecture, the cost of each of its parts in the order of computation, and the card of its weight file."""

    architecture: Architecture
    parts: tuple[Part, ...]
    card: ModelCard = field(default_factory=ModelCard)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-adds per input pixel, for an image whose sides are multiples of the network's."""
        return sum(part.macs_per_pixel for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``cells`` is the table of parts, as in a run's cost.json."""
        return {
            **self.architecture.to_dict(),
            "text": self.architecture.text,
            "scales": self.architecture.scales,
            "digest": self.architecture.digest,
            "parameters": self.parameters,
            "macs_per_pixel": self.macs_per_pixel,
            "cells": [asdict(part) for part in self.parts],
            "card": self.card.to_dict(),
        }

    def draw(self, path: str | Path) -> None:
        """Draw the architecture as an SVG or PNG file.

        Raises:
            UserError: the suffix is neither ``.svg`` nor ``.png``, or the file cannot be written.
        """
        from clearer.report.drawing import draw_architecture  # matplotlib takes a second to import

        draw_architecture(self.architecture, path)


def describe(target: str | Path | Architecture, **fields: Any) -> Description:
    """Describe an architecture.

    Args:
        target: an `Architecture`; its genotype, such as ``"FPPF-FFFF-PFFP"``; a pretrained model; a weight
            file; or a run folder (its ``model.safetensors``, or ``architecture.json`` before training).
        fields: the fields of `Architecture` that a genotype does not state: ``channels``, ``width``, ``operations``,
            ``norm``, ``residual``, ``unshuffle``, ``condition``, ``topology``. The text form states them itself
            (`Architecture.text`).

    Raises:
        UserError: there is no such file, it is not a weight file of clearer, the genotype is not valid, or
            ``fields`` are given for a target that states them.

    >>> describe("FPPF-FFFF-PFFP", operations="released").parameters
    6073536
    """
    card, architecture = ModelCard(), architecture_of(target, fields)
    if architecture is None:
        architecture, card = _from_file(Path(target))  # type: ignore[arg-type]
    return Description(architecture, tuple(cost_table(architecture)), card)


def describe_supernet(architecture: Architecture) -> tuple[Part, ...]:
    """Return the cost of each part of the supernet of an architecture's space, in the order of computation.

    The candidates are those of the space, P and F unless it states others; every searched place holds all of them.
    """
    return tuple(supernet_cost_table(architecture.space))


def draw_supernet(architecture: Architecture, path: str | Path) -> None:
    """Draw the supernet of an architecture's space as an SVG or PNG file.

    Raises:
        UserError: see `Description.draw`.
    """
    from clearer.report.drawing import draw_architecture

    draw_architecture(architecture, path, supernet=True)


def architecture_of(target: str | Path | Architecture, fields: dict[str, Any]) -> Architecture | None:
    """Return the architecture that a genotype with ``fields``, or a text form, states; None for a file or a model.

    Raises:
        UserError: see `describe`.
    """
    if not isinstance(target, Architecture) and _is_genotype(target):
        return _parsed(str(target), fields)
    if fields:
        raise UserError(f"{target}: states its own {', '.join(fields)}; leave these options out")
    return target if isinstance(target, Architecture) else None


def _is_genotype(target: str | Path) -> bool:
    """Tell a genotype (valid or mistyped) from a path; an existing file wins."""
    text = str(target)
    if Path(text).exists() or is_model_name(text):
        return False
    return re.fullmatch(rf"[A-Za-z]+(-[A-Za-z]*)*({AT}.*)?", text.strip()) is not None


def _parsed(text: str, fields: dict[str, Any]) -> Architecture:
    """Parse a genotype; if it is none, but like a model's name, say so."""
    try:
        return Architecture.parse(text, **fields)
    except UserError as error:
        refuse_auto(text)
        near = nearest(text, find_models(strict=False))
        if near:
            raise UserError(f"{text}: no such model{near}, and not a genotype such as FPPF-FFFF-PFFP") from error
        raise


def _from_file(path: Path) -> tuple[Architecture, ModelCard]:
    run = RunFolder(path)
    if is_model_name(str(path)) and not path.is_file() and not run.is_run:
        return read_architecture(located(path))
    if path.is_dir():
        if run.weights.is_file():
            return read_architecture(run.weights)
        if run.architecture.is_file():
            return run.read_architecture(), ModelCard()
        raise UserError(f"{path}: holds no model.safetensors or architecture.json; give a run folder or a weight file")
    if not path.exists():
        raise UserError(f"{path}: no such weight file or run folder, and not an architecture such as FPPF-FFFF-PFFP")
    if path.suffix.lower() == ".onnx":
        from clearer.inference.onnx_network import OnnxNetwork

        exported = OnnxNetwork(path)
        return exported.architecture, exported.card
    if path.suffix == ".json":
        return read_architecture_file(path), ModelCard()
    return read_architecture(path)
