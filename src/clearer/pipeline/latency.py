"""Measure the latency of a model or an architecture on this machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.core.pressure import Watch
from clearer.deploy.runtimes import check_runtime, running, with_random_weights
from clearer.inference.budget import ImageSize
from clearer.inference.latency import peak_macs, random_image, time_runs, using_threads
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.describe import architecture_of

DEFAULT_SIZE = "1080p"


def measure_latency(
    target: str | Path | Architecture | Restorer,
    *,
    at: str | ImageSize = DEFAULT_SIZE,
    runtime: str = "auto",
    threads: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    seconds: float = 2.0,
    **fields: Any,
) -> dict[str, Any]:
    """Time the restoring of a float32 image that is in memory, the estimate of the noise level included.

    By default the precision is fp32, as of all such images; those of 8 bits are restored in that of the model, see
    `clearer.Restorer`.

    Args:
        target: a model (its name, a weight file, a run folder, a restorer), or an architecture: its value, its text
            form, or its genotype with ``fields``; see `clearer.describe`. An architecture gets initial weights: the
            time does not depend on them.
        at: the size of the image, such as ``1920x1080``, ``4k`` or ``1mp``.
        runtime: ``torch``, ``onnxruntime``, ``openvino``, or ``auto``: torch, or ONNX Runtime for an exported file.
        threads: of the CPU; by default those of torch.
        device, precision: of torch; the other runtimes compute in fp32 on the CPU, an exported file as it is.
        seconds: how long to measure, after a warm-up; at least 7 runs.

    Returns:
        ``milliseconds`` (the median), ``quartiles``, ``runs``, ``megapixels_per_second``, ``share_of_peak`` (of
        `peak_macs` here), ``busy`` (for what share of the time programs waited for a processor; see
        `clearer.core.pressure`), and what was measured.

    Raises:
        UserError: there is no such model or architecture, or the runtime, the device or the size is not available.
    """
    size = at if isinstance(at, ImageSize) else ImageSize.parse(at)
    check_runtime(runtime, exported=False)
    by_torch = runtime in ("auto", "torch")
    if not by_torch and (device not in ("auto", "cpu") or precision not in ("auto", "fp32")):
        raise UserError(f"runtime: {runtime} computes in fp32 on the CPU; leave device and precision out")
    where = {"device": device, "precision": precision} if by_torch else {"device": "cpu", "precision": "fp32"}
    with using_threads(threads) as count:
        restorer = _restorer(target, fields, **where).at_depth("float")
        architecture = restorer.architecture
        image = random_image(size, architecture.channels)
        with running(restorer, runtime, count) as (timed, used):
            watch = Watch()
            found = time_runs(lambda: timed.restore(image), size, seconds)
            waited = watch.share()
        macs = macs_per_pixel(architecture)
        peak = peak_macs(str(timed.device), timed.precision, count)
    return {
        "target": restorer.name if isinstance(target, Restorer) else str(target),
        "architecture": architecture.text,
        "at": [size.width, size.height],
        "runtime": used,
        "device": str(timed.device),
        "processor": platform.processor() or platform.machine(),
        "threads": count,
        "precision": timed.precision,
        "milliseconds": found.milliseconds,
        "quartiles": list(found.quartiles),
        "runs": len(found.seconds),
        "busy": round(waited, 3),
        "megapixels_per_second": found.megapixels_per_second,
        "macs_per_pixel": macs,
        "share_of_peak": macs * size.pixels / (found.milliseconds / 1000) / peak,
    }


def _restorer(target: str | Path | Architecture | Restorer, fields: dict[str, Any], **where: str) -> Restorer:
    if isinstance(target, Restorer):
        return target
    architecture = architecture_of(target, fields)
    return load(target, **where) if architecture is None else with_random_weights(architecture, **where)  # type: ignore[arg-type]
