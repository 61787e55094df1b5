"""The speed of denoisers in PyTorch, ONNX Runtime and OpenVINO: all take turns, round by round."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from front_networks import Denoiser, network_of
from numpy.typing import NDArray
from runtimes import processor
from torch import Tensor, nn

from clearer.core.allocator import keep_freed_memory
from clearer.core.errors import one_line
from clearer.core.pressure import Watch
from clearer.deploy.onnx import export, quiet
from clearer.deploy.runtimes import OpenVinoSession
from clearer.inference.budget import ImageSize
from clearer.inference.latency import random_image
from clearer.inference.onnx_network import INPUT, OUTPUT, OnnxNetwork
from clearer.inference.restorer import load
from clearer.methods.bm3d import bm3d
from clearer.zoo.names import ModelName

RUNTIMES = (("PyTorch", "bf16"), ("ONNX Runtime", "fp32"), ("OpenVINO", "fp32"), ("OpenVINO", "bf16"))
LIBRARY = "its own"
SPEED_OF_TIER = {"fast": 3.0, "standard": 1.0, "best": 0.25}
"""Times FFDNet's speed that a tier has at least (docs/models.md)."""
TIERED = ("denoise-gray", "denoise-color", "denoise-photo")
SIGMA = 25.0
LARGEST_BM3D = ImageSize(481, 321)
"""BM3D restores a smaller image: it takes half a minute for a megapixel."""
Image = NDArray[np.float32]
Restore = Callable[[Image], Image]


@dataclass(frozen=True, eq=False)  # each is itself: arrays have no hash
class Turn:
    """A denoiser in a runtime, and the image that it restores."""

    name: str
    runtime: str
    precision: str
    image: Image
    restore: Restore

    @property
    def megapixels(self) -> float:
        return self.image.shape[0] * self.image.shape[1] / 1e6


