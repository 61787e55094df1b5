"""Weight files: safetensors that hold their architecture, so that a file alone rebuilds its network."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from clearer.core.errors import UserError
from clearer.core.files import utf8_path, written_whole
from clearer.core.safetensors_order import in_fixed_order
from clearer.network.baselines.build import Form, TrainableNetwork, build_network
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard
from clearer.zoo.weight_metadata import FORMAT, read_architecture, read_form

MANTISSA = 10
"""Bits of the mantissa of a float16."""


def save_weights(
    path: str | Path,
    network: TrainableNetwork,
    card: ModelCard | Mapping[str, Any],
    *,
    half: bool = False,
    mantissa: int = MANTISSA,
) -> None:
    """Write a weight file: the network's weights, its architecture and its card.

    Args:
        path: the file to write, completely or not at all.
        network: its state is copied to the CPU.
        card: a `ModelCard`, or its JSON form.
        half: round the weights to float16, which halves the file. Loading converts them to float32.
        mantissa: bits of a float16's mantissa that are used, 1 to 10. The others are 0, so that the file compresses.

    Raises:
        UserError: the file cannot be written.
        ValueError: the card holds a value that JSON cannot hold, such as NaN.
    """
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in network.state_dict().items()}
    if half:
        tensors = {name: _halved(t, mantissa) if t.is_floating_point() else t for name, t in tensors.items()}
    metadata = {
        "format": FORMAT,
        "architecture": network.architecture.to_json(),
        "card": json.dumps(ModelCard.from_dict(card).to_dict(), allow_nan=False),
    }
    with written_whole(path) as temporary:
        # safetensors' own save_file does not raise an OSError when the disk is full.
        temporary.write_bytes(in_fixed_order(save(tensors, metadata)))


def _halved(t: torch.Tensor, mantissa: int) -> torch.Tensor:
    """Round to float16 with so many bits of mantissa, to the nearest."""
    step = 1 << (MANTISSA - mantissa)
    levels = t.half().view(torch.int16).to(torch.int32)
    magnitude = (levels & 0x7FFF) + step // 2 & -step  # the sign is a bit of its own
    return (magnitude | levels & 0x8000).to(torch.int16).view(torch.float16)


def load_weights(path: str | Path) -> tuple[RestorationNetwork, ModelCard]:
    """Read the network (in eval mode, on the CPU, float32) and the card of a weight file.

    Raises:
        UserError: there is no such file, it is not a weight file of clearer, the weights do not fit, or it holds a
            baseline (see `load_any_weights`).
    """
    architecture, card = read_architecture(path)
    network = _network(path, architecture)
    assert isinstance(network, RestorationNetwork)
    return network, card


def load_any_weights(path: str | Path) -> tuple[TrainableNetwork, ModelCard]:
    """Read the network and the card of a weight file as `load_weights` does, of a baseline too."""
    form, card = read_form(path)
    return _network(path, form), card


def _network(path: str | Path, form: Form) -> TrainableNetwork:
    """Return the network of a weight file, with its weights."""
    # The meta device draws no initial weights, so that the state of torch's random numbers does not change.
    with torch.device("meta"):
        network = build_network(form)
    try:
        with utf8_path(path) as named, safe_open(named, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network.to_empty(device="cpu").load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines()]
        what = textwrap.shorten(lines[min(1, len(lines) - 1)], 150)
        raise UserError(f"{path}: the weights do not fit {form} ({what}); take another copy of the file") from error
    if not all(bool(torch.isfinite(t).all()) for t in network.state_dict().values()):
        raise UserError(f"{path}: the weights are not finite; take another copy of the file")
    return network.eval()
