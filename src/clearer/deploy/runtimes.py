"""The runtimes that can compute a network on this machine, for timing: PyTorch, ONNX Runtime and OpenVINO."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from clearer.core.errors import UserError
from clearer.deploy.onnx import export
from clearer.inference.onnx_network import INPUT, LEVEL
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.backbone import level_map
from clearer.network.network import RestorationNetwork
from clearer.noise.level import estimate_level

RUNTIMES = ("torch", "onnxruntime", "openvino")
Run = Callable[[NDArray[Any]], object]
"""Restores an image, (H, W) or (H, W, C) float32."""


def with_random_weights(architecture: Architecture, device: str, precision: str) -> Restorer:
    """Return a restorer with initial weights, to time it: every network of the architecture takes as long.

    It adds its input to its output, whatever the architecture says, so that the image is not black, which would
    be computed again in fp32.
    """
    space = dataclasses.replace(architecture.space, residual=True)
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture(cells=architecture.cells, space=space))
    return Restorer(network, device=device, precision=precision)


@contextmanager
def running(restorer: Restorer, runtime: str, threads: int) -> Iterator[tuple[Run, str]]:
    """Give a function that restores an image in a runtime, and the precision that it computes in.

    Raises:
        UserError: the runtime is unknown or not installed, or cannot run an exported file.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"runtime: {runtime!r} is not one of {', '.join(RUNTIMES)}")
    if runtime == "torch":
        yield restorer.restore, restorer.precision
        return
    if not restorer.can_be_exact:
        raise UserError(f"runtime: {restorer.name} is an exported file; name the weight file that it was made from")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        export(restorer, onnx=file)
        if runtime == "onnxruntime":
            yield load(file, "cpu").restore, "fp32"
        else:
            yield _openvino(file, restorer.architecture, threads), "fp32"


def _openvino(file: Path, architecture: Architecture, threads: int) -> Run:
    try:
        import openvino
    except ImportError:
        raise UserError("runtime: openvino is not installed; run pip install 'clearer[openvino]'") from None
    properties = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(file), "CPU", properties)

    def run(image: NDArray[Any]) -> object:
        x = torch.from_numpy(image).reshape(*image.shape[:2], -1).permute(2, 0, 1)[None].contiguous()
        given = {INPUT: x.numpy()}
        if architecture.takes_level:
            given[LEVEL] = level_map(estimate_level(x), x).contiguous().numpy()
        return compiled(given)[0]

    return run
