"""The two terms that the paper adds to the restoration loss: L_Arch and L_Comp.

Source: the paper's method section; the exact forms are the released program's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def architecture_loss(mixing_weights: Tensor) -> Tensor:
    """L_Arch: the mean over all mixing weights a of -(a log10 a + (1 - a) log10(1 - a)), least where all are 0 or 1.

    ``mixing_weights``: (modules, K). Value and gradient are finite at exactly 0 and 1.

    >>> round(architecture_loss(torch.tensor([[0.5, 0.5]])).item(), 5)  # log10(2)
    0.30103
    >>> architecture_loss(torch.tensor([[1.0, 0.0]])).item()
    0.0
    """
    entropies = torch.zeros_like(mixing_weights)
    for a in (mixing_weights, 1 - mixing_weights):
        # The clamp keeps the logarithm and its gradient finite; a * log(tiny) is 0 at a = 0.
        entropies = entropies - a * a.clamp_min(torch.finfo(a.dtype).tiny).log()
    return entropies.mean() / math.log(10)


def complexity_loss(mixing_weights: Tensor, costs: Tensor) -> Tensor:
    """L_Comp: the mean over modules of the sum over candidates of mixing weight times cost (a^p C^p + a^f C^f).

    ``mixing_weights`` and ``costs``: (modules, K); see `clearer.network.costs`.
    """
    return (mixing_weights * costs).sum(dim=1).mean()
