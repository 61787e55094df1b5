"""Several processes that work on one run: torch.distributed under torchrun, and nothing of our own.

Every process holds the whole network and does its share of each batch. The first (rank 0) alone reads
and writes the run folder and speaks. All functions are to be called by all processes in the same order.
With one process they cost nothing, and torch.distributed is not imported.

What is said between processes goes through the CPU (gloo), but for gradients and the like, which go
from device to device (nccl) where they lie on a GPU.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from clearer.core.errors import LostProcess, UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")

_members = (0, 1)  # this process' rank and their number, once they have joined
_joined = False  # for good: it stays so after parting


def launched() -> tuple[int, int]:
    """Return this process' rank and their number as torchrun has set them; (0, 1) without torchrun."""
    if not all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def local_rank() -> int:
    """Return the place of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def rank() -> int:
    """Return the place of this process among all; 0 is the first, which writes and speaks."""
    return _members[0]


def world() -> int:
    """Return how many processes have joined."""
    return _members[1]


def has_joined() -> bool:
    """Whether this process has met others, be they gone again."""
    return _joined


def join() -> None:
    """Meet the other processes that torchrun has started, if there are any."""
    global _members, _joined
    if launched()[1] == 1 or world() > 1:
        return
    import torch
    import torch.distributed as dist

    with _told():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    _members, _joined = launched(), True
    # A process that ends without it takes threads down with it, which ends in SIGABRT.
    atexit.register(leave)


def leave() -> None:
    """Part from the other processes."""
    global _members
    if world() > 1:
        import torch.distributed as dist

        _members = (0, 1)
        with suppress(Exception):  # the others may be gone
            dist.destroy_process_group()


def part() -> None:
    """Part when the common work is done, all at once: nobody closes a connection that another still reads from."""
    if world() > 1:
        agreed(0)  # each waits for all; by the CPU, as a barrier would not on a GPU
        leave()


@contextmanager
def _told() -> Iterator[None]:
    """Turn a broken connection into one line."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0].split("] ", 1)[-1].split(". ")[0].strip()
        raise LostProcess(
            f"torchrun: another process of this run is gone ({reason}); the checkpoints are intact: "
            "run the same command to go on"
        ) from error


def shared(data: bytes, source: int = 0) -> bytes:
    """Return the ``data`` of process ``source``; what the others give is not looked at."""
    if world() == 1:
        return data
    import torch
    import torch.distributed as dist

    with _told():
        size = torch.tensor(len(data))
        dist.broadcast(size, source)
        mine = rank() == source
        # A copy, as torch wants memory that it may write to.
        content = torch.frombuffer(bytearray(data or b"\0"), dtype=torch.uint8) if mine else None
        if content is None:
            content = torch.empty(max(1, int(size)), dtype=torch.uint8)
        dist.broadcast(content, source)
    return data if mine else content.numpy().tobytes()[: int(size)]


def first(do: Callable[[], T]) -> T:
    """Call ``do`` in the first process alone and return its result, a JSON value, in all.

    Raises:
        UserError: in all processes, where ``do`` raised one.
    """
    if world() == 1:
        return do()
    said = "null"
    if rank() == 0:
        try:
            said = json.dumps({"value": do()})
        except UserError as error:
            said = json.dumps({"error": str(error)})
    heard = json.loads(shared(said.encode()))
    if "error" in heard:
        raise UserError(heard["error"])
    value: T = heard["value"]
    return value


def together(do: Callable[[], T]) -> T:
    """Call ``do`` in every process and return each its own result.

    Raises:
        UserError: in all processes, where ``do`` raised one in any; the first one's, with its process.
    """
    if world() == 1:
        return do()
    fault = b""
    try:
        value = do()
    except UserError as error:
        fault = str(error).encode()
    (failed,) = agreed(world() - rank() if fault else 0)
    if failed:
        source = world() - failed
        text = shared(fault, source).decode()
        raise UserError(f"process {source}: {text}" if source else text)
    return value


def agreed(*numbers: int) -> tuple[int, ...]:
    """Return the largest of each number over all processes."""
    if world() == 1:
        return numbers
    import torch
    import torch.distributed as dist

    with _told():
        values = torch.tensor(numbers)
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return tuple(values.tolist())


def total(value: Tensor) -> Tensor:
    """Return the sum over processes, the same bits in all; ``value`` may be overwritten. No gradient passes."""
    if world() > 1:
        import torch.distributed as dist

        with _told():
            dist.all_reduce(value)
    return value


def mean_gradients(parameters: Iterable[nn.Parameter], *values: Tensor) -> list[Tensor]:
    """Set all gradients to their means over processes, in one message; return ``values``' means.

    ``values`` are scalars to be logged: so every process logs and checks the same bits.
    """
    if world() == 1:
        return list(values)
    import torch

    with torch.no_grad():
        gradients = [p.grad for p in parameters if p.grad is not None]
        pieces = [*gradients, *(value.detach().float() for value in values)]
        flat = total(torch.cat([piece.reshape(-1) for piece in pieces])).div_(world())
        parts = torch.split(flat, [piece.numel() for piece in pieces])
        means = [part.view(piece.shape) for part, piece in zip(parts, pieces, strict=True)]
        torch._foreach_copy_(gradients, means[: len(gradients)])
    return means[len(gradients) :]


def same_everywhere(network: nn.Module) -> None:
    """Give all processes the first one's weights (on the CPU): machines of other kinds may draw others."""
    if world() == 1:
        return
    import torch.distributed as dist

    with _told():
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, 0)


def check_batch(key: str, batch: int) -> None:
    """Refuse a batch, that of all processes together, of which they cannot have equal shares.

    Raises:
        UserError: it names ``key``.
    """
    if batch % world():
        raise UserError(
            f"{key}: a batch of {batch} patches has no equal shares for {world()} processes; "
            f"make it a multiple of {world()}, or start another number of processes"
        )
