"""What a network costs in the unit of a budget, and the default network scaled to it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import torch
from rich.console import Console

from clearer.core.cache_folder import cache_folder
from clearer.core.console import say
from clearer.core.device import choose_precision
from clearer.core.errors import UserError
from clearer.inference.budget import Budget
from clearer.inference.latency import peak_macs
from clearer.inference.latency_table import LatencyTable
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.recipe.schema import Recipe
from clearer.search.macro_space import LEAST_SHARE, Cost, largest_networks
from clearer.zoo.card_text import dataset_name
from clearer.zoo.locate import find_models
from clearer.zoo.names import is_for_use
from clearer.zoo.purpose import main_kinds, trained_kinds
from clearer.zoo.weight_metadata import read_architecture

DEFAULT = "FPFF-FFFF"
"""The genotype that is scaled in width where nothing is searched; with a pixel unshuffle of 2."""
FEW_PIECES = 100
"""Pieces of a table from which a search has timed networks before; it times hundreds."""
LEAST_WIDTH, MOST_WIDTH = 4, 128


def cost_of_networks(budget: Budget, recipe: Recipe, console: Console) -> tuple[Cost, float]:
    """Return the cost of a network and the budget in its unit: milliseconds here, or multiply-adds per pixel.

    Raises:
        UserError: nothing that a search compares meets the budget; see `refuse_unmet`.
    """
    if budget.milliseconds is None:
        say(
            f"search: {budget} counts multiply-adds, which do not rank the time of networks; see docs/search.md",
            console,
        )
        refuse_unmet(macs_per_pixel, budget, recipe)
        return macs_per_pixel, budget.amount
    file = cache_folder() / f"latency-{budget.size}.json"
    table = LatencyTable(budget.size, recipe.device, timed_precision(recipe.precision), file)
    if table.changed is not None:
        say(f"{table.file}: measured again, since it was measured with another {table.changed}", console)
    is_new = len(table.times) < FEW_PIECES
    refuse_unmet(table.milliseconds, budget, recipe)
    if is_new:
        say(f"search: pieces of networks are timed now, once for this machine and {budget.size}: some minutes", console)
    if recipe.precision == "auto" and choose_precision("auto", table.device) == "bf16":
        say(
            f"search: times at {budget.size} are those in fp32, as images of any depth are restored; give "
            "--set precision=bf16 to count those of 8 bits, which take less",
            console,
        )
    if table.doubtful:
        say(
            "search: other programs keep this machine busy, so pieces of networks seem slower than they are, and the "
            "networks get smaller than the budget; their times are not kept: stop the programs and search again",
            console,
        )
    return table.milliseconds, budget.amount


def timed_precision(precision: str) -> str:
    """Return the precision in which networks are timed for a recipe's: its own, or that of images of any depth."""
    return "fp32" if precision == "auto" else precision


OPEN_FIELDS = ("channels", "condition")
"""Settings of the network that a search within a budget takes as the recipe has them; it sets all others."""


def fixed_fields(recipe: Recipe) -> dict[str, Any]:
    """Return the fields that all networks of a search have, for `Architecture`: no norm, and a residual network."""
    return {"norm": "none", "residual": True, **{name: getattr(recipe.network, name) for name in OPEN_FIELDS}}


def refuse_network_settings(overrides: Mapping[str, Any], budgets: str) -> None:
    """Refuse settings of the network that a search within a budget sets itself: all but channels and condition.

    Args:
        overrides: dotted key to value; ``network`` may also be a mapping.
        budgets: in words, for the error.

    Raises:
        UserError: there is such a setting.
    """
    whole = overrides.get("network")
    keys = [*overrides, *(f"network.{name}" for name in whole or () if isinstance(whole, Mapping))]
    for key in keys:
        part, _, name = key.partition(".")
        if part == "network" and name and name not in OPEN_FIELDS:
            raise UserError(f"{key}: is set, but the search within {budgets} chooses it; leave out one of them")


def scaled_default(cost: Cost, budget: float, fields: dict[str, Any]) -> Architecture:
    """Return the widest default network within a budget.

    Its width is the largest multiple of 8 that fits, then 4, 2 and 1 more where that fits, too: a width between two
    multiples can take longer than the larger one.

    Raises:
        UserError: a network of 4 channels costs more.
    """

    def at(width: int) -> Architecture:
        return Architecture.parse(DEFAULT, width=width, unshuffle=2, **fields)

    if cost(at(LEAST_WIDTH)) > budget:
        raise UserError(
            f"budget: the smallest default network costs {cost(at(LEAST_WIDTH)):.4g}, more than {budget:.4g}"
        )
    whole = range(8, MOST_WIDTH + 1, 8)
    width = 8 * bisect_right(whole, budget, key=lambda w: cost(at(w))) or LEAST_WIDTH
    for more in (4, 2, 1):
        if width + more <= MOST_WIDTH and cost(at(width + more)) <= budget:
            width += more
    return at(width)


def smallest_default(recipe: Recipe) -> Architecture:
    """Return the default network at its least width."""
    return Architecture.parse(DEFAULT, width=LEAST_WIDTH, unshuffle=2, **fixed_fields(recipe))


def refuse_unmet(cost: Cost, budget: Budget, recipe: Recipe) -> None:
    """Refuse a budget below or above all that a search compares, with the nearest that can be met.

    No quality is known of a network that was not trained, so that of the nearest pretrained model is stated.

    Raises:
        UserError: see above.
    """
    fields = fixed_fields(recipe)
    smallest = smallest_default(recipe)
    largest = largest_networks(**fields)
    if cost(smallest) > budget.amount:
        nearest, what = cost(smallest), "less than the default network needs at its least width"
    elif _at_least(largest, budget, recipe) < LEAST_SHARE * budget.amount > max(map(cost, largest)):
        nearest, what = max(map(cost, largest)), "more than the largest network of the space needs"
    else:
        return
    known = known_quality(cost, nearest, recipe, budget)
    raise UserError(f"budget: {budget} is {what}; the nearest that can be met: {_said(nearest, budget)}; {known}")


def known_quality(cost: Cost, amount: float, recipe: Recipe, budget: Budget) -> str:
    """Return in words which pretrained model for such images costs nearest to an amount, and its measured PSNR."""
    found: list[tuple[float, str]] = []
    kinds = main_kinds(recipe.data.degradation, recipe.task)
    for file in find_models().values():
        if not is_for_use(file.name):
            continue
        try:
            architecture, card = read_architecture(file.path)
        except UserError:
            continue  # `clearer models` reports it
        like = architecture.channels == recipe.network.channels and trained_kinds(card) == kinds
        if like and card.results:
            result, price = card.results[0], cost(architecture)
            quality = f"{result.psnr:.2f} dB ({result.protocol}, {dataset_name(result)})"
            found.append((abs(price - amount), f"{file.name} costs {_said(price, budget)} and reaches {quality}"))
    return min(found)[1] if found else "no pretrained model tells its quality"


def _at_least(networks: list[Architecture], budget: Budget, recipe: Recipe) -> float:
    """Return a cost that the networks reach in any case, without measuring them: the largest take minutes."""
    macs = max(map(macs_per_pixel, networks))
    if budget.milliseconds is None:
        return macs
    probe = LatencyTable(budget.size, recipe.device, timed_precision(recipe.precision))
    peak = peak_macs(str(probe.device), probe.precision, torch.get_num_threads())
    return 1000 * macs * budget.size.pixels / peak


def _said(amount: float, budget: Budget) -> str:
    return f"{amount / 1000:.4g} kMAC/pixel" if budget.milliseconds is None else f"{amount:.4g} ms"
