"""The free memory, and the memory that a forward pass of the network takes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch

from clearer.network.architecture import Architecture
from clearer.network.live_features import live_numbers

MARGIN = 1.1
FLOATS_PER_PIXEL = 48
"""With these values, no pass of benchmarks/memory/tile_memory.py exceeds `bytes_per_pixel` (docs/restoring.md)."""
SHARE = 0.5
"""The share of the free memory that one pass may take: other programs and the image itself need some."""
_UNKNOWN = 2 * 2**30


def bytes_per_pixel(architecture: Architecture) -> float:
    """Return the memory that a pass of the network takes for each pixel that it sees, in bytes.

    An upper bound for float32 in PyTorch and ONNX Runtime, from the numbers that the network's plan keeps alive and
    measurements on the CPU.
    """
    return 4.0 * (MARGIN * live_numbers(architecture) + FLOATS_PER_PIXEL)


def free_memory(device: torch.device) -> int:
    """Return the bytes that a new pass could take on a device before it is full.

    CUDA: what the driver has left, and what this process keeps unused. Otherwise what Linux says is
    available, within the limit of this process's control group; elsewhere half of the machine's
    memory, or 2 GiB where even that is not known.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + kept)
    found = [_meminfo(), _left_in_control_group()]
    known = [value for value in found if value is not None]
    if known:
        return min(known)
    with contextlib.suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return _UNKNOWN


def _meminfo(path: Path = Path("/proc/meminfo")) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _left_in_control_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    # A container sees its own group at the root; "max" (no limit) is no number.
    with contextlib.suppress(OSError, ValueError):
        limit, used = (int((root / name).read_text()) for name in ("memory.max", "memory.current"))
        # Pages of files that were read count as used, though they are given up first.
        for line in (root / "memory.stat").read_text().splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
        return max(0, limit - used)
    return None


def pixels_that_fit(architecture: Architecture, device: torch.device, batch: int = 1) -> int:
    """Return how many pixels of each of ``batch`` images a pass of the network may see at once."""
    return int(SHARE * free_memory(device) / bytes_per_pixel(architecture) / batch)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether torch ran out of memory; on the CPU it has no exception of its own for it."""
    said = str(error)
    words = ("out of memory", "allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in said for word in words)
