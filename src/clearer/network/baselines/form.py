"""The name of a baseline as a value, in the place of an `Architecture`: it prints, converts to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from clearer.core.errors import UserError
from clearer.network.baselines.registry import BASELINES

KEY = "baseline"
"""The key of the JSON form, by which it differs from that of an architecture."""


@dataclass(frozen=True)
class BaselineForm:
    """A learned baseline.

    Args:
        name: its name in `BASELINES`.

    Raises:
        UserError: there is no such baseline.
    """

    name: str

    takes_level: ClassVar[bool] = False
    """Whether the network takes the noise level, as some of ours do. Baselines are blind."""

    def __post_init__(self) -> None:
        BASELINES.check(self.name)

    def __str__(self) -> str:
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {KEY: self.name}

    def to_json(self) -> str:
        """Return the JSON form as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> BaselineForm:
        """Return the baseline of a JSON form.

        Raises:
            UserError: it names no baseline.
        """
        name = value.get(KEY)
        if not isinstance(name, str):
            raise UserError(f"baseline: {name!r} is not a name; take another copy of the file")
        return cls(name)
