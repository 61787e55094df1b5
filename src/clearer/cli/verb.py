"""A verb: a function that takes one dataclass of options, and the Typer command built from both.

Declare the options as a dataclass whose fields are annotated with `argument` or `option`, then decorate
a function of it with `verb`. `clearer.cli.app` lists the verbs of the program.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import typer

from clearer.cli.help import VerbCommand
from clearer.core.addresses import is_remote
from clearer.core.errors import masked

T = TypeVar("T")


@dataclass(frozen=True)
class Verb(Generic[T]):
    """One verb of the command line.

    Args:
        name: the word after ``clearer``.
        run: the function; its docstring is the help: one line that fits 57 columns, then paragraphs.
        examples: whole command lines, each at most 76 columns.
        former: option names of earlier versions and their present ones; accepted, but not shown.
    """

    name: str
    run: Callable[[T], None]
    examples: tuple[str, ...]
    former: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> type[T]:
        """The dataclass of its options."""
        found: type[T] = get_type_hints(self.run)["options"]
        return found

    def add_to(self, app: typer.Typer, group: str | None = None) -> None:
        """Add the verb to a Typer app, under a heading of its help."""
        options = self.options

        def command(**values: Any) -> None:
            self.run(options(**values))

        command.__annotations__ = _annotations(options)
        command.__signature__ = _signature(options, command.__annotations__)  # type: ignore[attr-defined]

        class Command(VerbCommand):
            former = self.former

        app.command(
            self.name,
            cls=Command,
            help=inspect.getdoc(self.run),
            epilog="\n".join(self.examples),
            rich_help_panel=group,
        )(command)


def verb(
    name: str, *examples: str, former: Mapping[str, str] | None = None
) -> Callable[[Callable[[T], None]], Verb[T]]:
    """Return a decorator that makes a `Verb` of a function; the arguments are the verb's fields."""

    def decorate(run: Callable[[T], None]) -> Verb[T]:
        return Verb(name, run, examples, former or {})

    return decorate


def argument(metavar: str, help: str, *, complete: Callable[[], list[str]] | None = None) -> Any:
    """Return Typer's annotation of a positional argument; ``complete`` lists values for the shell."""
    return typer.Argument(metavar=metavar, help=help, autocompletion=_completer(complete))


def option(
    group: str,
    help: str,
    *names: str,
    metavar: str | None = None,
    complete: Callable[[], list[str]] | None = None,
    parser: Callable[[Any], Any] | None = None,
) -> Any:
    """Return Typer's annotation of an option.

    Args:
        group: the heading under which the verb's help lists it.
        help: a noun phrase or an imperative.
        names: such as ``"--out", "-o"``; by default the field's name.
        metavar: placeholder of the value, in capitals; None for a flag.
        complete: lists values for the shell.
        parser: converts the text to the value, see `whole` and `real`.
    """
    return typer.Option(
        *names, metavar=metavar, help=help, parser=parser, autocompletion=_completer(complete), rich_help_panel=group
    )


def whole(low: float, high: float = math.inf) -> Callable[[Any], int]:
    """Return a parser of whole numbers from ``low`` to ``high``; Typer's own errors do not state the value."""

    def parse(text: Any) -> int:
        try:
            value = int(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not a whole number") from None
        return int(_within(value, low, high))

    return parse


def real(low: float = -math.inf, high: float = math.inf) -> Callable[[Any], float]:
    """Return a parser of numbers from ``low`` to ``high``."""

    def parse(text: Any) -> float:
        try:
            value = float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not a number") from None
        return _within(value, low, high)

    return parse


def local_path(text: Any) -> Path:
    """Parse a path; an address would become the folders ``s3:`` and so on in the working directory."""
    if is_remote(str(text)):
        raise typer.BadParameter(f"{masked(str(text))} is an address; give a path on this machine")
    return Path(text)


def _within(value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise typer.BadParameter(
            f"{value:g} is not {low:g} or more" if high == math.inf else f"{value:g} is not from {low:g} to {high:g}"
        )
    return value


def _annotations(options: type) -> dict[str, Any]:
    """Return Typer's annotations of the fields of a dataclass; no path among them may be an address."""
    hints = get_type_hints(options, include_extras=True)
    for hint in hints.values():
        kind, *stated = get_args(hint)
        if Path in (kind, *get_args(kind), *(inside for part in get_args(kind) for inside in get_args(part))):
            stated[0].parser = stated[0].parser or local_path
    return hints


def _signature(options: type, hints: Mapping[str, Any]) -> inspect.Signature:
    """Return a signature of keyword parameters, one for each field of a dataclass."""
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=empty if each.default is dataclasses.MISSING else each.default,
                annotation=hints[each.name],
            )
            for each in dataclasses.fields(options)
        ]
    )


def _completer(values: Callable[[], list[str]] | None) -> Callable[[str], list[str]] | None:
    if values is None:
        return None

    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return complete
