"""A network exported to ONNX, run by ONNX Runtime instead of PyTorch.

The ``metadata_props`` of the file hold the architecture, the model card and the precision. Reading the file needs
onnxruntime only. Nothing is unpickled, and no code runs except the graph.
"""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.core.files import utf8_path
from clearer.core.parse import parse_json
from clearer.inference.noise_level import estimate_for
from clearer.network.architecture import Architecture
from clearer.network.backbone import Level, level_map
from clearer.zoo.card import ModelCard

FORMAT = "clearer-onnx-1"
INPUT, LEVEL, OUTPUT = "image", "level", "restored"
FORMER_INPUT = "picture"
"""The input's name in files of version 0.1."""
PRECISIONS = ("fp32", "fp16", "int8")


class OnnxNetwork(nn.Module):
    """An exported network as a module: maps (B, C, H, W) float32 in [0, 1] on the CPU to the same shape, any H and W.

    It has no torch parameters; the session holds the weights. Any number of threads may call it. As in PyTorch, a
    noise level that is not given is estimated as `clearer.inference.noise_level.estimate_for` says.

    Args:
        path: a file that `clearer.export` wrote.
        threads: threads that one call uses; by default those of torch.

    Raises:
        UserError: onnxruntime is not installed, or the file does not exist or was not written by `clearer.export`.
    """

    architecture: Architecture

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        super().__init__()
        runtime = _onnxruntime(path)
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; name an ONNX file that 'clearer export' wrote")
        self._made_of = (Path(path).absolute(), threads or torch.get_num_threads())
        try:
            self.session = _session(runtime, *self._made_of)
            self.metadata: dict[str, str] = dict(self.session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # onnxruntime's exceptions share no class
            what = " ".join(str(error).split())[:150]
            raise UserError(f"{path}: damaged, or not an ONNX file that can run ({what}); export it again") from error
        self._process = os.getpid()
        self.architecture, self.card, self.precision = _checked(self.metadata, self.session, path)
        self.estimate = estimate_for(self.architecture, self.card)
        self.input: str = next(one.name for one in self.session.get_inputs() if one.name != LEVEL)

    def forward(self, x: Tensor, level: Level | None = None) -> Tensor:
        if os.getpid() != self._process:  # forked: the threads of the session stayed in the parent
            _keep_for_ever(self.session)
            self.session, self._process = _session(_onnxruntime(self._made_of[0]), *self._made_of), os.getpid()
        image = x.detach().contiguous()
        given = {self.input: image.numpy()}
        if self.estimate is not None:
            told = level_map(self.estimate(image) if level is None else level, image)
            given[LEVEL] = told.detach().contiguous().numpy()
        try:
            (restored,) = self.session.run([OUTPUT], given)
        except Exception as error:
            if "llocat" in str(error):  # "Failed to allocate memory", "bad allocation"; there is no class for it
                raise RuntimeError("not enough memory") from error
            raise
        return torch.from_numpy(restored)

    def __reduce__(self) -> tuple[Any, ...]:
        return OnnxNetwork, self._made_of


def _keep_for_ever(session: Any) -> None:
    """Keep a session of another process: its end would wait for threads that are not in this one."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def _session(runtime: Any, path: Path, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised, and need no line of their own
    with utf8_path(path) as named:
        return runtime.InferenceSession(str(named), options, providers=["CPUExecutionProvider"])


def metadata_of(architecture: Architecture, card: ModelCard, precision: str, **more: Any) -> dict[str, str]:
    """Return the metadata of an ONNX file, which `OnnxNetwork` reads; ``more`` are JSON values to add."""
    level = "float32 (batch, 1, height, width): standard deviation of the noise at each pixel, sigma / 255"
    return {
        "format": FORMAT,
        "architecture": architecture.to_json(),
        "task": card.task or "",
        "range": "float32 (batch, channels, height, width) in 0..1, in and out; the output is not clamped",
        **({LEVEL: level} if architecture.takes_level else {}),
        "channels": str(architecture.channels),
        "multiple": str(architecture.multiple),
        "padding": "inside the graph: any height and width",
        "precision": precision,
        "card": json.dumps(card.to_dict(), allow_nan=False),
        **{key: json.dumps(value, allow_nan=False) for key, value in more.items()},
    }


def _checked(metadata: dict[str, str], session: Any, path: str | Path) -> tuple[Architecture, ModelCard, str]:
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path}: an ONNX file that was not written by 'clearer export'; name one that was")
    try:
        architecture = Architecture.from_json(metadata["architecture"])
        card, precision = parse_json(metadata["card"]), metadata["precision"]
        takes, gives = session.get_inputs(), session.get_outputs()
        if architecture.takes_level:
            (level,) = [one for one in takes if one.name == LEVEL] or [None]
            if level is None or level.type != "tensor(float)" or len(level.shape) != 4 or level.shape[1] != 1:
                raise ValueError(f"{LEVEL} is not a float input (batch, 1, height, width)")
            takes = [one for one in takes if one is not level]
        for kind, names, found in ((INPUT, (INPUT, FORMER_INPUT), takes), (OUTPUT, (OUTPUT,), gives)):
            if len(found) != 1 or found[0].name not in names or found[0].type != "tensor(float)":
                raise ValueError(f"it does not have exactly one float {kind}")
            if len(found[0].shape) != 4 or found[0].shape[1] != architecture.channels:
                raise ValueError(f"{kind} is not (batch, {architecture.channels}, height, width)")
        if not isinstance(card, dict) or precision not in PRECISIONS:
            raise ValueError("no valid card or precision")
    except (KeyError, ValueError, UserError) as error:
        raise UserError(f"{path}: damaged metadata ({error}); export it again") from error
    return architecture, ModelCard.from_dict(card), precision


def _onnxruntime(path: str | Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{path}: ONNX files need ONNX Runtime; run pip install 'clearer[onnx]'") from None
    return onnxruntime
