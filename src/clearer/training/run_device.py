"""The device of a run, of each of its processes, and what it took."""

from __future__ import annotations

import resource
import sys

import torch

from clearer.core.device import find_device
from clearer.core.errors import UserError
from clearer.training import distributed as processes


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is a CUDA one if there is one. Under torchrun, each process has its own.

    Raises:
        UserError: this machine has no such device, or fewer than processes.
    """
    if processes.launched()[1] > 1:
        return _one_of_several(name, processes.local_rank())
    return find_device(name, mps=False)


def _one_of_several(name: str, place: int) -> torch.device:
    """Return the device of the process at this place on its machine."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device: {name} is one device, where torchrun started several processes; use cuda or auto")
    # Not by trying a CUDA device: every process would then hold memory on the first one.
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if place >= there:
        instead = f"start torchrun --nproc-per-node {there}" if there else "use device=cpu"
        raise UserError(f"device: this machine has {there} CUDA device(s), fewer than processes; {instead}")
    mine = torch.device("cuda", place)
    torch.cuda.set_device(mine)  # where nccl looks
    return mine


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory used so far, in MiB: on the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def device_name(device: torch.device) -> str:
    """Return words for a report, such as ``cpu, 2 threads``, or ``4 x NVIDIA ...`` for as many processes."""
    name = f"{device.type}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return name if processes.world() == 1 else f"{processes.world()} x {name}"
