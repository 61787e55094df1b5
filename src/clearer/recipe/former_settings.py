"""Settings of version 0.1 under their present names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearer.core.config import override
from clearer.degradations.registry import in_present_form

FORMER_SETTINGS = {
    "train.optimiser": "train.optimizer",
    "train.validation_pictures": "train.validation_images",
    "search.logits": "search.alpha",
}
"""Settings that had another name in version 0.1, and their present one."""
_DEGRADATION, _FORMER_RAIN = "data.degradation", "data.degradation.rain"


def use_present_settings(value: dict[str, Any], *, from_file: bool = False) -> list[str]:
    """Rename the settings of version 0.1 in a recipe's mapping, in place.

    Returns:
        A note for each setting that was renamed, or left out since the kind of degradation has none of the name.
        Recipes in run folders of 0.1 state the settings of all kinds: of these there is no note.
    """
    notes = []
    for former, present in FORMER_SETTINGS.items():
        *parents, last = former.split(".")
        inner = _inner(value, *parents)
        if isinstance(inner, dict) and last in inner:
            override(value, present, inner.pop(last))
            notes.append(_note(former, present))
    stated = _inner(value, "data", "degradation")
    if isinstance(stated, dict):
        present_form = in_present_form(stated, from_file=from_file)
        if not {"sigma", "clip8"} <= stated.keys():  # not a run folder's recipe
            notes += [_about(key, stated) for key in stated if key not in present_form]
        value["data"]["degradation"] = present_form
    return notes


def with_present_keys(overrides: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return overrides by their present dotted keys, and a note for each that had another name in version 0.1."""
    found: dict[str, Any] = {}
    notes = []
    for key, new in overrides.items():
        if key == _FORMER_RAIN and isinstance(new, Mapping):
            found |= {f"{_DEGRADATION}.{name}": inner for name, inner in new.items()}
            notes.append(_note(key, _DEGRADATION))
            continue
        present = key
        for former, name in {**FORMER_SETTINGS, _FORMER_RAIN: _DEGRADATION}.items():
            if key == former or key.startswith(former + "."):
                present = name + key.removeprefix(former)
                notes.append(_note(former, name))
        found[present] = new
    return found, notes


def forget_settings_of_other_kind(value: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Leave out a recipe's settings of a degradation whose kind the overrides replace, in place."""
    kind, stated = overrides.get(f"{_DEGRADATION}.kind"), _inner(value, "data", "degradation")
    if kind is not None and isinstance(stated, dict) and stated.get("kind") != kind:
        value["data"]["degradation"] = {}


def kind_of(value: Mapping[str, Any]) -> Any:
    """Return the kind of degradation that a recipe's mapping states, unchecked."""
    stated = _inner(value, "data", "degradation")
    return stated.get("kind", "none") if isinstance(stated, dict) else "none"


def _inner(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _about(key: str, stated: Mapping[str, Any]) -> str:
    """Return a note on a setting of version 0.1 that no longer stands where it stood."""
    kind = stated.get("kind", "none")
    if key == kind:
        return _note(_FORMER_RAIN, _DEGRADATION)
    return f"{_DEGRADATION}.{key}: ignored, since degradation {kind!r} has no such setting"


def _note(former: str, present: str) -> str:
    return f"{former}: is now called {present}"
