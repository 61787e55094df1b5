"""Weight files: safetensors with the architecture inside, so that a file alone rebuilds its network."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from clearer.core.errors import UserError
from clearer.core.files import with_present_keys, written_whole
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork

FORMAT = "clearer-weights-1"


def save_weights(path: str | Path, network: RestorationNetwork, card: dict[str, Any], *, half: bool = False) -> None:
    """Write the network, its architecture and ``card`` (what a user should know of it; JSON values).

    ``half``: the weights are rounded to float16, half the size; they are computed with as float32 again.
    """
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in network.state_dict().items()}
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    metadata = {
        "format": FORMAT,
        "architecture": network.architecture.to_json(),
        "card": json.dumps(card, allow_nan=False),
    }
    with written_whole(path) as temporary:
        # Not safetensors' own save_file, whose error for a full disk is not an OSError.
        temporary.write_bytes(save(tensors, metadata))


def read_architecture(path: str | Path) -> tuple[Architecture, dict[str, Any]]:
    """Return the architecture and the card of a weight file, without its weights.

    Raises:
        UserError: no such file, or not a weight file of this program.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name a weight file (model.safetensors) or a run folder") from None
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: not a weight file of clearer, or damaged ({error}); name a model.safetensors"
        ) from error
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path}: a safetensors file, but not written by clearer; name a run's model.safetensors")
    try:
        card = with_present_keys(json.loads(metadata["card"]))
        return Architecture.from_json(metadata["architecture"]), card
    except (KeyError, ValueError, UserError) as error:
        raise UserError(f"{path}: its metadata is damaged ({error}); take another copy of the file") from error


def load_weights(path: str | Path) -> tuple[RestorationNetwork, dict[str, Any]]:
    """Return the network (in eval mode, on the CPU, float32) and the card of a weight file.

    Raises:
        UserError: no such file, not a weight file of this program, or its weights do not fit.
    """
    architecture, card = read_architecture(path)
    # On the meta device no initial weights are drawn, so that torch's random numbers stay where they were.
    with torch.device("meta"):
        network = RestorationNetwork(architecture)
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network.to_empty(device="cpu").load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines()]
        what = textwrap.shorten(lines[min(1, len(lines) - 1)], 150)
        raise UserError(
            f"{path}: its weights do not fit {architecture} ({what}); take another copy of the file"
        ) from error
    if not all(bool(torch.isfinite(t).all()) for t in network.state_dict().values()):
        raise UserError(f"{path}: holds weights that are not finite; take another copy of the file")
    return network.eval(), card
