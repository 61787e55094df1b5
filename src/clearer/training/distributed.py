"""Distributed runs: several processes of torchrun work on one run, through torch.distributed.

Every process holds the whole network and computes its share of each batch. Only the first one (rank 0) reads and
writes the run folder and prints. All processes must call these functions in the same order. With one process they
cost nothing, and torch.distributed is not imported.

Messages between processes go through the CPU (gloo); gradients on GPUs go from device to device (nccl).
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

_members = (0, 1)  # rank and number of processes, once they have joined
_joined = False  # stays true after leaving


def launched() -> tuple[int, int]:
    """Return the rank of this process and the number of processes as set by torchrun; (0, 1) without torchrun."""
    if not all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def local_rank() -> int:
    """Return the rank of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def rank() -> int:
    """Return the rank of this process among all; 0 is the first, which writes and prints."""
    return _members[0]


def world() -> int:
    """Return the number of processes that have joined."""
    return _members[1]


def has_joined() -> bool:
    """Return whether this process has joined others, even if it has left them since."""
    return _joined


def join() -> None:
    """Join the other processes that torchrun has started, if there are any.

    Raises:
        LostProcess: one of them has ended.
    """
    global _members, _joined
    if launched()[1] == 1 or world() > 1:
        return
    import torch
    import torch.distributed as dist

    with _broken_connection_in_one_line():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    _members, _joined = launched(), True
    # Without it, the end of the process kills running threads, which raises SIGABRT.
    atexit.register(leave)


def leave() -> None:
    """Leave the other processes."""
    global _members
    if world() > 1:
        import torch.distributed as dist

        _members = (0, 1)
        with suppress(Exception):  # the others may have ended
            dist.destroy_process_group()


def part() -> None:
    """Leave together with all processes when the work is done: none closes a connection that another still reads."""
    if world() > 1:
        agreed(0)  # wait for all on the CPU: a barrier would use the GPU
        leave()


@contextmanager
def _broken_connection_in_one_line() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0].split("] ", 1)[-1].split(". ")[0].strip()
        raise LostProcess(
            f"torchrun: another process of this run has ended ({reason}); the checkpoints are intact. "
            "Rerun the command to resume."
        ) from error


def shared(data: bytes, source: int = 0) -> bytes:
    """Return the ``data`` of process ``source`` in all processes; the ``data`` of the others is ignored."""
    if world() == 1:
        return data
    import torch
    import torch.distributed as dist

    with _broken_connection_in_one_line():
        size = torch.tensor(len(data))
        dist.broadcast(size, source)
        mine = rank() == source
        # A copy: torch needs writable memory.
        content = torch.frombuffer(bytearray(data or b"\0"), dtype=torch.uint8) if mine else None
        if content is None:
            content = torch.empty(max(1, int(size)), dtype=torch.uint8)
        dist.broadcast(content, source)
    return data if mine else content.numpy().tobytes()[: int(size)]


def first(do: Callable[[], T]) -> T:
    """Call ``do`` in the first process only; return its result, a JSON value, in all.

    Raises:
        UserError: in all processes, if ``do`` raises one.
    """
    if world() == 1:
        return do()
    message = "null"
    if rank() == 0:
        try:
            message = json.dumps({"value": do()})
        except UserError as error:
            message = json.dumps({"error": str(error)})
    received = json.loads(shared(message.encode()))
    if "error" in received:
        raise UserError(received["error"])
    value: T = received["value"]
    return value


def together(do: Callable[[], T]) -> T:
    """Call ``do`` in every process; each gets its own result.

    Raises:
        UserError: in all processes, if ``do`` raises one in any; it names the first of these processes.
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

    with _broken_connection_in_one_line():
        values = torch.tensor(numbers)
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return tuple(values.tolist())


def total(value: Tensor) -> Tensor:
    """Return the sum over processes, the same bits in all, without gradient; ``value`` may be overwritten."""
    if world() > 1:
        import torch.distributed as dist

        with _broken_connection_in_one_line():
            dist.all_reduce(value)
    return value


def mean_gradients(parameters: Iterable[nn.Parameter], *values: Tensor) -> list[Tensor]:
    """Set all gradients to their means over processes, in one message; return the means of ``values``.

    A gradient that this process lacks counts as zeros if another one has it. ``values`` are scalars to log: every
    process logs and checks the same bits.
    """
    if world() == 1:
        return list(values)
    import torch

    with torch.no_grad():
        whole = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in whole]
        found = torch.tensor([float(p.grad is not None) for p in whole], device=whole[0].device)
        pieces = [*gradients, found, *(value.detach().float() for value in values)]
        flat = total(torch.cat([piece.reshape(-1) for piece in pieces])).div_(world())
        parts = torch.split(flat, [piece.numel() for piece in pieces])
        means = [part.view(piece.shape) for part, piece in zip(parts, pieces, strict=True)]
        torch._foreach_copy_(gradients, means[: len(gradients)])
        lacking = [k for k, p in enumerate(whole) if p.grad is None]
        if lacking:
            anywhere = means[len(gradients)].tolist()
            for k in lacking:
                if anywhere[k]:
                    whole[k].grad = gradients[k]
    return means[len(gradients) + 1 :]


def same_everywhere(network: nn.Module) -> None:
    """Copy the first process's weights to all, through the CPU: other machines may draw other random numbers."""
    if world() == 1:
        return
    import torch.distributed as dist

    with _broken_connection_in_one_line():
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, 0)


def check_batch(key: str, batch: int) -> None:
    """Check that the processes can have equal shares of a batch.

    Raises:
        UserError: they cannot; it names the setting ``key``.
    """
    if batch % world():
        raise UserError(
            f"{key}: a batch of {batch} patches cannot be divided equally among {world()} processes; "
            f"make it a multiple of {world()}, or change the number of processes"
        )
