"""Fields of view: files that show the same place, such as the channels of a microscope, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.items import Item

_SEPARATOR = re.compile(r"^(.+)[_\-. ]([^_\-. ]+)$")
MOST_CHANNELS = 16
"""More files of one place are taken for a series, not for channels."""
FEWEST_FIELDS = 3
"""Fewer fields could not fill training, validation and test."""


def parted(stem: str) -> tuple[str, str] | None:
    """Return a name as (field, channel), parted at its last separator: ``_``, ``-``, a dot or a space.

    >>> parted("well-3_DAPI")
    ('well-3', 'DAPI')
    """
    found = _SEPARATOR.match(stem)
    return None if found is None else (found[1], found[2])


def fields_of(items: Sequence[Item], pattern: str | None = None) -> tuple[dict[str, str], str]:
    """Return the field of view of each item that has one, by the item's name, and the rule in words.

    By default names of the form FIELD_CHANNEL are noticed: at least 3 fields and at most 16 channels, and at least
    half of all combinations are there. The pages of a stack are one field if there are at least 3 stacks.

    Args:
        items: of one set.
        pattern: a regular expression: names that match with the same first group (or as a whole, without a group)
            are one field.

    Raises:
        UserError: the pattern is not valid, or matches no name.
    """
    if pattern is not None:
        return _by_pattern(items, pattern)
    stems = {item.name: Path(item.clean.name).stem for item in items}
    halves = {stem: parted(stem) for stem in set(stems.values())}
    known = {stem: half for stem, half in halves.items() if half is not None}
    fields, channels = ({half[k] for half in known.values()} for k in (0, 1))
    is_grid = len(fields) >= FEWEST_FIELDS and 2 <= len(channels) <= MOST_CHANNELS and len(known) == len(halves)
    if is_grid and len(fields) < len(known) and 2 * len(known) >= len(fields) * len(channels):
        rule = f"names are FIELD_CHANNEL ({len(fields)} fields, {len(channels)} channels)"
        return {name: known[stem][0] for name, stem in stems.items()}, rule
    stacks = {item.clean for item in items if item.page is not None}
    if len(stacks) >= FEWEST_FIELDS:
        return {item.name: str(item.clean) for item in items if item.page is not None}, f"{len(stacks)} stacks of pages"
    return {}, ""


def _by_pattern(items: Sequence[Item], pattern: str) -> tuple[dict[str, str], str]:
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UserError(f"data.group: {pattern!r} is not a regular expression ({error}); such as '(.*)_'") from None
    found = {item.name: match for item in items if (match := wanted.search(item.clean.stem)) is not None}
    if not found:
        raise UserError(f"data.group: {pattern!r} matches no name, such as {items[0].clean.stem}; such as '(.*)_'")
    fields = {name: match[1 if wanted.groups else 0] or "" for name, match in found.items()}
    return fields, f"data.group finds {len(set(fields.values()))} fields"
