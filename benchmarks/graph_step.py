"""A training step as one CUDA graph: the network forward and backward, the optimizer, the averaged weights.

A small network's step launches thousands of kernels, which takes a GPU's host longer than computing them takes the GPU
(docs/performance.md). A graph is one launch. It is `WeightTraining.step` with Muon but for rounding: what changes from
step to step (batch, levels, learning rate, counts) lies in tensors that are filled before each replay, and the weights
of convolutions are orthogonalized in the order in which they lie in memory, which copies nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from clearer.losses.base import Batch
from clearer.losses.supervised import Supervised
from clearer.training.muon import RMS, SMALLEST, orthogonalized
from clearer.training.trainer import WeightTraining

WARM_UP = 4
"""Steps before the capture, at learning rate 0: they let cuDNN choose its algorithms."""
AHEAD = 4
"""Steps that the host may be ahead of the device, so that the clock that sets the learning rate is right."""


def on_its_device(device: torch.device) -> None:
    """Make a CUDA device the one whose streams are taken from now on: no other's work would be captured."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


class Drawing:
    """Draws batches beside the replay of the last step, which a draw that reads numbers back would else wait for."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream() if device.type == "cuda" else None
        if self.stream is not None:  # the images may be on their way to the device
            self.stream.wait_stream(torch.cuda.current_stream())

    def __call__(self, draw: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Return what ``draw`` returns, ready for the current stream."""
        with torch.cuda.stream(self.stream):  # nothing on a CPU
            drawn = draw()
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)
            for one in drawn:
                one.record_stream(torch.cuda.current_stream())
        return drawn


