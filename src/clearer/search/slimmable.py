"""Slimming: from the widest network to a budget, each time by the part that costs least quality for what it saves.

Yu and Huang, "AutoSlim: Towards One-Shot Architecture Search for Channel Numbers" (2019): a network is trained so that
its first channels are networks, too (`clearer.search.sandwich`), and is then slimmed greedily. There a part is a
group of channels of a layer; here it is 8 channels of a scale, or the last module of a cell, so that the result is a
network of the macro space.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.search.macro_space import Cost, Form

CHANNELS = 8
"""Of a scale, at a time."""
LEAST_SHARE = 0.25
"""Of the channels of the widest network, at least."""
SURPLUS = 2.0
"""The widest network costs this many times the budget."""
Quality = Callable[[Architecture], float]
"""PSNR in dB."""


@dataclass(frozen=True)
class Slimming:
    """The networks that are parts of a widest one: fewer channels at some scales, fewer modules in some cells."""

    widest: Architecture

    @classmethod
    def of(cls, cost: Cost, budget: float, **fields: Any) -> Slimming:
        """Return that of a U-net of three scales, unshuffle 2 and three modules a cell, of about twice a budget."""
        form = Form("unet", 3, 2, 1.5, 3, "flat", "P")
        return cls(form.nearest(cost, SURPLUS * budget, **fields))

    @property
    def narrowest(self) -> Architecture:
        """A quarter of the channels, and one module a cell."""
        return self.part(tuple(map(_least, self.widest.widths)), (1,) * self.widest.space.cells)

    def part(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> Architecture:
        """Return the network of so many channels at each scale and modules in each cell."""
        cells = [cell[:depth] for cell, depth in zip(self.widest.cells, depths, strict=True)]
        return Architecture(cells=cells, space=replace(self.widest.space, width=widths, modules_per_cell=depths))

    def random(self, rng: random.Random) -> Architecture:
        """Return a network whose channels at each scale and modules in each cell are uniformly random."""
        widths = (rng.randrange(_least(w), w + 1, CHANNELS) for w in self.widest.widths)
        return self.part(tuple(widths), tuple(rng.randint(1, d) for d in self.widest.space.depths))

    def smaller(self, network: Architecture) -> list[Architecture]:
        """Return the networks with 8 channels less at one scale, or one module less in one cell."""
        widths, depths = network.widths, network.space.depths
        found = []
        for scale, (width, most) in enumerate(zip(widths, self.widest.widths, strict=True)):
            if width - CHANNELS >= _least(most):
                found.append(self.part((*widths[:scale], width - CHANNELS, *widths[scale + 1 :]), depths))
        for cell, depth in enumerate(depths):
            if depth > 1:
                found.append(self.part(widths, (*depths[:cell], depth - 1, *depths[cell + 1 :])))
        return found

    def evaluations(self, cost: Cost, budget: float) -> int:
        """Return about how many networks are judged until the budget is met."""
        options = self.smaller(self.widest)
        whole = cost(self.widest)
        saved = sum(whole - cost(option) for option in options) / max(1, len(options))
        return round(len(options) * max(0.0, whole - budget) / max(saved, 0.01 * whole))


@dataclass(frozen=True)
class Slimmed:
    """A network on the way to the budget; ``psnr``: with the weights of the widest one."""

    network: Architecture
    cost: float
    psnr: float


def slim(slimming: Slimming, start: Slimmed, cost: Cost, budget: float, quality: Quality) -> Iterator[Slimmed]:
    """Yield ever smaller networks, beginning after ``start``, until one meets the budget.

    Of the networks that are one part smaller, the next is that of the least loss of quality per cost saved.

    Raises:
        UserError: the narrowest network exceeds the budget.
    """
    here = start
    while here.cost > budget:
        options = [Slimmed(network, cost(network), quality(network)) for network in slimming.smaller(here.network)]
        if not options:
            raise UserError(f"budget: the narrowest network, {here.network.text}, costs {here.cost:.4g}: more")
        here = min(options, key=partial(_price, here))
        yield here


def _price(here: Slimmed, option: Slimmed) -> tuple[float, ...]:
    """Return what ranks a smaller network: the loss for the cost that it saves, the lowest first.

    What gains loses nothing; the highest gain, then the largest saving, come first. What saves nothing, as measured
    times may say, comes last.
    """
    loss, saved = here.psnr - option.psnr, here.cost - option.cost
    return (0, max(0.0, loss) / saved, loss, -saved) if saved > 0 else (1, loss)


def _least(width: int) -> int:
    return max(CHANNELS, round(LEAST_SHARE * width / CHANNELS) * CHANNELS)
