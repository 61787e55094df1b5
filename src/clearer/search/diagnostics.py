"""What to look at in a search: how far the probabilities have parted."""

from __future__ import annotations

from torch import Tensor

from clearer.search.objectives import architecture_loss


def mean_gap(probabilities: Tensor) -> float:
    """Return the mean of |a^p - a^f| over modules (caption of the supplement's Figure 2).

    ``probabilities``: (modules, 2).
    """
    return float((probabilities[:, 0] - probabilities[:, 1]).abs().mean())


def describe_probabilities(probabilities: Tensor) -> dict[str, object]:
    """Return gap, entropy (as L_Arch, in base 10) and the probabilities, as JSON values."""
    return {
        "gap": mean_gap(probabilities),
        "entropy": float(architecture_loss(probabilities)),
        "probabilities": [[round(float(a), 6) for a in row] for row in probabilities],
    }
