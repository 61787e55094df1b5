"""The device of each process of a run: choose it, place a network on it, and report its name and peak memory."""

from __future__ import annotations

import sys
from typing import TypeVar

import torch
from torch import nn

from clearer.core.device import find_device
from clearer.core.errors import UserError
from clearer.training import distributed
from clearer.training.sync_batchnorm import use_global_statistics

Network = TypeVar("Network", bound=nn.Module)


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is a CUDA device if there is one.

    Under torchrun, each process gets a CUDA device of its own.

    Raises:
        UserError: this machine lacks the device, or has fewer devices than processes.
    """
    if distributed.launched()[1] > 1:
        return _one_of_several(name, distributed.local_rank())
    return find_device(name, mps=False)


def _one_of_several(name: str, place: int) -> torch.device:
    """Return the device of the process with this rank on its machine."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device: {name} is one device, and torchrun started several processes; use cuda or auto")
    # Counted, because trying a CUDA device would make every process hold memory on the first one.
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if place >= there:
        instead = f"start torchrun --nproc-per-node {there}" if there else "use device=cpu"
        raise UserError(f"device: this machine has {there} CUDA device(s), fewer than processes; {instead}")
    mine = torch.device("cuda", place)
    torch.cuda.set_device(mine)  # nccl uses the current device
    return mine


def on_device(network: Network, device: torch.device) -> Network:
    """Move a network to its device, channels last.

    In a distributed run, all processes get the first one's weights, and batch norms see the whole batch.
    """
    if distributed.world() > 1:
        distributed.same_everywhere(network)
        use_global_statistics(network, distributed.total, distributed.world())
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory used so far, in MiB: on the GPU, or of this process; 0 where that is not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def device_name(device: torch.device) -> str:
    """Return the device in words, such as ``cpu, 2 threads``, or ``4 x NVIDIA ...`` for 4 processes."""
    name = f"{device.type}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return name if distributed.world() == 1 else f"{distributed.world()} x {name}"
