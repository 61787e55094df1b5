"""The evaluation protocols of a recipe whose kind of degradation was replaced."""

from __future__ import annotations

import dataclasses

from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import ends
from clearer.degradations.registry import DEGRADATIONS
from clearer.recipe.schema import Recipe


def with_protocols_of_kind(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Return the recipe with protocols that measure its degradation, and a note of one line if they changed.

    Protocols that measure it, or a part of it, stay. Each kind that none of them measures adds the first protocol of
    its first part.
    """
    kinds: dict[str, Degradation] = {}
    for part in recipe.data.degradation.components():
        kinds.setdefault(part.kind, part)  # the first of each kind is measured
    # A name that belongs to no kind is a table of many, or is refused later.
    kept = [name for name in recipe.evaluate.protocols if not (shown := _shown_by(name)) or shown & kinds.keys()]
    measured = set().union(*map(_shown_by, kept))
    own = [_first_protocol(part, recipe.network.channels) for kind, part in kinds.items() if kind not in measured]
    protocols = kept + [name for name in own if name is not None]
    if protocols == recipe.evaluate.protocols:
        return recipe, []
    kind = recipe.data.degradation.kind
    note = (
        f"evaluate.protocols: {', '.join(protocols) or 'none'} for degradation {kind!r}, instead of the recipe's "
        f"{', '.join(recipe.evaluate.protocols) or 'none'}; set evaluate.protocols to choose others"
    )
    evaluate = dataclasses.replace(recipe.evaluate, protocols=protocols)
    others = [line for part in kinds.values() if (line := _differs(part, recipe.network.channels, protocols))]
    return dataclasses.replace(recipe, evaluate=evaluate), [note, *others]


def _shown_by(name: str) -> set[str]:
    """Return the kinds of degradation that a protocol measures."""
    found = set()
    for kind, one in DEGRADATIONS.all().items():
        for family in one.protocols:
            try:
                if family.settings_of(name) is not None:
                    found |= {kind, family.shows}
            except UserError:  # a level out of range, which the check of the protocols refuses
                found.add(kind)
    return found


def _first_protocol(degradation: Degradation, channels: int) -> str | None:
    """Return the first protocol of a degradation for images of these channels; None if it has none.

    One that shows what is drawn, such as the same shape of blur, comes before others.
    """
    found = _families(degradation, channels)
    return found[0].name_at(f"{_level(found[0], degradation):.12g}") if found else None


def _families(degradation: Degradation, channels: int) -> list[ProtocolFamily]:
    """Return the protocols for images of these channels; first those of which all choices are drawn."""
    own = [one for one in degradation.protocols if one.channels == channels and one.shows in ("", degradation.kind)]
    return sorted(own, key=lambda family: len(_not_drawn(family, degradation)))


def _not_drawn(family: ProtocolFamily, degradation: Degradation) -> dict[str, str]:
    """Return the choices of a protocol, such as the shape of a blur, that a degradation never draws."""
    choices = {name: value for name, value in family.settings.items() if isinstance(value, str)}
    return {name: value for name, value in choices.items() if value not in _drawn(degradation, name)}


def _drawn(degradation: Degradation, name: str) -> tuple[str, ...]:
    drawn = getattr(degradation, name)
    return (drawn,) if isinstance(drawn, str) else tuple(drawn)


def _differs(degradation: Degradation, channels: int, protocols: list[str]) -> str | None:
    """Return a line if the protocol that was added for a degradation shows another choice than it draws."""
    name, families = _first_protocol(degradation, channels), _families(degradation, channels)
    if name not in protocols or not (other := _not_drawn(families[0], degradation)):
        return None
    shown = ", ".join(f"{key} {value}" for key, value in other.items())
    drawn = ", ".join(f"{key} {' or '.join(_drawn(degradation, key))}" for key in other)
    return (
        f"evaluate.protocols: {name} shows {degradation.kind} of {shown}, and training {drawn}, which has no protocol"
    )


def _level(family: ProtocolFamily, degradation: Degradation) -> float:
    """Return the level of the family's example, or the nearest one that the degradation draws."""
    if not family.level:
        return 0
    low, high = ends(getattr(degradation, family.level))
    nearest = min(max(family.example, low), high)
    try:
        family.levels.check(nearest, family.level)
    except UserError:
        return family.example
    return nearest
