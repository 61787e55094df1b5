"""Initial weights of a training from an existing model (``train.start``): fine-tuning."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.recipe.schema import NetworkSettings, Recipe
from clearer.runs.layout import RunFolder
from clearer.zoo.locate import located
from clearer.zoo.weight_metadata import read_architecture
from clearer.zoo.weights import load_weights

TOLD = 25 / 255
"""Noise level, in units of [0, 1], that the weights of a network that takes none are told of.

At 0 a denoiser changes nothing: most of its units are off, and a training from there never learned to remove JPEG
artifacts. 25 of 255 is the middle of what denoisers are trained for.
"""


def settings_of(model: str) -> dict[str, Any]:
    """Return the settings for training a network like ``model`` from its weights; dotted key to value.

    The number of channels stays that of the recipe; so does ``network.condition`` for a model that takes none.

    Raises:
        UserError: there is no such model.
    """
    found = read_architecture(located(model))[0]
    form = {field.name for field in dataclasses.fields(NetworkSettings)} - {"channels"}
    if not found.takes_level:
        form.remove("condition")  # a network that takes the noise level can start from one that does not
    facts = json.loads(json.dumps(dataclasses.asdict(found.space)))  # lists, as YAML has them
    return {
        "train.start": model,
        "architecture": str(found),
        **{f"network.{key}": facts[key] for key in sorted(form)},
    }


def check_start(recipe: Recipe, run: RunFolder) -> Path | None:
    """Return the weight file that a training starts from; None for random weights or a checkpoint.

    The genotype may differ, a color network may start from a gray one, and of the two one alone may take the noise
    level; everything else must agree. Before a search, when the genotype is not known yet, only the numbers of
    modules are compared.

    Raises:
        UserError: ``train.start`` names no model, or one whose network differs.
    """
    source = recipe.train.start
    if source is None or run.train.begun or run.train.finished:
        return None
    if recipe.baseline is not None:
        raise UserError(
            f"train.start: {source}, but a baseline ({recipe.baseline}) starts from random weights; leave it out"
        )
    weights = located(source)
    found, wanted = read_architecture(weights)[0], recipe.given
    if wanted is None and run.architecture.exists():
        wanted = run.read_architecture()
    facts = json.loads(json.dumps(dataclasses.asdict(found.space))) | {"modules_per_cell": _modules(found)}
    del facts["candidates"]  # the genotype states them
    known = dataclasses.asdict(recipe.network)
    width = (recipe.space if wanted is None else wanted.space).width  # in the one form that a space gives it
    known["width"] = width if isinstance(width, int) else list(width)
    if wanted is None:
        known["modules_per_cell"] = "-".join(map(str, recipe.space.depths))
    else:
        known |= {"scales": wanted.scales, "modules_per_cell": _modules(wanted)}
    if facts["scales"] != known["scales"]:  # reported alone: they explain the other difference
        del facts["modules_per_cell"]
    if (facts["channels"], known["channels"]) == (1, 3):
        del facts["channels"]
    del facts["condition"]  # `begin_with` adds the weights of the noise level, or leaves them out
    other = ", ".join(f"{key} {facts[key]}" for key, value in known.items() if key in facts and facts[key] != value)
    if other:
        raise UserError(f"train.start: {source} has {other}, unlike the network to be trained; make them agree")
    return weights


def _modules(architecture: Architecture) -> str:
    return "-".join(str(len(cell)) for cell in architecture.cells)


def begin_with(network: RestorationNetwork, weights: Path) -> str:
    """Copy the weights of a file into a network; return a line that states what was copied.

    A searched module with another candidate keeps its random weights. In a color network, the stem and the last
    convolution of a gray one are spread so that it adds to each color what the gray one adds to their mean. The weights
    of the noise level are zero where the file's network takes none, so that the network begins as the same function;
    where only the file's network takes it, they go into the biases, where there are any: the network begins as that one
    is when told the level `TOLD`, but for what the border of the image changes.

    Raises:
        UserError: the file cannot be read.
    """
    other = load_weights(weights)[0]
    source, mine = other.state_dict(), network.state_dict()
    fresh = {
        f"cells.{cell}.searched.{place}."
        for cell, (ours, theirs) in enumerate(zip(network.architecture.cells, other.architecture.cells, strict=True))
        for place, letters in enumerate(zip(ours, theirs, strict=True))
        if letters[0] != letters[1]
    }
    plain, plain_source = _shapes_without_level(network.architecture), _shapes_without_level(other.architecture)
    taken = {
        key: value if key.startswith(tuple(fresh)) else _taken(source[key], plain_source[key], plain[key], value.shape)
        for key, value in mine.items()
    }
    if other.takes_level and not network.takes_level:
        for key in (key for key, shape in plain_source.items() if shape != source[key].shape):
            bias = key.removesuffix("weight") + "bias"
            if bias in taken:  # a batch norm, in place of the bias, would cancel it in training
                taken[bias] = taken[bias] + TOLD * source[key][:, plain_source[key][1] :].sum((1, 2, 3))
    network.load_state_dict(taken)
    modules = sum(map(len, network.architecture.cells))
    new = f", except for {len(fresh)} of {modules} modules, which are new" if fresh else ""
    return f"starts from {weights}{new}"


def _shapes_without_level(architecture: Architecture) -> dict[str, torch.Size]:
    space = dataclasses.replace(architecture.space, condition="none")
    with torch.device("meta"):  # without drawing weights
        plain = RestorationNetwork(Architecture(cells=architecture.cells, space=space))
    return {key: value.shape for key, value in plain.state_dict().items()}


def _taken(source: Tensor, plain_source: torch.Size, plain: torch.Size, shape: torch.Size) -> Tensor:
    """Return weights of ``shape`` from those of the same layer in another network.

    The level is the last channel that the first convolution sees; the plain shapes are those without it.
    """
    if plain == shape and plain_source == source.shape:
        return _over_colors(source, plain)
    spread = _over_colors(source[:, : plain_source[1]], plain)
    if plain == shape:
        return spread
    level = source[:, plain_source[1] :]
    return torch.cat([spread, level if level.numel() else spread.new_zeros(shape[0], 1, *shape[2:])], 1)


def _over_colors(gray: Tensor, shape: torch.Size) -> Tensor:
    """Return weights of a gray network spread to ``shape``, that of the same layer in a color network.

    Unshuffled channels are ordered by color first, as torch's pixel_unshuffle returns them.
    """
    if gray.shape == shape:
        return gray
    if gray.shape[0] == shape[0]:  # the layer that reads the image: the mean of the colors
        colors = shape[1] // gray.shape[1]
        return torch.cat([gray / colors] * colors, 1)
    return torch.cat([gray] * (shape[0] // gray.shape[0]))  # the layer that makes the image
