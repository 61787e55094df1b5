"""Errors of a mistyped command line as one line: what failed, its value, the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from clearer.core.errors import nearest

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Click's class for all faults of a command line; Typer, which may bring a Click of its own, does not export it."""


@contextmanager
def naming_context(context: Any) -> Iterator[None]:
    """Add the verb to a `UsageError` that leaves the block; click leaves it out of some."""
    try:
        yield
    except UsageError as error:
        fault: Any = error
        fault.ctx = fault.ctx or context
        raise


def fault(error: Any) -> str:
    """Return a `UsageError` as one line, such as ``fit: --sett: no such option (did you mean '--set'?)``."""
    context = error.ctx
    path = "clearer" if context is None else context.command_path
    verb = path.partition(" ")[2]
    what = f"{_what(error)}; see '{path} --help'"
    return f"{verb}: {what}" if verb else what


def _what(error: Any) -> str:
    kind, message = type(error).__name__, str(error.format_message()).rstrip(".")
    param = getattr(error, "param", None)
    if kind == "NoSuchOption":
        return f"{error.option_name}: no such option{_nearest(error.option_name, error.ctx)}"
    if kind == "MissingParameter" and param is not None:
        return f"{_name(param)}: missing"
    if kind == "BadParameter" and param is not None:
        return f"{_name(param)}: {str(error.message).rstrip('.')}"
    return message[:1].lower() + message[1:]


def _name(param: Any) -> str:
    """Return an argument's name, or an option's with its metavar."""
    if param.param_type_name == "argument":
        return str(param.metavar)
    return str(param.opts[0])


def _nearest(name: str, context: Any) -> str:
    """Return the nearest option as `nearest` does; the leading dashes, which all share, do not count."""
    params = context.command.get_params(context)
    known = [option for param in params if param.param_type_name == "option" for option in param.opts]
    near = nearest(name.lstrip("-"), [option.lstrip("-") for option in known])
    return near.replace("'", "'--", 1)
