"""The registry of candidates, by their letter. To add one, add a file beside this one and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.core.registry import Registry

if TYPE_CHECKING:
    from clearer.network.candidates.base import Candidate

CANDIDATES: Registry[Candidate] = Registry(
    "network.candidates",
    {
        "P": "clearer.network.candidates.parallel:PARALLEL",
        "F": "clearer.network.candidates.fusion:FUSION",
        "S": "clearer.network.candidates.skip:SKIP",
    },
)
