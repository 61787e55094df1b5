"""Checkpoints: nested state as one safetensors file with a digest; the two newest are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.files import utf8_path, written_whole
from clearer.core.parse import parse_json
from clearer.core.safetensors_order import in_fixed_order
from clearer.training import distributed

KEPT = 2
FORMER_KEYS = {
    "optimiser": "optimizer",
    "weight_optimiser": "weight_optimizer",
    "logit_optimiser": "alpha_optimizer",
    "settling": "convergence",
}
"""Keys of a job's state in checkpoints of version 0.1, and their present names."""


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write ``state`` (nested dicts and lists of tensors and JSON values) as the checkpoint of ``step``.

    Raises:
        UserError: the file cannot be written; earlier checkpoints are intact.
    """
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_flatten(state, tensors, "state"))
    path = folder / f"step-{step:08d}.safetensors"
    try:
        with written_whole(path) as temporary:
            # Not save_file: its errors do not tell written_whole why a write failed.
            metadata = {"structure": structure, "digest": _digest(structure, tensors)}
            temporary.write_bytes(in_fixed_order(save(tensors, metadata)))
    except UserError as error:
        kept = _newest_first(folder)
        intact = f"the last checkpoint, {kept[0].name}, is intact" if kept else "there is no earlier checkpoint"
        raise UserError(f"{error}; {intact}") from error
    for old in _newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path, report: Callable[[str], None]) -> dict[str, Any] | None:
    """Return the state of the newest sound checkpoint, or None if there is none.

    A damaged checkpoint is reported and renamed to ``.damaged``, and the one before it is read. Keys of version 0.1
    get their present names.
    """
    for path in _newest_first(folder):
        try:
            with utf8_path(path) as named, safe_open(named, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata["digest"] != _digest(metadata["structure"], tensors):
                raise ValueError("its contents do not match its digest")
            return _with_present_keys(_unflatten(parse_json(metadata["structure"], finite=False), tensors))
        except OSError as error:  # of the disk or its network, not of the file
            raise UserError(f"{path}: this checkpoint cannot be read ({error}); run the command again") from error
        except (SafetensorError, KeyError, ValueError) as error:
            report(f"{path}: this checkpoint is damaged ({error}); it was renamed, and the one before it is used")
            path.rename(path.with_suffix(".damaged"))
    return None


def shared_checkpoint(folder: Path, report: Callable[[str], None]) -> dict[str, Any] | None:
    """Call `load_checkpoint` in the first process and send the others the state.

    So a damaged file is reported and renamed once, and only the first process needs access to the folder.
    """
    state = load_checkpoint(folder, report) if distributed.rank() == 0 else None
    if distributed.world() == 1:
        return state
    tensors: dict[str, Tensor] = {}
    structure = distributed.first(lambda: None if state is None else json.dumps(_flatten(state, tensors, "state")))
    if structure is None:
        return None
    received = load(distributed.shared(save(tensors) if distributed.rank() == 0 else b""))
    found: dict[str, Any] = _unflatten(json.loads(structure), received)
    return found


def _with_present_keys(state: dict[str, Any]) -> dict[str, Any]:
    """Rename the keys of `FORMER_KEYS`."""
    job = state.get("job")
    if isinstance(job, dict):
        state["job"] = {FORMER_KEYS.get(key, key): value for key, value in job.items()}
    return state


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _flatten(value: Any, tensors: dict[str, Tensor], path: str) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    if isinstance(value, dict):
        # Pairs: as keys of a JSON object, the integer keys of an optimizer would become text.
        return {"items": [[k, _flatten(v, tensors, f"{path}/{k}")] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(v, tensors, f"{path}/{i}") for i, v in enumerate(value)]}
    return {"value": value}


def _unflatten(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "items" in node:
        return {k: _unflatten(v, tensors) for k, v in node["items"]}
    if "list" in node:
        return [_unflatten(v, tensors) for v in node["list"]]
    return node["value"]


def _digest(structure: str, tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256(structure.encode())
    for name in sorted(tensors):
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data if tensors[name].numel() else b"")
    return total.hexdigest()
