"""Restorers in other processes: pickled for spawned ones, and safe threads in forked ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork

T = TypeVar("T")

_threads_used = False


def note_threads() -> None:
    """Note that torch's threads run in this process: a process forked from it inherits their pool without them."""
    global _threads_used
    _threads_used = _threads_used or torch.get_num_threads() > 1


def _after_fork() -> None:
    if _threads_used:
        torch.set_num_threads(1)  # more would wait for ever for threads that only the parent has


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


def refuse_fork(device: torch.device, process: int) -> None:
    """Refuse an accelerator that another process, from which this one was forked, has opened.

    Args:
        device: the device.
        process: the number of the process that opened it.

    Raises:
        UserError: this is another process.
    """
    if device.type != "cpu" and os.getpid() != process:
        raise UserError(
            f"device {device}: cannot be used in a forked process; start processes with "
            "multiprocessing.get_context('spawn')"
        )


def sharing(restorer: T) -> T:
    """Return a copy that shares all its parts; `copy.copy` would pickle the network."""
    other = object.__new__(type(restorer))
    other.__dict__.update(restorer.__dict__)
    return other


def packed(network: torch.nn.Module) -> Any:
    """Return a network in a form that `pickle` takes: its architecture and its weights as arrays."""
    if not isinstance(network, RestorationNetwork):
        return network  # it states its own form
    return network.architecture.to_dict(), {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}


def rebuilt(kind: Callable[..., T], form: Any, card: dict[str, Any], device: str, precision: str) -> T:
    """Return a restorer of the class ``kind`` from what `packed` returned."""
    if not isinstance(form, tuple):
        return kind(form, card, device=device, precision=precision)
    with torch.device("meta"):
        network = RestorationNetwork(Architecture.from_dict(form[0]))
    network.to_empty(device="cpu").load_state_dict({name: torch.from_numpy(value) for name, value in form[1].items()})
    return kind(network, card, device=device, precision=precision)
