"""What to look at in a search: how far the mixing_weights have parted."""

from __future__ import annotations

from torch import Tensor

from clearer.search.objectives import architecture_loss


def mean_gap(mixing_weights: Tensor) -> float:
    """Return the mean of |a^p - a^f| over modules (caption of the supplement's Figure 2).

    ``mixing_weights``: (modules, 2).
    """
    return float((mixing_weights[:, 0] - mixing_weights[:, 1]).abs().mean())


def describe_mixing_weights(mixing_weights: Tensor) -> dict[str, object]:
    """Return gap, entropy (as L_Arch, in base 10) and the mixing_weights, as JSON values."""
    return {
        "gap": mean_gap(mixing_weights),
        "entropy": float(architecture_loss(mixing_weights)),
        "mixing_weights": [[round(float(a), 6) for a in row] for row in mixing_weights],
    }
