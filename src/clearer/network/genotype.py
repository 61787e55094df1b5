"""Genotypes: the letters of candidates, with a dash between cells."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.core.errors import UserError
from clearer.network.candidates.registry import CANDIDATES

PARALLEL, FUSION = "P", "F"
PUBLISHED_CANDIDATES = PARALLEL + FUSION


def check_cells(cells: tuple[str, ...]) -> None:
    """Refuse letters that are no architecture.

    Raises:
        UserError: there are too few or too many cells, or a letter is not a candidate.
    """
    text = "-".join(cells)
    if not 1 <= len(cells) <= 4:
        raise UserError(f"architecture: {text!r} has {len(cells)} cells; use 1 to 4 (2 to 5 scales)")
    for cell in cells:
        if not cell or any(letter not in CANDIDATES for letter in cell):
            raise UserError(
                f"architecture: {text!r} is not of the form FPPF-FFFF-PFFP "
                f"(letters {', '.join(CANDIDATES)}; a dash between cells)"
            )


def candidates_of(cells: Sequence[str]) -> str:
    """Return the published candidates and any others that the letters name, in the registry's order."""
    present = set(PUBLISHED_CANDIDATES).union(*cells)
    return "".join(letter for letter in CANDIDATES if letter in present)