def measure(
    denoisers: Sequence[Denoiser], channels: int, size: ImageSize, rounds: int, threads: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Time all denoisers in all runtimes that are installed.

    Returns:
        ``rows`` (see `rows_of`), ``left_out`` (what could not be timed, and why), and the conditions.
    """
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as work:
        turns, left_out = prepared(denoisers, channels, size, threads, Path(work), say)
        watch = Watch()
        seconds = in_turns({turn: lambda turn=turn: turn.restore(turn.image) for turn in turns}, rounds, say)
        busy = watch.share()
    packages = ("torch", "onnxruntime", "openvino", "bm3d")
    return {
        "digests": {one.name: one.digest for one in denoisers},
        "size": [size.width, size.height],
        "rounds": rounds,
        "threads": threads,
        "processor": processor(),
        "versions": {name: importlib.metadata.version(name) for name in packages if importlib.util.find_spec(name)},
        "busy": round(busy, 3),
        "left_out": left_out,
        "rows": rows_of(seconds),
    }


def prepared(
    denoisers: Sequence[Denoiser],
    channels: int,
    size: ImageSize,
    threads: int,
    work: Path,
    say: Callable[[str], None],
) -> tuple[list[Turn], list[dict[str, str]]]:
    """Return what takes turns, and what is left out: one denoiser that fails in one runtime costs its row alone."""
    image, small = (random_image(one, channels) for one in (size, smaller(size, LARGEST_BM3D)))
    turns, left_out = [], []
    for denoiser in denoisers:
        if denoiser.kind == "classical":
            restore = bm3d(threads).restore
            view = small if small.ndim == 3 else small[..., None]
            turns.append(Turn(denoiser.name, LIBRARY, "", view, lambda x, restore=restore: restore(x, SIGMA)))
            continue
        for runtime, precision in RUNTIMES:
            say(f"{denoiser.name}: prepared for {runtime} {precision}")
            try:
                restore_one = in_runtime(denoiser, channels, (runtime, precision), threads, work)
            except Exception as error:  # of three libraries, whose errors share no class
                left_out.append({"name": denoiser.name, "runtime": f"{runtime} {precision}", "why": one_line(error)})
                say(f"{denoiser.name}: left out of {runtime} {precision}: {one_line(error)}")
                continue
            turns.append(Turn(denoiser.name, runtime, precision, image, restore_one))
    return turns, left_out


def smaller(size: ImageSize, largest: ImageSize) -> ImageSize:
    return ImageSize(min(size.width, largest.width), min(size.height, largest.height))


def in_runtime(denoiser: Denoiser, channels: int, where: tuple[str, str], threads: int, work: Path) -> Restore:
    """Return a function that restores an image (H, W) or (H, W, C) float32 in memory in a runtime and precision."""
    (runtime, precision), file = where, work / f"{denoiser.digest[:16] or denoiser.name}.onnx"
    if denoiser.kind == "ours":
        if runtime == "PyTorch":
            return load(denoiser.source, "cpu", precision).restore
        if not file.exists():
            export(denoiser.source, onnx=file)
        restorer = load(file, "cpu")
        assert isinstance(restorer.network, OnnxNetwork)
        if runtime == "OpenVINO":
            restorer.network.session = OpenVinoSession(file, threads, hint(precision))
        return restorer.restore
    network = network_of(denoiser.name, channels, 50.0 if denoiser.name == "DnCNN" else SIGMA)
    if runtime == "PyTorch":
        return by_torch(network, torch.bfloat16 if precision == "bf16" else torch.float32)
    if not file.exists():
        export_plain(network, channels, file)
    if runtime == "OpenVINO":
        return by_session(OpenVinoSession(file, threads, hint(precision)))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return by_session(onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]))


def hint(precision: str) -> str:
    """Return OpenVINO's name of a precision."""
    return "f32" if precision == "fp32" else precision


def by_torch(network: nn.Module, kind: torch.dtype) -> Restore:
    network = network.to(kind)

    def restore(image: Image) -> Image:
        with torch.inference_mode():
            return as_image(network(as_batch(image).to(kind)).float(), image)

    return restore


def by_session(session: Any) -> Restore:
    def restore(image: Image) -> Image:
        (y,) = session.run([OUTPUT], {INPUT: as_batch(image).contiguous().numpy()})
        return as_image(torch.from_numpy(y), image)

    return restore


def as_batch(image: Image) -> Tensor:
    return torch.from_numpy(image).reshape(*image.shape[:2], -1).permute(2, 0, 1)[None]


def as_image(y: Tensor, like: Image) -> Image:
    found: Image = y[0].permute(1, 2, 0).clamp(0, 1).reshape(like.shape).numpy()
    return found


def export_plain(network: nn.Module, channels: int, file: Path) -> None:
    """Write FFDNet or DnCNN as ONNX with fp32 weights, for images of any even height and width."""
    height, width = (2 * torch.export.Dim(name) for name in ("half_height", "half_width"))
    with quiet():
        program = torch.onnx.export(
            network,
            (torch.rand(1, channels, 64, 96),),
            dynamo=True,
            dynamic_shapes=({2: height, 3: width},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    assert program is not None
    program.save(str(file))


def in_turns(
    runs: Mapping[Turn, Callable[[], object]], rounds: int, say: Callable[[str], None]
) -> dict[Turn, list[float]]:
    """Return the seconds of each run in each round, after one run of each that allocates and compiles.

    In PyTorch an untimed run comes before each timed one: the turns of others push its convolutions out of oneDNN's
    cache, from which images that follow one another with one model take them.
    """
    for turn, run in runs.items():
        say(f"{turn.name}: warms up in {turn.runtime} {turn.precision}")
        run()
    seconds: dict[Turn, list[float]] = {turn: [] for turn in runs}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for turn, run in runs.items():
            if turn.runtime == "PyTorch":
                run()
            start = time.perf_counter()
            run()
            seconds[turn].append(time.perf_counter() - start)
    return seconds


def rows_of(seconds: Mapping[Turn, Sequence[float]]) -> list[dict[str, Any]]:
    """Return a row for each: milliseconds per megapixel by the median, and the speed relative to FFDNet's.

    ``ratio_to_ffdnet`` is that to FFDNet in the same runtime and precision, of BM3D that to FFDNet in PyTorch; None
    where FFDNet was not timed there.
    """
    took = {turn: 1000 * statistics.median(found) / turn.megapixels for turn, found in seconds.items()}
    ffdnet = {(turn.runtime, turn.precision): value for turn, value in took.items() if turn.name == "FFDNet"}
    rows = []
    for turn, value in took.items():
        beside = ffdnet.get(RUNTIMES[0] if turn.runtime == LIBRARY else (turn.runtime, turn.precision))
        rows.append(
            {
                "name": turn.name,
                "runtime": turn.runtime,
                "precision": turn.precision,
                "ms_per_megapixel": round(value, 2),
                "ratio_to_ffdnet": None if beside is None else round(beside / value, 4),
                "megapixels": round(turn.megapixels, 4),
                "seconds": [round(one, 5) for one in seconds[turn]],
            }
        )
    return rows


def below_tier(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each model of today that is slower in PyTorch than the tier that its name states."""
    lines = []
    for row in rows:
        name, ratio = ModelName.parse(row["name"]), row["ratio_to_ffdnet"]
        least = SPEED_OF_TIER.get(name.tier, 0.0) if name.base in TIERED and name.date is None else 0.0
        if (row["runtime"], row["precision"]) == RUNTIMES[0] and ratio is not None and ratio < least:
            lines.append(f"{row['name']}: {ratio:.2f} times FFDNet's speed, and its tier has {least:g} or more")
    return lines
