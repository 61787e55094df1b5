"""Where and how precisely to compute, and what it took."""

from __future__ import annotations

import resource
import sys
from contextlib import AbstractContextManager, nullcontext

import torch

from clearer.errors import UserError
from clearer.training import processes


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is the GPU if there is one. Under torchrun, each process has its own.

    Raises:
        UserError: this machine has no such device, or fewer than processes.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"device: {name} is asked for, but this machine or this build of torch has no CUDA device; use device=auto"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("device: mps is asked for, but this machine has none; use device=auto")
    return _one_of_several(device, processes.local_rank()) if processes.launched()[1] > 1 else device


def _one_of_several(device: torch.device, place: int) -> torch.device:
    """Return the device of the process at this place on its machine."""
    if str(device) not in ("cpu", "cuda"):
        raise UserError(f"device: {device} is one device, where torchrun started several processes; use cuda or auto")
    if device.type == "cpu":
        return device
    there = torch.cuda.device_count()
    if place >= there:
        raise UserError(f"device: this machine has {there} CUDA device(s); start torchrun --nproc-per-node {there}")
    mine = torch.device("cuda", place)
    torch.cuda.set_device(mine)  # where nccl looks
    return mine


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` is bf16 where the hardware multiplies it natively.

    On a GPU, fp32 means float32 from then on: cuDNN's convolutions would round their inputs to TF32 otherwise.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)():
        return "bf16"
    return "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs in ``precision``."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


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
