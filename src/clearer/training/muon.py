"""Muon: orthogonalized momentum steps for convolutions, AdamW for all other parameters.

A few directions of a weight matrix dominate a step of plain momentum. With all its singular values made equal, rare
directions learn as fast as common ones (Jordan et al., "Muon: an optimizer for hidden layers in neural networks",
2024). Steps have the size of AdamW's (Liu et al., "Muon is scalable for LLM training", 2025), so that one learning
rate serves both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST = 8
"""AdamW moves matrices with a side below this, such as those at the channels of the image."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz polynomial (Jordan et al.)."""
STEPS = 5
"""Newton-Schulz steps."""
RMS = 0.2
"""Root mean square of an orthogonalized step at learning rate 1, about that of AdamW (Liu et al.)."""


def orthogonalized(matrices: Tensor, kind: torch.dtype = torch.float32) -> Tensor:
    """Return matrices (N, rows, columns) with all singular values brought near 1 (0.7 to 1.2), by Newton-Schulz."""
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
    """Muon for convolutions, AdamW for all other parameters.

    Args:
        parameters: the weights of convolutions count as matrices (out, in * kernel).
        lr, betas, weight_decay: those of AdamW, with decoupled decay.
        momentum: Nesterov momentum of the orthogonalized steps.
        kind: number type of the orthogonalization; bfloat16 is precise enough.
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
        """Update all parameters that have gradients."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            others: list[Tensor] = []
            for p in group["params"]:
                if p.grad is None:
                    continue
                shape = (p.shape[0], p[0].numel()) if p.ndim == 4 else (0, 0)
                (alike[shape] if min(shape) >= SMALLEST else others).append(p)
            if others:
                self._adam(others, group)
            for shape, those in alike.items():
                self._orthogonal(those, shape, group)

    def _orthogonal(self, those: list[Tensor], shape: tuple[int, int], group: dict[str, Any]) -> None:
        # All matrices of one shape together: one batched product instead of many small ones, and on a GPU one launch
        # instead of one a parameter.
        beta, grads = group["momentum"], _grads(those)
        for p in those:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        moving = [self.state[p]["momentum"] for p in those]
        torch._foreach_lerp_(moving, grads, 1 - beta)
        ahead = torch._foreach_lerp(grads, moving, beta)
        steps = torch.stack([step.reshape(shape) for step in ahead])
        moves = orthogonalized(steps, self.kind) * (RMS * max(shape) ** 0.5)
        torch._foreach_mul_(those, 1 - group["lr"] * group["weight_decay"])
        by = [move.reshape(p.shape) for p, move in zip(those, moves, strict=True)]
        torch._foreach_add_(those, by, alpha=-group["lr"])

    def _adam(self, those: list[Tensor], group: dict[str, Any]) -> None:
        (beta1, beta2), grads = group["betas"], _grads(those)
        for p in those:
            if not self.state[p]:
                zeros = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
                self.state[p].update(step=torch.zeros(()), **zeros)
            self.state[p]["step"] += 1
        done = [float(self.state[p]["step"]) for p in those]
        means = [self.state[p]["exp_avg"] for p in those]
        squares = [self.state[p]["exp_avg_sq"] for p in those]
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)
        sizes = torch._foreach_div(squares, [1 - beta2**steps for steps in done])
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, 1e-8)
        torch._foreach_mul_(those, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(those, means, sizes, [-group["lr"] / (1 - beta1**steps) for steps in done])


def _grads(those: list[Tensor]) -> list[Tensor]:
    return [p.grad for p in those if p.grad is not None]
