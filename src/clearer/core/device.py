"""Choose the device and the precision of a computation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from clearer.core.errors import UserError


def find_device(device: str | torch.device, *, mps: bool) -> torch.device:
    """Return the device of this name; ``auto`` is the GPU if there is one.

    Args:
        device: such as ``auto``, ``cpu``, ``cuda:1``.
        mps: whether ``auto`` may be an Apple GPU too.

    Raises:
        UserError: this machine, or this build of torch, has no such device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if mps and torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)  # raises if the device does not exist
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UserError(
            f"device: {str(device)!r} is not available on this machine or in this build of torch; use auto or cpu"
        ) from None
    return found


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` is bf16 where the hardware multiplies it natively.

    On a GPU it also turns TF32 off for the process: cuDNN's convolutions would round their inputs otherwise.
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
