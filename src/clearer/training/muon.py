"""Muon: momentum whose steps are orthogonalized, for the convolutions; AdamW for all else.

A step of plain momentum is ruled by few directions of a weight matrix; with all its singular values
made equal, rare directions learn as fast as common ones. After Jordan et al., "Muon: an optimizer for
hidden layers in neural networks" (2024); the size of the steps is that of AdamW's, as in Liu et al.,
"Muon is scalable for LLM training" (2025), so that one learning rate serves both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST = 8
"""Matrices with a side below this (the image's own channels) are left to AdamW."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
RMS = 0.2
"""Root mean square of an orthogonalized step at rate 1: about that of AdamW's."""


def orthogonalized(matrices: Tensor, kind: torch.dtype = torch.float32) -> Tensor:
    """Return ``(N, rows, columns)`` with all singular values brought near 1 (0.7 to 1.2), by Newton-Schulz steps."""
    turned = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if turned else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(kind)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    found: Tensor = (x.mT if turned else x).to(matrices.dtype)
    return found


class Muon(torch.optim.Optimizer):
    """See the module.

    Args:
        parameters: convolutions' weights are taken as matrices, ``(out, in * kernel)``.
        lr, betas, weight_decay: as of AdamW; the decay is decoupled.
        momentum: of the orthogonalized steps (Nesterov's).
        kind: in what the orthogonalization computes; bfloat16 is enough for it, where it is fast.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        kind: torch.dtype = torch.float32,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        super().__init__(list(parameters), defaults)
        self.kind = kind

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move all parameters that have gradients."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is None:
                    continue
                shape = (p.shape[0], p[0].numel()) if p.ndim == 4 else (0, 0)
                if min(shape) >= SMALLEST:
                    alike[shape].append(p)
                else:
                    self._adam(p, group)
            for shape, those in alike.items():
                self._orthogonal(those, shape, group)

    def _orthogonal(self, those: list[nn.Parameter], shape: tuple[int, int], group: dict[str, Any]) -> None:
        beta = group["momentum"]
        steps = []
        for p in those:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            moving = state["momentum"].lerp_(p.grad, 1 - beta)
            steps.append(p.grad.lerp(moving, beta).reshape(shape))  # type: ignore[union-attr]
        # Those of one shape go together: many small products of matrices in one.
        moves = orthogonalized(torch.stack(steps), self.kind) * (RMS * max(shape) ** 0.5)
        for p, move in zip(those, moves, strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(move.reshape(p.shape), alpha=-group["lr"])

    def _adam(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        state["step"] += 1
        done = float(state["step"])
        assert p.grad is not None
        state["exp_avg"].lerp_(p.grad, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
        size = (state["exp_avg_sq"] / (1 - beta2**done)).sqrt_().add_(1e-8)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.addcdiv_(state["exp_avg"], size, value=-group["lr"] / (1 - beta1**done))
