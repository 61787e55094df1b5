"""Averaged weights: an exponential moving average of a network's weights while it trains."""

from __future__ import annotations

import torch

from clearer.network.baselines.build import TrainableNetwork, build_network


class AveragedWeights:
    """A separate network whose weights follow those of the trained one.

    Args:
        network: the network being trained.
        decay: share of the average that a step keeps. Early steps keep less, (1 + step) / (10 + step), so that the
            initial weights are soon forgotten.
    """

    def __init__(self, network: TrainableNetwork, decay: float) -> None:
        self.decay = decay
        twin = build_network(network.architecture)
        twin.load_state_dict(network.state_dict())
        device = next(network.parameters()).device
        self.network: TrainableNetwork = twin.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def update(self, network: TrainableNetwork, step: int) -> None:
        """Move the average towards the weights after ``step``, from 0. Counters are copied."""
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        averaged, present = map(list, zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True))
        torch._foreach_lerp_(averaged, present, 1 - decay)  # on a GPU one launch instead of one a tensor
        for mine, new in pairs:
            if not mine.is_floating_point():
                mine.copy_(new)
