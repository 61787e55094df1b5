"""What a plan states of the options: comparable between calls, whatever folder they come from, and said as options."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.inference.noise_level import read_level
from clearer.inference.options import RestoreOptions

OF_CALL = ("skip_existing", "check", "recursive", "pattern", "tile")
"""Options that say which files are restored and what is said of them, not how; tiles make no visible difference."""
_DIGEST = "sigma_digest"
_NAMES = {"span": "--range"}


def stated(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as a plan has them: the noise level as a number, or the absolute path and digest of its map.

    Raises:
        UserError: the noise level is neither.
    """
    if "sigma" not in options:
        return options
    level = options["sigma"]
    if isinstance(read_level(level), float):
        return {**options, "sigma": float(level)}
    return {**options, "sigma": str(Path(level).absolute()), _DIGEST: _digest(level)}


def to_restore(options: dict[str, Any]) -> RestoreOptions:
    """Return the options of the restoration.

    Raises:
        UserError: the map of the noise level is missing, or is not the one that the plan was made for.
    """
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in options.items() if key != _DIGEST
    }
    if "sigma" in values:
        values["sigma"] = read_level(values["sigma"])
        wanted = options.get(_DIGEST)
        if wanted is not None and _digest(options["sigma"]) != wanted:
            raise UserError(f"--sigma {options['sigma']}: the map has changed since the start; rerun the command")
    return RestoreOptions(**values)


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Return what makes outputs of some options unlike those of others, by the name of the option; None: nothing."""
    maps = [options.get(_DIGEST) for options in (before, now)]
    if None not in maps and maps[0] != maps[1]:
        return "--sigma: the map has another content now"
    theirs, mine = (_comparable(options, None not in maps) for options in (before, now))
    for key in sorted({*theirs, *mine}):
        if theirs.get(key) != mine.get(key):
            name = _NAMES.get(key, f"--{key.replace('_', '-')}")
            return f"{name}: {_said(theirs.get(key))} before, {_said(mine.get(key))} now"
    return None


def _comparable(options: dict[str, Any], maps_are_equal: bool) -> dict[str, Any]:
    found = {key: value for key, value in options.items() if key not in (*OF_CALL, _DIGEST)}
    if maps_are_equal:
        del found["sigma"]
    elif "sigma" in found:
        try:
            found["sigma"] = float(found["sigma"])  # plans of earlier versions have texts
        except ValueError:
            found["sigma"] = str(Path(found["sigma"]).absolute())
    return found


def _said(value: object) -> str:
    if value is None:
        return "the default"
    if isinstance(value, list):
        return ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else "set" if value is True else str(value)


def _digest(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"--sigma {path}: cannot be read ({error.strerror}); give gray levels or a map") from error
