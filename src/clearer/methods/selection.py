"""Select the methods that a command line names."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from clearer.core.errors import UserError
from clearer.methods.base import Method
from clearer.methods.registry import METHODS
from clearer.methods.trained_model import method_of_model
from clearer.methods.user_file import methods_from_file

log = logging.getLogger("clearer")


def choose(names: str) -> list[Method]:
    """Return the classical methods of a comma-separated list of names, ``all`` or ``none``.

    ``all`` leaves out what needs something that is not here, and says so (logger ``clearer``).

    Raises:
        UserError: a name is not registered; or one that is named needs something that is not here, such as a library.
    """
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    if wanted == ["all"]:
        return _all_here()
    if wanted == ["none"]:
        wanted = []
    try:
        for name in wanted:
            METHODS.check(name)
    except UserError as error:
        raise UserError(f"{error}; or give all, or none") from None
    return [METHODS.get(name)() for name in dict.fromkeys(wanted)]


def _all_here() -> list[Method]:
    found = []
    for name in METHODS:
        try:
            found.append(METHODS.get(name)())
        except UserError as error:
            log.warning("%s left out: %s", name, error)
    return found


def all_methods(
    classical: str,
    files: Iterable[str | Path] = (),
    models: Iterable[str] = (),
    *,
    device: str = "auto",
    precision: str = "fp32",
    ensemble: bool = False,
) -> list[Method]:
    """Return the methods that a command line names: classical ones, then those of files, then models.

    Args:
        classical: see `choose`.
        files: Python files, see `clearer.methods.user_file.methods_from_file`.
        models: models, see `clearer.methods.trained_model.method_of_model`.
        device, precision, ensemble: how models run, see there.

    Raises:
        UserError: see these three functions.
    """
    methods = choose(classical)
    methods += [method for path in files for method in methods_from_file(path)]
    return methods + [method_of_model(model, device, precision, ensemble) for model in models]
