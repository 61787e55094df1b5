"""When a search has settled: its letters no longer change and its probabilities stay apart."""

from __future__ import annotations

import torch
from torch import Tensor


class Settling:
    """Counts the architecture steps, up to now, with the same letters and a mean gap of ``gap`` or more.

    The count is kept on the device of the logits: no step waits for it.

    Args:
        gap: the least mean gap; None: nothing is counted, and nothing settles.
        steps: so many in a row are settled.

    >>> settling = Settling(0.5, 2)
    >>> for logits in ([[2.0, 0.0]], [[0.0, 2.0]], [[0.0, 2.0]]):
    ...     settling.note(torch.tensor(logits).softmax(1))
    ...     print(settling.settled())
    False
    False
    True
    """

    def __init__(self, gap: float | None, steps: int) -> None:
        self.gap, self.steps = gap, steps
        self.count: Tensor | None = None
        self.letters: Tensor | None = None

    @torch.no_grad()
    def note(self, probabilities: Tensor) -> None:
        """Take notice of the probabilities, (modules, 2), after one more architecture step."""
        if self.gap is None:
            return
        letters = probabilities.argmax(dim=1)
        if self.count is None or self.letters is None:
            self.count, self.letters = torch.zeros((), dtype=torch.long, device=letters.device), letters
        apart = (probabilities[:, 0] - probabilities[:, 1]).abs().mean() >= self.gap
        same = (letters == self.letters).all()
        self.count = (self.count * same + 1) * apart
        self.letters = letters

    def settled(self) -> bool:
        """Return whether the last ``steps`` steps had the same letters and were apart."""
        return self.count is not None and int(self.count) >= self.steps

    def state_dict(self) -> dict[str, Tensor]:
        """Return the count and the letters, for a checkpoint."""
        return {} if self.count is None or self.letters is None else {"count": self.count, "letters": self.letters}

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take them up."""
        if state:
            self.count, self.letters = state["count"].to(device), state["letters"].to(device)
