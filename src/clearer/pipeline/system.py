"""What a report of a fault needs to know of the machine and the installation: no user names, no host name."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, TypedDict

from clearer.core.cache_folder import cache_folder
from clearer.core.errors import UserError, one_line
from clearer.core.files import read_json
from clearer.core.packages import needs, version_of
from clearer.core.version import __version__
from clearer.zoo.locate import find_models

PACKAGE = Path(__file__).parents[1]

VARIABLES = (
    "CLEARER_MODELS",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTORCH_ENABLE_MPS_FALLBACK",
    "XDG_CACHE_HOME",
)
"""Variables of the environment that change results or times. No others are shown: they may hold secrets."""

FEATURES = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2",
)  # fmt: skip
"""Instructions that the speed of a network depends on, as Linux names them."""


class Processor(TypedDict):
    """The processor: its features where Linux states them, and how many of its cores this process may use."""

    name: str
    features: list[str]
    cores: int
    usable_cores: int


class System(TypedDict):
    """The report; None stands for what this machine cannot say.

    ``torch`` has the devices, threads and defaults, or the ``error`` that importing it ends in; ``latency`` the files
    of measured pieces, and ``speeds`` the models that were timed on this machine, in seconds per megapixel.
    """

    clearer: str
    location: str
    python: str
    system: str
    packages: dict[str, str | None]
    extras: dict[str, dict[str, str | None]]
    processor: Processor
    memory: dict[str, int | None]
    torch: dict[str, Any]
    environment: dict[str, str]
    cache: str
    latency: list[dict[str, Any]]
    speeds: dict[str, float]
    models: dict[str, str]


def describe_system() -> System:
    """Return the report of this machine. Nothing is measured."""
    stated = needs()
    extras = {extra: names for extra, names in stated["extras"].items() if extra != "dev"}
    folder = cache_folder()
    return {
        "clearer": __version__,
        "location": without_user(PACKAGE),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": _system(),
        "packages": {name: version_of(name) for name in stated["always"]},
        "extras": {extra: {name: version_of(name) for name in names} for extra, names in extras.items()},
        "processor": _processor(),
        "memory": {"total": _total_memory(), "free": None} | _free_memory(),
        "torch": _torch(),
        "environment": {name: without_user(os.environ[name]) for name in VARIABLES if name in os.environ},
        "cache": without_user(folder),
        "latency": [_table(file) for file in sorted(folder.glob("latency-*.json"))],
        "speeds": _speeds(),
        "models": {name: file.source for name, file in find_models(strict=False).items()},
    }


def without_user(path: str | Path) -> str:
    """Return a path with ~ for the home folder; elsewhere USER stands for the user's name.

    >>> without_user(Path.home() / "images")
    '~/images'
    """
    text = str(path)
    with contextlib.suppress(RuntimeError):  # no home
        home = str(Path.home())
        if len(home) > 1 and (text == home or text.startswith(home + os.sep)):
            return "~" + text[len(home) :]
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)", "USER", text)


def _system() -> str:
    name = platform.platform()
    with contextlib.suppress(OSError, KeyError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']} ({name})"
    return name


def _processor() -> Processor:
    stated: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            stated.setdefault(key.strip().lower(), value.strip())
    flags = set((stated.get("flags") or stated.get("features") or "").split())
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "name": stated.get("model name") or platform.processor() or platform.machine(),
        "features": [name for name in FEATURES if name in flags],
        "cores": os.cpu_count() or 1,
        "usable_cores": usable,
    }


def _total_memory() -> int | None:
    with contextlib.suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _free_memory() -> dict[str, int | None]:
    try:
        import torch

        from clearer.inference.memory import free_memory

        return {"free": free_memory(torch.device("cpu"))}
    except Exception:  # `_torch` states why torch fails
        return {}


def _torch() -> dict[str, Any]:
    """Return the devices, threads and defaults of torch; whatever importing it raises is what the report is for."""
    try:
        import torch

        from clearer.core.device import choose_precision, find_device
    except Exception as error:
        return {"error": without_user(one_line(error))}
    device = find_device("auto", mps=True)
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    devices: list[dict[str, Any]] = [{"device": "cpu", "name": torch.backends.cpu.get_cpu_capability(), "memory": None}]
    devices += [{"device": f"cuda:{i}", "name": gpu.name, "memory": gpu.total_memory} for i, gpu in enumerate(gpus)]
    if torch.backends.mps.is_available():
        devices.append({"device": "mps", "name": "Apple GPU", "memory": None})
    return {
        "devices": devices,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "default_device": str(device),
        "default_precision": choose_precision("auto", device),
    }


def _table(file: Path) -> dict[str, Any]:
    """Return what a table of measured pieces is valid for, and how many pieces it has."""
    try:
        kept = read_json(file)
        valid, pieces = dict(kept["valid_for"]), len(kept["milliseconds"])
    except (UserError, KeyError, TypeError, ValueError) as error:
        return {"file": file.name, "error": without_user(one_line(error))}
    shown = {key: valid.get(key) for key in ("device", "threads", "precision", "torch")}
    return {"file": file.name, "pieces": pieces, **shown}


def _speeds() -> dict[str, float]:
    """Return seconds per megapixel of the models that `clearer models` has timed with these versions."""
    if sys.modules.get("torch") is None:  # it could not be imported, and the catalog needs it
        return {}
    from clearer.network.architecture import Architecture
    from clearer.pipeline.speed import remembered_speeds, speed_key
    from clearer.zoo.catalog import models

    known = remembered_speeds()
    found = {}
    try:
        for model in models() if known else ():
            key = speed_key(Architecture.from_dict(model["architecture"]), model["differs_in_bf16"])
            if key in known:
                found[model["name"]] = known[key].seconds
    except UserError:
        return {}
    return found
