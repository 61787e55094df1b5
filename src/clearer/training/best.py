"""The best weights of a training so far, chosen by the validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from clearer.evaluation.no_reference import Estimate


@dataclass
class Best:
    """The best validation so far, and the weights that gave it. Epochs count from 1; 0 before the first one.

    Args:
        epoch: when.
        psnr: on the validation images in dB; without ground truth an estimate.
        weights: state of the network.
        estimate: without ground truth: that of the weights.
        leading: without ground truth: the one of the smallest error so far.
    """

    epoch: int = 0
    psnr: float = float("-inf")
    weights: dict[str, Tensor] = field(default_factory=dict)
    estimate: Estimate | None = None
    leading: Estimate | None = None

    def is_beaten_by(self, psnr: float, estimate: Estimate | None = None) -> bool:
        """Return whether weights of this PSNR replace the best ones.

        Estimates have an uncertainty: the latest weights count as the best if their error is within one standard error
        of the smallest. The smallest of many estimates is partly luck, and later weights are rarely worse.
        """
        if estimate is None or self.leading is None:
            return psnr > self.psnr
        if len(estimate.errors) != len(self.leading.errors):  # of a checkpoint of a version that divided otherwise
            return psnr > self.psnr
        gain, error = estimate.gain_over(self.leading)
        return gain >= 0 or gain >= -error

    def followed_by(self, epoch: int, psnr: float, weights: dict[str, Tensor], estimate: Estimate | None) -> Best:
        """Return the best after weights that beat it."""
        leads = self.leading is None or (estimate is not None and estimate.psnr > self.leading.psnr)
        return Best(epoch, psnr, weights, estimate, estimate if leads else self.leading)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        estimates = {
            key: {**vars(one), "errors": list(one.errors), "scenes": list(one.scenes)}
            for key, one in (("estimate", self.estimate), ("leading", self.leading))
            if one is not None
        }
        return {"epoch": self.epoch, "psnr": self.psnr if self.epoch else None, "weights": self.weights, **estimates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        if state["epoch"]:
            self.epoch, self.psnr, self.weights = state["epoch"], state["psnr"], state["weights"]
        self.estimate, self.leading = (
            _estimate(state[key]) if key in state else None for key in ("estimate", "leading")
        )


def _estimate(state: dict[str, Any]) -> Estimate:
    # Earlier versions stored no scenes.
    lists = {name: tuple(state.get(name, ())) for name in ("errors", "scenes")}
    return Estimate(state["measure"], lists["errors"], state["systematic"], lists["scenes"])
