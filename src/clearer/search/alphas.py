"""Summaries of the architecture parameters of a search: gap, entropy, and whether it has converged."""

from __future__ import annotations

import torch
from torch import Tensor

from clearer.search.objectives import architecture_loss


def gaps(mixing_weights: Tensor) -> Tensor:
    """Return the largest mixing weight minus the second, ``(modules, K)`` -> ``(modules,)``; zero where K is 1."""
    if mixing_weights.shape[1] == 1:
        return torch.zeros_like(mixing_weights[:, 0])
    largest, second = mixing_weights.topk(2, dim=1).values.unbind(1)
    return largest - second


def mean_gap(mixing_weights: Tensor) -> float:
    """Return the mean gap over modules: |a^p - a^f| in the caption of the supplement's Figure 2.

    ``mixing_weights``: (modules, K).
    """
    return float(gaps(mixing_weights).mean())


def describe_mixing_weights(mixing_weights: Tensor) -> dict[str, object]:
    """Return gap, entropy (as L_Arch, in base 10) and the mixing weights, as JSON values."""
    return {
        "gap": mean_gap(mixing_weights),
        "entropy": float(architecture_loss(mixing_weights)),
        "mixing_weights": [[round(float(a), 6) for a in row] for row in mixing_weights],
    }


class Convergence:
    """Counts the architecture steps since the choices last changed or the mean gap was last below ``gap``.

    The count stays on the device of alpha: no step waits for it.

    Args:
        gap: the least mean gap; with None, nothing is counted and the search never counts as converged.
        steps: the number of such steps in a row after which the search has converged.

    >>> convergence = Convergence(0.5, 2)
    >>> for alpha in ([[2.0, 0.0]], [[0.0, 2.0]], [[0.0, 2.0]]):
    ...     convergence.note(torch.tensor(alpha).softmax(1))
    ...     print(convergence.converged())
    False
    False
    True
    """

    def __init__(self, gap: float | None, steps: int) -> None:
        self.gap, self.steps = gap, steps
        self.count: Tensor | None = None
        self.choices: Tensor | None = None

    @torch.no_grad()
    def note(self, mixing_weights: Tensor) -> None:
        """Record the mixing weights, (modules, K), after an architecture step."""
        if self.gap is None:
            return
        choices = mixing_weights.argmax(dim=1)
        if self.count is None or self.choices is None:
            self.count, self.choices = torch.zeros((), dtype=torch.long, device=choices.device), choices
        apart = gaps(mixing_weights).mean() >= self.gap
        same = (choices == self.choices).all()
        self.count = (self.count * same + 1) * apart
        self.choices = choices

    def converged(self) -> bool:
        """Return whether the last ``steps`` steps had the same choices and a mean gap of at least ``gap``."""
        return self.count is not None and int(self.count) >= self.steps

    def state_dict(self) -> dict[str, Tensor]:
        """Return the count and the choices, for a checkpoint."""
        return {} if self.count is None or self.choices is None else {"count": self.count, "letters": self.choices}

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Restore a state that `state_dict` returned."""
        if state:
            self.count, self.choices = state["count"].to(device), state["letters"].to(device)
