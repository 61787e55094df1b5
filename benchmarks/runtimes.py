"""Time one network on the CPU in PyTorch, ONNX Runtime and OpenVINO, by number type.

    python benchmarks/runtimes.py MODEL --calibrate FOLDER --work DIR -o docs/results/runtimes.json

Exports the files into DIR, or reuses those that a previous call left there: on a busy machine run it twice, the
second time while nothing else runs. Every runtime gets the same random image and the same number of threads. The
runtimes take turns, and the median of each is reported. OpenVINO, if installed, reads the same ONNX files.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import clearer
from clearer.core.files import read_json, write_json
from clearer.inference.onnx_network import INPUT, OnnxNetwork
from clearer.network.cost import macs_per_pixel, parameters

KINDS: dict[str, dict[str, Any]] = {"fp32": {}, "fp16": {"half": True}, "int8": {"int8": True}}
Run = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name, weight file or run")
    parser.add_argument("--calibrate", required=True, help="folder of images that calibrate int8")
    parser.add_argument("--layout", default="auto", help="layout of the calibration images")
    parser.add_argument("--size", type=int, nargs=2, default=(321, 481), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--work", required=True, type=Path, help="folder for the exported files")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    exported = prepare(given.model, given.calibrate, given.layout, given.work)
    chance = torch.Generator().manual_seed(0)
    architecture = clearer.load(given.model, "cpu", "fp32").architecture
    x = torch.rand((1, architecture.channels, *given.size), generator=chance)
    rows = measure(runtimes(given.model, given.work, given.threads), x, given.rounds)
    packages = ("torch", "onnxruntime", "openvino")
    result = {
        "command": f"python {shlex.join(sys.argv)}",
        "size": list(given.size),
        "rounds": given.rounds,
        "threads": given.threads,
        "processor": processor(),
        "versions": {name: importlib.metadata.version(name) for name in packages if importlib.util.find_spec(name)},
        "architecture": architecture.to_dict(),
        "parameters": parameters(architecture),
        "macs_per_pixel": macs_per_pixel(architecture),
        "exported": exported,
        "rows": rows,
    }
    write_json(given.out, result)
    for row in rows:
        print(f"{row['runtime']:14} {row['precision']:5} {row['seconds'] * 1e3:8.1f} ms  {row['difference']:.1e}")


def prepare(model: str, calibrate: str, layout: str, work: Path) -> dict[str, Any]:
    """Export the files that are missing; return what the export reported for each."""
    work.mkdir(parents=True, exist_ok=True)
    for kind, options in KINDS.items():
        if not (work / f"{kind}.json").exists():
            images = {"calibrate": calibrate, "layout": layout} if kind == "int8" else {}
            report = clearer.export(model, onnx=work / f"{kind}.onnx", **options, **images)["onnx"]
            write_json(work / f"{kind}.json", {key: value for key, value in report.items() if key != "path"})
    return {kind: read_json(work / f"{kind}.json") for kind in KINDS}


def runtimes(model: str, work: Path, threads: int) -> dict[tuple[str, str], Run]:
    found: dict[tuple[str, str], Run] = {
        ("PyTorch", precision): clearer.load(model, "cpu", precision) for precision in ("fp32", "bf16")
    }
    found |= {("ONNX Runtime", kind): OnnxNetwork(work / f"{kind}.onnx", threads) for kind in KINDS}
    if importlib.util.find_spec("openvino"):
        found |= {("OpenVINO", kind): openvino(work / f"{file}.onnx", hint, threads) for kind, file, hint in (
            ("fp32", "fp32", "f32"), ("bf16", "fp32", "bf16"), ("int8", "int8", "f32"),
        )}  # fmt: skip
    return found


def openvino(path: Path, hint: str, threads: int) -> Run:
    import openvino

    properties = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(path), "CPU", properties)
    return lambda x: torch.from_numpy(compiled({INPUT: x.numpy()})[0])


def measure(runs: dict[tuple[str, str], Run], x: Tensor, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each runtime in order: seconds (median, least) and the difference from the first."""
    first = [run(x) for run in runs.values()]  # the first call of each compiles and allocates
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            start = time.perf_counter()
            run(x)
            seconds[key].append(time.perf_counter() - start)
    return [
        {
            "runtime": runtime,
            "precision": precision,
            "seconds": statistics.median(seconds[runtime, precision]),
            "least": min(seconds[runtime, precision]),
            "difference": (y - first[0]).abs().max().item(),
        }
        for (runtime, precision), y in zip(runs, first, strict=True)
    ]


def processor() -> str:
    """Return the processor's name and its instructions for 8- and 16-bit numbers, as Linux lists them."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    has = [name for name in ("avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8") if name in flags]
    return f"{facts.get('model name', platform.machine())} ({', '.join(has) or 'no 8-bit dot products'})"


if __name__ == "__main__":
    main()
