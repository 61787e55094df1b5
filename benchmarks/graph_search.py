"""The steps of the published search as CUDA graphs: one of the weights, one of alpha.

A step of the supernet launches thousands of small kernels, which takes a GPU's host longer than computing them takes
the GPU (docs/performance.md). What changes from step to step (batches, learning rate) lies in tensors that are filled
before each replay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from graph_step import Drawing, captured, clipped, give_moments, on_its_device, take_moments  # type: ignore[import-not-found, unused-ignore]
from torch import Tensor, nn

from clearer.losses.base import Batch
from clearer.losses.supervised import MSE
from clearer.recipe.schema import Recipe
from clearer.search.bilevel import SearchJob
from clearer.search.objectives import architecture_loss, complexity_loss
from clearer.training.job import RunContext
from clearer.training.optimizers import learning_rate, set_learning_rate


class GraphSearch(SearchJob):
    """A search whose steps are graphs on a GPU. On a CPU the same operations run one by one, for tests.

    It moves weights and alpha as `SearchJob` does, but for rounding, by SGD and Adam.
    """

    def __init__(self, recipe: Recipe, context: RunContext) -> None:
        super().__init__(recipe, context)
        kinds = self.settings.weights.kind, self.settings.alpha.kind
        if kinds != ("sgd", "adam") or recipe.search_space.takes_level or context.world > 1:
            raise SystemExit("graphs are written for a search by SGD and Adam, of one process and without levels")
        device = context.device
        on_its_device(device)
        self.halves = {"train": self.training, "validation": self.validation}
        self.drawing = Drawing(device)
        self.given = {half: self._kept_draw(half) for half in self.halves}
        self.rates, self.values = ({name: torch.zeros((), device=device) for name in names}
                                   for names in (("weights", "alpha"), VALUES))  # fmt: skip
        self.moving = [torch.zeros_like(p) for p in self.weights]
        self.mean, self.square = (torch.zeros_like(self.supernet.alpha) for _ in range(2))
        self.count = torch.zeros((), device=device)
        self.graphs: dict[str, Any] = {}
        if device.type == "cuda":
            self._capture()

    def weight_step(self, epoch: int) -> dict[str, Tensor]:
        """See `SearchJob`."""
        rate = learning_rate(self.settings.weights, epoch, self.epochs)
        set_learning_rate(self.weight_optimizer, rate)  # the metrics state it
        self.rates["weights"].fill_(rate)
        self._run("train", self._move_weights)
        return {name: self.values[name] for name in ("loss", "grad_norm")}

    def alpha_step(self, epoch: int) -> dict[str, Tensor]:
        """See `SearchJob`."""
        self.rates["alpha"].fill_(learning_rate(self.settings.alpha, epoch, self.epochs))
        self._run("validation", self._move_alpha)
        self.convergence.note(self.supernet.mixing_weights.detach())
        return {name: self.values[name] for name in VALUES[2:]}

    def state_dict(self) -> dict[str, Any]:
        """See `TrainingJob`; the state is one that a plain search can take."""
        for optimizer, moments in self._moments():
            give_moments(optimizer, moments)
        return super().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `TrainingJob`; also that of a plain search."""
        super().load_state_dict(state)
        for optimizer, moments in self._moments():
            take_moments(optimizer, moments)

    def _moments(self) -> list[tuple[torch.optim.Optimizer, dict[nn.Parameter, dict[str, Tensor]]]]:
        """Return the state that each optimizer would have; the tensors are those in use."""
        weights = {p: {"momentum_buffer": moving} for p, moving in zip(self.weights, self.moving, strict=True)}
        alpha = {"step": self.count, "exp_avg": self.mean, "exp_avg_sq": self.square}
        return [(self.weight_optimizer, weights), (self.alpha_optimizer, {self.supernet.alpha: alpha})]

    def _kept_draw(self, half: str) -> tuple[Tensor, ...]:
        """Return a batch that later ones are copied to; it is drawn again as the first."""
        sampler = self.halves[half]
        before = sampler.state_dict()
        kept = tuple(one.clone() for one in self.drawing(lambda: _pair(sampler.draw())))
        sampler.load_state_dict(before)
        return kept

    def _capture(self) -> None:
        before = {name: value.clone() for name, value in self.supernet.state_dict().items()}
        for half, compute in (("train", self._move_weights), ("validation", self._move_alpha)):
            self.graphs[half] = captured(compute)
        self.supernet.load_state_dict(before)  # the rates were 0, but batch norm took its statistics
        torch._foreach_zero_([*self.moving, self.mean, self.square, self.count])

    def _run(self, half: str, compute: Callable[[], None]) -> None:
        new = self.drawing(lambda: _pair(self.halves[half].draw()))
        for mine, one in zip(self.given[half], new, strict=True):
            mine.copy_(one)
        if half in self.graphs:
            self.graphs[half].replay()
        else:
            compute()

    def _restoration(self, half: str) -> Tensor:
        degraded, clean = self.given[half]
        return MSE(self._restored, Batch(degraded, clean))

    def _restored(self, x: Tensor) -> Tensor:
        bf16 = self.context.precision == "bf16"
        with torch.autocast(self.context.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            restored: Tensor = self.supernet(x.contiguous(memory_format=torch.channels_last))
        return restored.float()

    def _move_weights(self) -> None:
        """Carry out a step of SGD with momentum, by L_Res on the training batch."""
        settings = self.settings.weights
        self.supernet.train()
        self.supernet.alpha.requires_grad_(False)
        loss = self._restoration("train")
        found = torch.autograd.grad(loss, self.weights, allow_unused=True)
        self.supernet.alpha.requires_grad_(True)
        used = [k for k, grad in enumerate(found) if grad is not None]
        grads, weights, moving = ([of[k] for k in used] for of in (list(found), self.weights, self.moving))
        with torch.no_grad():
            self.values["loss"].copy_(loss.detach())
            self.values["grad_norm"].copy_(clipped(grads, settings.clip))
            torch._foreach_add_(grads, weights, alpha=settings.weight_decay)
            torch._foreach_mul_(moving, settings.momentum)
            torch._foreach_add_(moving, grads)
            torch._foreach_add_(weights, torch._foreach_mul(moving, -self.rates["weights"]))

    def _move_alpha(self) -> None:
        """Carry out a step of Adam, by L on the validation batch."""
        settings, alpha = self.settings, self.supernet.alpha
        self.supernet.eval()
        with self.supernet.only_alpha():
            restoration, weights = self._restoration("validation"), self.supernet.mixing_weights
            entropy, cost = architecture_loss(weights), complexity_loss(weights, self.costs)
            total = restoration + settings.lambda_arch * entropy + settings.lambda_comp * cost
            (grad,) = torch.autograd.grad(total, [alpha])
        with torch.no_grad():
            for name, value in zip(VALUES[2:], (total, restoration, entropy, cost), strict=True):
                self.values[name].copy_(value.detach())
            clipped([grad], settings.alpha.clip)
            self._adam(alpha, grad.add(alpha, alpha=settings.alpha.weight_decay))

    def _adam(self, alpha: Tensor, grad: Tensor) -> None:
        beta1, beta2 = self.settings.alpha.betas
        self.count += 1
        self.mean.lerp_(grad, 1 - beta1)
        self.square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        size = (self.square / (1 - beta2**self.count)).sqrt() + 1e-8
        alpha.sub_(self.rates["alpha"] / (1 - beta1**self.count) * self.mean / size)


VALUES = ("loss", "grad_norm", "loss_validation", "loss_res", "loss_arch", "loss_comp")
"""What a step reports: two of the weights', four of alpha's."""


def _pair(batch: Batch) -> tuple[Tensor, Tensor]:
    if batch.clean is None:
        raise SystemExit("graphs are written for a search with clean images")
    return batch.degraded, batch.clean
