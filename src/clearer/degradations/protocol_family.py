"""The description of the evaluation protocols that a degradation brings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clearer.core.config import Range


@dataclass(frozen=True)
class ProtocolFamily:
    """Evaluation protocols whose names differ only in the level; see `clearer.evaluation.protocols`.

    Args:
        form: the name, such as ``"rain-y"``. With a level, its last character stands for it: ``"gray-awgn-S"``.
        channels: channels of the images that the network sees, 1 or 3.
        level: the setting of the degradation that the level sets, or "" for a name without a level.
        levels: the levels that a name may state.
        meaning: the level in words, for messages.
        example: a level, for messages.
        settings: further settings of the degradation.
        crop: center crop to a multiple of this many pixels; 1 keeps whole images.
        luma: measure on Y of BT.601 (16-235) instead of on all channels.
        shows: the degradation that the images show, as `clearer.methods.base.Method` names it, or "" for any.
    """

    form: str
    channels: int
    level: str = ""
    levels: Range = field(default_factory=lambda: Range(above=0))
    meaning: str = ""
    example: float = 50
    settings: Mapping[str, Any] = field(default_factory=dict)
    crop: int = 1
    luma: bool = False
    shows: str = ""

    def name_at(self, level: str) -> str:
        """Return the protocol's name at a level; without levels, its only name.

        >>> ProtocolFamily("gray-awgn-S", 1, level="sigma").name_at("25")
        'gray-awgn-25'
        """
        return self.form[:-1] + level if self.level else self.form

    def settings_of(self, name: str) -> dict[str, Any] | None:
        """Return the settings of the degradation that ``name`` states, or None for another family's name.

        Raises:
            UserError: the level is out of range.

        >>> ProtocolFamily("gray-awgn-S", 1, level="sigma").settings_of("gray-awgn-12.5")
        {'sigma': 12.5}
        """
        if not self.level:
            return dict(self.settings) if name == self.form else None
        match = re.fullmatch(re.escape(self.form[:-1]) + r"([0-9]+(?:\.[0-9]+)?)", name)
        if match is None:
            return None
        level = float(match[1])
        self.levels.check(level, self.level)
        return {**self.settings, self.level: int(level) if level.is_integer() else level}
