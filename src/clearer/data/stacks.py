"""Stacks in datasets: each page of a TIFF file of several images is an item."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from clearer.core.errors import UserError, nearest
from clearer.core.text import few
from clearer.data.fields import parted
from clearer.data.items import Item
from clearer.images.tiff.stack import Stack, stack_of


def pages_of(items: Sequence[Item]) -> list[Item]:
    """Return the items with each stack replaced by its pages, ``NAME#3`` for the third; pairs match page by page.

    Raises:
        UserError: the two files of a pair have different numbers of pages.
    """
    return [page for item in items for page in _pages(item)]


def _pages(item: Item) -> list[Item]:
    clean = _stack(item.clean)
    degraded = clean if item.degraded is None else _stack(item.degraded)
    counts = [1 if stack is None else stack.pages for stack in (clean, degraded)]
    if counts[0] != counts[1]:
        raise UserError(
            f"{item.degraded}: {counts[1]} page(s), but its clean {item.clean} has {counts[0]}; pages match one by one"
        )
    if clean is None:
        return [item]
    digits = len(str(clean.pages))
    return [
        dataclasses.replace(item, name=f"{item.name}#{page + 1:0{digits}}", page=page) for page in range(clean.pages)
    ]


def _stack(path: Path) -> Stack | None:
    try:
        return stack_of(path)
    except UserError:  # missing or broken, which reading reports
        return None


def only_channel(items: Sequence[Item], channel: str, setting: str = "data.channel") -> list[Item]:
    """Return the items of one channel.

    In a stack, the channel is a number from 1 or the name that OME-TIFF states. In files named FIELD_CHANNEL it is
    the part behind the last separator. Errors name ``setting``.

    Raises:
        UserError: no item is of this channel, or a file states none.
    """
    found = {item: _channel_names(item) for item in items}
    kept = [item for item, names in found.items() if channel in names]
    if kept:
        return kept
    unknown = next((item for item, names in found.items() if not names), None)
    if unknown is not None:
        raise UserError(
            f"{setting}: {unknown.clean} states no channels; name files FIELD_CHANNEL, or save stacks with axes "
            "(OME-TIFF, ImageJ hyperstack)"
        )
    known = list(dict.fromkeys(names[-1] for names in found.values()))
    raise UserError(f"{setting}: {channel!r} is not one of {few(known)}{nearest(channel, known)}")


def _channel_names(item: Item) -> tuple[str, ...]:
    """Return what the channel of an item may be called, from its number to its name."""
    if item.page is not None:
        stack = stack_of(item.clean)
        assert isinstance(stack, Stack)
        if not stack.channels:
            return ()
        number = stack.channels[item.page]
        return (str(number + 1), *stack.names[number : number + 1])
    field = parted(Path(item.name).stem)
    return () if field is None else (field[1],)
