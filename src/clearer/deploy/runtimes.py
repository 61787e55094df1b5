"""The runtimes that can compute a network on this machine, for timing: PyTorch, ONNX Runtime and OpenVINO."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from clearer.core.errors import UserError, nearest
from clearer.deploy.onnx import export
from clearer.inference.onnx_network import OnnxNetwork
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork

RUNTIMES = ("auto", "torch", "onnxruntime", "openvino")


def with_random_weights(architecture: Architecture, device: str, precision: str) -> Restorer:
    """Return a restorer with initial weights, to time it: every network of the architecture takes as long.

    It adds its input to its output, whatever the architecture says, so that the image is not black, which would
    be computed again in fp32.
    """
    space = dataclasses.replace(architecture.space, residual=True)
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture(cells=architecture.cells, space=space))
    return Restorer(network, device=device, precision=precision)


def check_runtime(runtime: str, exported: bool) -> None:
    """Refuse a runtime that is unknown, not installed, or not the one of an exported file.

    Raises:
        UserError: see above.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"runtime: {runtime!r} is not one of {', '.join(RUNTIMES)}{nearest(runtime, RUNTIMES)}")
    if exported and runtime not in ("auto", "onnxruntime"):
        raise UserError(f"runtime: {runtime} cannot run an exported file; name the weight file that it was made from")
    if runtime in ("onnxruntime", "openvino"):
        extra = "openvino" if runtime == "openvino" else "onnx"
        needed = ["onnx", "onnxscript", "onnxruntime", *(["openvino"] if extra == "openvino" else [])]
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing and not exported:
            raise UserError(f"runtime: {', '.join(missing)} is not installed; run pip install 'clearer[{extra}]'")


@contextmanager
def running(restorer: Restorer, runtime: str, threads: int) -> Iterator[tuple[Restorer, str]]:
    """Give a restorer that computes in a runtime, and the name of the runtime.

    ``auto`` is torch, or ONNX Runtime for an exported file.

    Raises:
        UserError: see `check_runtime`.
    """
    exported = isinstance(restorer.network, OnnxNetwork)
    check_runtime(runtime, exported)
    if exported or runtime in ("auto", "torch"):
        yield restorer, "onnxruntime" if exported else "torch"
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        export(restorer, onnx=file)
        found = load(file, "cpu")
        if runtime == "openvino":
            assert isinstance(found.network, OnnxNetwork)
            found.network.session = OpenVinoSession(file, threads)
        yield found, runtime


class OpenVinoSession:
    """OpenVINO in the place of the session of an `OnnxNetwork`, so that all that is around it is the same.

    Args:
        file: an ONNX file.
        threads: that one call uses.
        precision: of the computation, ``f32`` or ``bf16``.

    Raises:
        UserError: OpenVINO cannot be imported.
    """

    def __init__(self, file: Path, threads: int, precision: str = "f32") -> None:
        try:
            import openvino
        except ImportError as error:
            raise UserError(f"runtime: openvino cannot be imported ({error}); install it again") from error
        hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self.compiled = openvino.Core().compile_model(str(file), "CPU", hints)

    def run(self, outputs: Sequence[str], given: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Compute outputs by their names."""
        found = self.compiled(given)
        return [found[name] for name in outputs]
