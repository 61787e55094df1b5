"""Agreement of two genotypes, beside that of random ones."""

from __future__ import annotations

import math
from typing import NamedTuple

from clearer.experiments.records import Chance
from clearer.network.architecture import FUSION, PARALLEL


def chance_agreement(known: str, fusions: int, agreed: int = 0) -> Chance:
    """Return how well random architectures agree with a known one.

    Args:
        known: the known genotype, without dashes.
        fusions: number of fusion modules of the random architectures; all such are equally likely.
        agreed: number of modules in which the found architecture agrees with ``known``.

    Returns:
        ``architectures``, their number; ``expected``, the mean number of modules that agree; ``at_least``,
        the share of architectures that agree in ``agreed`` modules or more.

    >>> chance_agreement("FPPFFFFFPFFP", 8, 12)["at_least"] == 1 / 495
    True
    """
    modules, known_fusions = len(known), known.count(FUSION)
    ways: dict[int, int] = {}  # number of modules that agree -> number of architectures
    for both in range(max(0, known_fusions + fusions - modules), min(known_fusions, fusions) + 1):
        agreeing = modules - known_fusions - fusions + 2 * both
        ways[agreeing] = math.comb(known_fusions, both) * math.comb(modules - known_fusions, fusions - both)
    total = math.comb(modules, fusions)
    return {
        "architectures": total,
        "expected": sum(agreeing * count for agreeing, count in ways.items()) / total,
        "at_least": sum(count for agreeing, count in ways.items() if agreeing >= agreed) / total,
    }


class Agreement(NamedTuple):
    """The modules in which two genotypes of ``modules`` letters have the same one.

    ``chance``: of random genotypes with as many fusion modules as the second.
    """

    agreed: int
    modules: int
    chance: Chance


def agreement(first: str, second: str) -> Agreement | None:
    """Compare two genotypes, dashes or not; None where they have other lengths, or letters besides P and F."""
    a, b = first.replace("-", ""), second.replace("-", "")
    if len(a) != len(b) or not set(a + b) <= {PARALLEL, FUSION}:
        return None
    agreed = sum(x == y for x, y in zip(a, b, strict=True))
    return Agreement(agreed, len(a), chance_agreement(a, b.count(FUSION), agreed))
