"""When a search has converged: its letters no longer change and its mixing_weights stay apart."""

from __future__ import annotations

import torch
from torch import Tensor


class Convergence:
    """Counts the architecture steps, up to now, with the same letters and a mean gap of ``gap`` or more.

    The count is kept on the device of the alpha: no step waits for it.

    Args:
        gap: the least mean gap; None: nothing is counted, and nothing settles.
        steps: so many in a row are converged.

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
        self.letters: Tensor | None = None

    @torch.no_grad()
    def note(self, mixing_weights: Tensor) -> None:
        """Take notice of the mixing_weights, (modules, 2), after one more architecture step."""
        if self.gap is None:
            return
        letters = mixing_weights.argmax(dim=1)
        if self.count is None or self.letters is None:
            self.count, self.letters = torch.zeros((), dtype=torch.long, device=letters.device), letters
        apart = (mixing_weights[:, 0] - mixing_weights[:, 1]).abs().mean() >= self.gap
        same = (letters == self.letters).all()
        self.count = (self.count * same + 1) * apart
        self.letters = letters

    def converged(self) -> bool:
        """Return whether the last ``steps`` steps had the same letters and were apart."""
        return self.count is not None and int(self.count) >= self.steps

    def state_dict(self) -> dict[str, Tensor]:
        """Return the count and the letters, for a checkpoint."""
        return {} if self.count is None or self.letters is None else {"count": self.count, "letters": self.letters}

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take them up."""
        if state:
            self.count, self.letters = state["count"].to(device), state["letters"].to(device)
