"""Where and how precisely to compute, and what it took."""

from __future__ import annotations

import resource
import sys
from contextlib import AbstractContextManager, nullcontext

import torch

from clearer.errors import UserError


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is the GPU if there is one.

    Raises:
        UserError: this machine has no such device.
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
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` is bf16 where the hardware multiplies it natively."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
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
    """Return words for a report, such as ``cpu, 2 threads``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"