def captured(compute: Callable[[], None]) -> Any:
    """Return the CUDA graph of ``compute``, after `WARM_UP` calls, which change what it changes."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # type: ignore[no-untyped-call]
        for _ in range(WARM_UP):
            compute()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        compute()
    return graph


def clipped(grads: list[Tensor], limit: float | None) -> Tensor:
    """Scale gradients to a norm of at most ``limit``, in place; return the norm they had."""
    norm = torch.stack(torch._foreach_norm(grads)).norm()
    if limit:
        torch._foreach_mul_(grads, (limit / (norm + 1e-6)).clamp(max=1.0))
    return norm


def give_moments(optimizer: torch.optim.Optimizer, moments: dict[nn.Parameter, dict[str, Tensor]]) -> None:
    """Copy tensors in use to the state of an optimizer, for a checkpoint."""
    for parameter, held in moments.items():
        # Optimizers count on the CPU.
        optimizer.state[parameter] = {k: (v.cpu() if k == "step" else v).clone() for k, v in held.items()}


def take_moments(optimizer: torch.optim.Optimizer, moments: dict[nn.Parameter, dict[str, Tensor]]) -> None:
    """Fill tensors in use with the state of an optimizer, as a checkpoint has it; with zeros where it has none."""
    for parameter, held in moments.items():
        found = optimizer.state.get(parameter, {})
        for name, value in held.items():
            value.copy_(torch.as_tensor(found.get(name, 0.0)))


class GraphStep:
    """Steps of a job whose optimizer is Muon. On a CPU the same operations run one by one, for tests."""

    def __init__(self, job: WeightTraining) -> None:
        if job.settings.optimizer.kind != "muon":
            raise SystemExit("graphs are written for train.optimizer.kind=muon; train with plain steps")
        if not isinstance(job.loss, Supervised):
            raise SystemExit(f"graphs are written for losses against clean patches, not {job.settings.loss}")
        if any(isinstance(module, nn.BatchNorm2d) for module in job.network.modules()):
            raise SystemExit("graphs are written for networks without batch norm; train with plain steps")
        if job.context.world > 1:
            raise SystemExit("graphs are written for one process; run without torchrun")
        self.job, self.device = job, job.context.device
        on_its_device(self.device)
        self.kind = torch.bfloat16 if job.context.precision == "bf16" else torch.float32
        self.weights = [p for p in job.network.parameters() if p.requires_grad]
        self.rate, self.forget, self.count = (torch.zeros((), device=self.device) for _ in range(3))
        self.first = [torch.zeros_like(p) for p in self.weights]
        self.second = [torch.zeros_like(p) for p in self.weights]
        self.alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for k, p in enumerate(self.weights):
            shape = (p.shape[0], p[0].numel()) if p.ndim == 4 else (0, 0)
            self.alike[shape if min(shape) >= SMALLEST else (0, 0)].append(k)
        self.others = self.alike.pop((0, 0), [])
        self.drawing = Drawing(self.device)
        self.given = tuple(one.clone() for one in self.drawing(self._batch))
        self.loss, self.norm = (torch.zeros((), device=self.device) for _ in range(2))
        self.graph: Any = None
        self.events: list[Any] = []
        job.network.train()
        if self.device.type == "cuda":
            self.graph = captured(self._compute)
            self.reset()

    def __call__(self, rate: float, step: int) -> Tensor:
        """Carry out a step; return its loss, which the next step overwrites."""
        for mine, new in zip(self.given, self.drawing(self._batch), strict=True):
            mine.copy_(new)
        decay = self.job.settings.average
        self.rate.fill_(rate)
        self.forget.fill_(1 - min(decay, (1 + step) / (10 + step)))
        if self.graph is None:
            self._compute()
        else:
            self.graph.replay()
            self._wait()
        return self.loss

    def _batch(self) -> tuple[Tensor, ...]:
        """Return the next batch: degraded and clean patches and, where the network takes them, levels."""
        batch = self.job.sampler.draw()
        assert batch.clean is not None
        told = (self.job.levels.draw(batch),) if self.job.levels.needed else ()
        return batch.degraded, batch.clean, *told

    def reset(self) -> None:
        """Forget the moments."""
        torch._foreach_zero_([*self.first, *self.second, self.count])

    def moments(self) -> dict[nn.Parameter, dict[str, Tensor]]:
        """Return the state of a `Muon` that has taken these steps; the tensors are those in use."""
        others = set(self.others)
        return {
            p: {"step": self.count, "exp_avg": self.first[k], "exp_avg_sq": self.second[k]}
            if k in others
            else {"momentum": self.first[k]}
            for k, p in enumerate(self.weights)
        }

    def _wait(self) -> None:
        event = torch.cuda.Event()
        event.record()  # type: ignore[no-untyped-call]
        self.events.append(event)
        if len(self.events) > AHEAD:
            self.events.pop(0).synchronize()

    def _compute(self) -> None:
        job = self.job
        loss = job.loss(self._restored, Batch(self.given[0], self.given[1]))
        grads = list(torch.autograd.grad(loss, self.weights))
        with torch.no_grad():
            self.loss.copy_(loss.detach())
            self.norm.copy_(clipped(grads, job.settings.optimizer.clip))
            torch._foreach_mul_(self.weights, 1 - self.rate * job.settings.optimizer.weight_decay)
            for shape, which in self.alike.items():
                self._orthogonal(shape, which, grads)
            if self.others:
                self._adam(grads)
            self._average()

    def _restored(self, x: Tensor) -> Tensor:
        bf16 = self.kind == torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            restored: Tensor = self.job.network(x.contiguous(memory_format=torch.channels_last), *self.given[2:])
        return restored.float()

    def _orthogonal(self, shape: tuple[int, int], which: list[int], grads: list[Tensor]) -> None:
        beta = self.job.settings.optimizer.momentum
        those, moving, new = ([of[k] for k in which] for of in (self.weights, self.first, grads))
        torch._foreach_lerp_(moving, new, 1 - beta)
        ahead = torch._foreach_lerp(new, moving, beta)
        # Rows by output; the order of the columns changes no singular value.
        matrices = torch.stack([one.permute(0, 2, 3, 1).reshape(shape) for one in ahead])
        moves = orthogonalized(matrices, self.kind) * (self.rate * (-RMS * max(shape) ** 0.5))
        sizes = [(p.shape[0], p.shape[2], p.shape[3], p.shape[1]) for p in those]
        by = [move.view(size).permute(0, 3, 1, 2) for move, size in zip(moves, sizes, strict=True)]
        torch._foreach_add_(those, by)

    def _adam(self, grads: list[Tensor]) -> None:
        beta1, beta2 = self.job.settings.optimizer.betas
        those, means, squares, new = (
            [of[k] for k in self.others] for of in (self.weights, self.first, self.second, grads)
        )
        self.count += 1
        torch._foreach_lerp_(means, new, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, new, new, value=1 - beta2)
        sizes = torch._foreach_div(squares, 1 - beta2**self.count)
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, 1e-8)
        moves = torch._foreach_div(means, sizes)
        torch._foreach_mul_(moves, -self.rate / (1 - beta1**self.count))
        torch._foreach_add_(those, moves)

    def _average(self) -> None:
        if self.job.averaged is None:
            return
        states = (self.job.averaged.network.state_dict(), self.job.network.state_dict())
        averaged, present = ([v for v in state.values() if v.is_floating_point()] for state in states)
        moves = torch._foreach_sub(present, averaged)
        torch._foreach_mul_(moves, self.forget)
        torch._foreach_add_(averaged, moves)
