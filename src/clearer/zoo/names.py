"""The names of pretrained models: those that exist, and the parts that a name may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Tier = Literal["fast", "standard", "medium", "best"]

TIERS: tuple[Tier, ...] = ("fast", "standard", "medium", "best")
"""From the fastest to the best. The standard tier bears the bare name; medium is a former one."""

PACKAGED_MODELS = (
    "dejpeg",
    "dejpeg-fast",
    "denoise-color",
    "denoise-color-fast",
    "denoise-gray",
    "denoise-gray-fast",
    "denoise-photo",
    "denoise-photo-fast",
    "derain",
)
"""Models whose weights the package holds. A test compares this with its files, as the next two with models/."""
REPOSITORY_MODELS = (
    "denoise-color@2026-11",
    "denoise-gray@2026-11",
    "denoise-gray-medium",
    "denoise-photo@2026-11",
    "derain-best",
    "derain@2026-11",
)
"""Models for use, and former weights, that are in models/ of the repository alone."""

SUPERSEDED = ("denoise-gray-medium",)
"""Models of which another of today has the same PSNR and is faster (docs/models.md). They load, but are not offered."""

PAPER_MODELS = {
    "paper/denoise-30": "denoise-gray-30",
    "paper/denoise-30-searched": "denoise-gray-30-searched",
    "paper/denoise-50": "denoise-gray-50",
    "paper/denoise-50-searched": "denoise-gray-50-searched",
    "paper/denoise-70": "denoise-gray-70",
    "paper/denoise-70-searched": "denoise-gray-70-searched",
    "paper/derain-searched": "derain-searched",
}
"""Models that reproduce results of the paper: the names that lists show, and those of their folders."""
RESEARCH_MODELS = tuple(PAPER_MODELS.values())

_PARTS = re.compile(r"(?P<base>.+?)(?:-(?P<tier>fast|medium|best))?(?:@(?P<date>\d{4}-\d{2}(?:-\d{2})?))?")


@dataclass(frozen=True)
class ModelName:
    """The parts that a model's name may have: ``BASE``, ``BASE-fast``, ``BASE-best``, each also as ``NAME@DATE``.

    Attributes:
        base: the name of the standard tier.
        tier: of speed.
        date: when these weights were the ones that the name before it stands for, as in ``denoise-gray@2026-11``;
            None for those that it stands for today.
    """

    base: str
    tier: Tier
    date: str | None

    @classmethod
    def parse(cls, name: str) -> ModelName:
        """Return the parts of a name.

        >>> ModelName.parse("denoise-gray-fast@2026-11")
        ModelName(base='denoise-gray', tier='fast', date='2026-11')
        >>> ModelName.parse("derain").tier
        'standard'
        """
        found = _PARTS.fullmatch(name)
        if found is None:
            return cls(name, "standard", None)
        tier: Tier = next((one for one in TIERS if one == found["tier"]), "standard")
        return cls(found["base"], tier, found["date"])

    @property
    def undated(self) -> str:
        """The name without its date."""
        return self.base if self.tier == "standard" else f"{self.base}-{self.tier}"

    @property
    def is_packaged(self) -> bool:
        """Whether its weights belong into the package: the fast and standard tiers of today, not the paper's models."""
        return self.tier in ("fast", "standard") and self.date is None and self.undated not in RESEARCH_MODELS

    @property
    def preference(self) -> int:
        """The order in which tiers are chosen, if nothing else decides: the standard tier first."""
        return ("standard", "fast", "medium", "best").index(self.tier)


def is_for_use(name: str) -> bool:
    """Return whether a model is listed and offered by default: neither one of the paper's nor former weights.

    Former weights are those of a name that we ship: a user's own ``mine@2026-11`` is a model like others.

    >>> is_for_use("denoise-gray"), is_for_use("denoise-gray@2026-11"), is_for_use("denoise-gray-50")
    (True, False, False)
    """
    parsed, shipped = ModelName.parse(name), (*PACKAGED_MODELS, *REPOSITORY_MODELS)
    is_former = parsed.date is not None and (name in shipped or parsed.undated in shipped)
    return name not in (*RESEARCH_MODELS, *SUPERSEDED) and not is_former


def stored_name(name: str) -> str:
    """Return the name under which a model's weights are stored.

    >>> stored_name("paper/denoise-50"), stored_name("derain")
    ('denoise-gray-50', 'derain')
    """
    return PAPER_MODELS.get(name.replace("\\", "/"), name)


def shown_name(name: str) -> str:
    """Return the name under which lists show a model.

    >>> shown_name("denoise-gray-50"), shown_name("derain")
    ('paper/denoise-50', 'derain')
    """
    return next((shown for shown, stored in PAPER_MODELS.items() if stored == name), name)
