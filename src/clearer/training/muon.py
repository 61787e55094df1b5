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
        # All matrices of one shape together: one batched product instead of many small ones.
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
