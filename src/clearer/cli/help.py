"""Help pages for 80 columns, plain text: usage, description, examples, options in groups.

Typer's own pages leave 25 of 80 columns for the explanations; its boxes and types take the rest.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from clearer.cli.usage import naming_context
from clearer.core.errors import UserError, nearest

HELP_OPTIONS = ["-h", "--help"]
WIDTH = 78
LEFT = 28  # columns of names and metavars; a longer one gets a line of its own
GROUPS = (
    "Data",
    "Input",
    "Network",
    "Measurement",
    "Search",
    "Training",
    "Methods",
    "Evaluation",
    "Restoration",
    "Server",
    "Output",
    "Many files",
    "Device",
    "Help",
)
"""Headings of option groups, in the order in which a page shows them."""


class VerbCommand(TyperCommand):
    """A verb: its own help page, and option names of earlier versions."""

    former: ClassVar[Mapping[str, str]] = {}

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the verb's page."""
        formatter.write(_page(self, ctx, sections(self.get_params(ctx))))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options, former names included."""
        if not ctx.resilient_parsing:
            for name in dict.fromkeys(arg.partition("=")[0] for arg in args):
                if name in self.former:
                    typer.echo(f"clearer: note: {name} is now called {self.former[name]}", err=True)
        with naming_context(ctx):
            return super().parse_args(ctx, [self._present(arg) for arg in args])

    def _present(self, arg: str) -> str:
        name, equals, value = arg.partition("=")
        return f"{self.former.get(name, name)}{equals}{value}"


class VerbGroup(TyperGroup):
    """Verbs under headings; the error for an unknown verb names the nearest one."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page that lists the verbs."""
        verbs: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                listed = verbs.setdefault(command.rich_help_panel or "Verbs", [])
                # Typer puts groups last; under their heading they come first.
                place = 0 if isinstance(command, TyperGroup) else len(listed)
                listed.insert(place, (name, (command.help or "").partition("\n")[0]))
        formatter.write(_page(self, ctx, [*verbs.items(), *sections(self.get_params(ctx))]))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments before the verb; without a verb, print the help and exit with status 2."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        if not ctx.resilient_parsing and args[0] in self.commands and not set(HELP_OPTIONS).isdisjoint(args):
            # A verb's page needs none of the group's own options, whose parsing imports pydantic.
            self.commands[args[0]].make_context(args[0], args[1:], parent=ctx)
        with naming_context(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb's name, its command, and the arguments that are left.

        Raises:
            UserError: there is no such verb.
        """
        if args[0] not in self.commands and not ctx.resilient_parsing:
            near = nearest(args[0], self.commands)
            raise UserError(f"{args[0]}: no such verb{near}; see '{ctx.command_path} --help'")
        return super().resolve_command(ctx, args)


def _page(command: TyperCommand | TyperGroup, ctx: Any, headings: Iterable[tuple[str, list[tuple[str, str]]]]) -> str:
    """Return a help page: usage, description, examples, then sections of names and explanations."""
    headings = list(headings)
    width = min(LEFT, max(len(name) for _, rows in headings for name, _ in rows) + 4)
    blocks = [_wrapped(f"Usage: {' '.join(usage(command, ctx))}", after="    ").replace("Usage:", _bold("Usage:"), 1)]
    blocks += [_wrapped(" ".join(paragraph.split())) for paragraph in (command.help or "").split("\n\n")]
    if command.epilog:
        blocks.append("\n".join([_bold("Examples:"), *(f"  {line}" for line in command.epilog.splitlines())]))
    for heading, rows in headings:
        blocks.append("\n".join([_bold(f"{heading}:"), *_lines(rows, width)]))
    return "\n\n".join(blocks) + "\n"


def usage(command: TyperCommand | TyperGroup, ctx: Any) -> Iterator[str]:
    """Yield the words of a verb's usage line."""
    yield ctx.command_path
    for param in command.get_params(ctx):
        if param.param_type_name == "argument":
            metavar = str(param.metavar)
            yield metavar if param.required else f"[{metavar}]"
    yield "VERB ..." if isinstance(command, TyperGroup) else "[OPTIONS]"


def sections(params: Sequence[Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the headings of a page, with names and explanations of arguments and options."""
    found: dict[str, list[tuple[str, str]]] = {}
    for param in params:
        if param.param_type_name == "argument":
            found.setdefault("Arguments", []).append((param.metavar, _explained(param)))
        elif not param.hidden:
            group = getattr(param, "rich_help_panel", None) or "Help"  # click's own --help has no group
            found.setdefault(group, []).append((_names(param), _explained(param)))
    order = ("Arguments", *GROUPS)
    return sorted(found.items(), key=lambda item: order.index(item[0]))


def _names(param: Any) -> str:
    names = sorted(param.opts, key=lambda name: (len(name) > 2, name))
    text = "/".join((", ".join(names), *param.secondary_opts))
    return f"{text} {param.metavar}" if param.metavar else text


def _explained(param: Any) -> str:
    """Return the help of a parameter, with "(required)" or its default before the full stop."""
    text, default = str(param.help).removesuffix("."), param.default
    if param.required:
        return f"{text} (required)." if param.param_type_name == "option" else f"{text}."
    if default in (None, False, (), []) or not param.show_default or "default: " in text:
        return f"{text}."
    if default is True:
        default = param.opts[0]
    return f"{text} (default: {f'{default:g}' if isinstance(default, float) else default})."


def _lines(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    for name, text in rows:
        left = f"  {name}"
        if len(left) > width - 2:
            yield left
            left = ""
        first, *rest = textwrap.wrap(text, WIDTH - width, break_on_hyphens=False)
        yield f"{left:<{width}}{first}"
        yield from (f"{'':<{width}}{line}" for line in rest)


def _wrapped(text: str, after: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=after, break_long_words=False, break_on_hyphens=False)


def _bold(text: str) -> str:
    return typer.style(text, bold=True)
