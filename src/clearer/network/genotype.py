"""Genotypes: the letters of candidates, with a dash between cells."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.core.errors import UserError, shown
from clearer.network.candidates.registry import CANDIDATES
from clearer.network.topologies.registry import STREAMS, TOPOLOGIES

PARALLEL, FUSION, SKIP = "P", "F", "S"
PUBLISHED_CANDIDATES = PARALLEL + FUSION


LARGEST = {"channels": 2**16, "width": 2**16, "modules_per_cell": 256}
"""Limits: more cannot be built, and a damaged file may state any number."""


def check_counts(key: str, numbers: Sequence[int]) -> None:
    """Refuse numbers of channels or modules that cannot be built.

    Raises:
        UserError: one is less than 1 or above its limit.
    """
    if min(numbers) < 1:
        raise UserError(f"network.{key}: {shown(min(numbers))} is less than 1")
    if max(numbers) > LARGEST[key]:
        raise UserError(f"network.{key}: {shown(max(numbers))} is more than {LARGEST[key]}")


def scales_of_cells(cells: tuple[str, ...], topology: str = STREAMS) -> int:
    """Return the number of scales of a network with these cells.

    Raises:
        UserError: there are too few or too many cells, or a letter is not a candidate.
    """
    text, form = shown("-".join(cells)), TOPOLOGIES.get(topology)
    for cell in cells:
        if not cell or any(letter not in CANDIDATES for letter in cell):
            raise UserError(
                f"architecture: {text} is not of the form FPPF-FFFF-PFFP "
                f"(letters {', '.join(CANDIDATES)}; a dash between cells)"
            )
    scales = form.scales_of(len(cells))
    if scales is None:
        numbers = [form.cells(number) for number in range(form.scales[0], form.scales[1] + 1)]
        known = f"{numbers[0]} to {numbers[-1]}" if numbers[1] == numbers[0] + 1 else ", ".join(map(str, numbers))
        raise UserError(
            f"architecture: {text} has {len(cells)} cells; use {known} ({form.scales[0]} to {form.scales[1]} scales)"
        )
    return scales


def candidates_of(cells: Sequence[str]) -> str:
    """Return the published candidates and any others that the letters name, in the registry's order."""
    present = set(PUBLISHED_CANDIDATES).union(*cells)
    return "".join(letter for letter in CANDIDATES if letter in present)
