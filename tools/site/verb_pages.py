"""The reference of the command line: a page for each verb, made of what ``clearer VERB --help`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from clearer.cli.app import app
from clearer.cli.help import sections, usage

ROOT: Any = typer.main.get_command(app)


def pages() -> dict[str, str]:
    """Return the page of each verb: file name -> Markdown."""
    return {f"{'-'.join(words)}.md": _page(words) for words in _verbs()}


def title(name: str) -> str:
    """Return the words of the verb whose page has this file name."""
    stem = name.removesuffix(".md")
    return stem.replace("reproduce-", "reproduce ", 1)


def overview() -> str:
    """Return the table of all verbs under their headings, with links to their pages."""
    lines = ["| verb | what it does |", "| --- | --- |"]
    for words in _verbs():
        first = (_command(words).help or "").partition("\n")[0]
        lines.append(f"| [`{' '.join(words)}`]({'-'.join(words)}.md) | {first} |")
    return "\n".join(lines)


def _verbs() -> Iterator[tuple[str, ...]]:
    for name, verb in ROOT.commands.items():
        if hasattr(verb, "commands"):
            yield from ((name, inner) for inner in verb.commands)
        else:
            yield (name,)


def _command(words: tuple[str, ...]) -> Any:
    command = ROOT
    for word in words:
        command = command.commands[word]
    return command


def _page(words: tuple[str, ...]) -> str:
    context = ROOT.make_context("clearer", ["--help"], resilient_parsing=True)
    for k, _ in enumerate(words):
        command = _command(words[: k + 1])
        context = command.context_class(command, info_name=words[k], parent=context)
    parts = [f"# clearer {' '.join(words)}", _prose(command.help or "")]
    parts += [_code([" ".join(usage(command, context))]), "## Examples", _code(command.epilog.splitlines())]
    for heading, rows in sections(command.get_params(context)):
        head = "argument" if heading == "Arguments" else "option"
        table = [f"| {head} | meaning |", "| --- | --- |"]
        table += [f"| {_name(name)} | {_prose(text).replace('|', chr(92) + '|')} |" for name, text in rows]
        parts += [f"## {heading}", "\n".join(table)]
    return "\n\n".join(parts) + "\n"


def _name(name: str) -> str:
    names, _, metavar = name.partition(" ") if ", " not in name else _split(name)
    return f"`{names}`" + (f" `{metavar}`" if metavar else "")


def _split(name: str) -> tuple[str, str, str]:
    *_, last = name.split(", ")
    option, _, metavar = last.partition(" ")
    return name[: len(name) - len(last) + len(option)], " ", metavar


def _prose(text: str) -> str:
    """Return a help text as Markdown: what looks like HTML or emphasis is what it says."""
    return re.sub(r"([<*_])", r"\\\1", text)


def _code(lines: list[str]) -> str:
    return "\n".join(["```sh", *lines, "```"])
