"""Select the methods that a command line names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clearer.core.errors import UserError
from clearer.methods.base import Method
from clearer.methods.registry import METHODS
from clearer.methods.trained_model import method_of_model
from clearer.methods.user_file import methods_from_file


def choose(names: str) -> list[Method]:
    """Return the classical methods of a comma-separated list of names, ``all`` or ``none``.

    Raises:
        UserError: a name is not registered, or a library is not installed.
    """
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    if wanted in (["none"], ["all"]):
        wanted = list(METHODS) if wanted == ["all"] else []
    try:
        for name in wanted:
            METHODS.check(name)
    except UserError as error:
        raise UserError(f"{error}; or give all, or none") from None
    return [METHODS.get(name)() for name in dict.fromkeys(wanted)]


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
