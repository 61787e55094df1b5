"""The speed of models on this machine, measured once and kept in the user's cache folder."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clearer.core.cache_folder import cache_folder
from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.core.pressure import Watch
from clearer.core.shape import check_shape
from clearer.core.version import __version__
from clearer.network.architecture import Architecture

SIDE, SIDE_ON_GPU = 500, 1000
"""Side in pixels of the image that is timed: on a CPU a quarter of a megapixel takes a quarter of the time."""
RUNS, ENOUGH = 4, 1.5
"""Runs, of which the first warms up; after so many seconds there are no more."""


@dataclass(frozen=True)
class Speed:
    """The speed of a model on a device of this machine.

    Attributes:
        seconds: per megapixel, reading and writing files not included.
        device: such as ``"cpu"``.
        precision: ``"fp32"`` or ``"bf16"``.
        busy: whether other programs kept the processors busy meanwhile, so that the time is too long.
    """

    seconds: float
    device: str
    precision: str
    busy: bool = False


def speed_file() -> Path:
    """Return where speeds are remembered."""
    return cache_folder() / "speed.json"


def remembered_speeds() -> dict[str, Speed]:
    """Return the speeds measured on this machine with this version, by `speed_key`.

    A file that is missing or damaged counts as empty.
    """
    found = {}
    for digest, value in _object(_read().get(_machine())).items():
        try:
            check_shape(value, Speed)
            found[digest] = Speed(**value)
        except (TypeError, ValueError):
            continue  # of another version, or damaged
    return found


def remember_speeds(speeds: Mapping[str, Speed]) -> None:
    """Add speeds of this machine, by `speed_key`, to those that are remembered.

    Raises:
        UserError: the file cannot be written.
    """
    stated = _read()
    mine = _object(stated.get(_machine()))
    stated[_machine()] = mine | {digest: asdict(speed) for digest, speed in speeds.items()}
    write_json(speed_file(), stated)


def speed_key(architecture: Architecture, differs_in_bf16: bool) -> str:
    """Return what the speed of a model depends on: its architecture, and whether its default is fp32."""
    return architecture.digest + ("-fp32" if differs_in_bf16 else "")


def measure_speed(model: str | Path) -> Speed:
    """Time a model on an image of 8 bits, on the device and in the precision that are chosen by default.

    Args:
        model: see `clearer.load`.

    Returns:
        The fastest of four runs, of fewer if they take long.

    Raises:
        UserError: see `clearer.load`.
    """
    import numpy as np

    from clearer.inference.restorer import load

    restorer = load(model)
    side = SIDE if restorer.device.type == "cpu" else SIDE_ON_GPU
    shape = (side, side, restorer.architecture.channels)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    seconds: list[float] = []
    watch, start = Watch(), time.perf_counter()
    while len(seconds) < RUNS and (not seconds or time.perf_counter() - start < ENOUGH):
        begun = time.perf_counter()
        restorer.restore(image)
        seconds.append(time.perf_counter() - begun)
    busy = watch.busy and restorer.device.type == "cpu"
    return Speed(min(seconds) * 1e6 / side**2, str(restorer.device), restorer.precision, busy)


def _machine() -> str:
    """Return the machine and versions that a measurement is valid for."""
    # Without torch, which takes seconds to import.
    gpu = ", GPU" if Path("/dev/nvidia0").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") != "" else ""
    limit = os.environ.get("OMP_NUM_THREADS")
    cpus = f"{os.cpu_count()} CPUs" + (f", {limit} threads" if limit else "")
    return f"{platform.node()}, {cpus}{gpu}, clearer {__version__}, torch {version('torch')}"


def _read() -> dict[str, Any]:
    try:
        return _object(read_json(speed_file()))
    except UserError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
