"""Run a page of documentation from top to bottom: its commands and its Python, and compare what it says they print.

A block ``sh`` is a list of commands, a block ``python`` runs in one namespace for the page, and a block ``text`` is
what the block before it prints. A line ``...`` in it stands for any lines; numbers may differ, words may not.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.command import clearer as command

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d.,]*")
DURATION = re.compile(r"(#:?)+ (h|min|s|ms)( # (min|s))*\b")
OTHERS = ("pip ", "python -m pip ", "npm ", "npx ", "g++ ", "cmake ", "./", ". ", "make ")
"""Commands of other programs, which this does not run."""


@dataclass
class Page:
    """A page and how to run it.

    Args:
        path: the Markdown file.
        added: options added to a verb, so that it takes a second.
        instead: commands that are not run as they stand, and what is run in their place.
    """

    path: Path
    added: dict[str, list[str]] = field(default_factory=dict)
    instead: dict[str, Callable[[], str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Run every block in the current folder.

        Raises:
            AssertionError: a command fails, or prints something else than the page says.
        """
        names: dict[str, object] = {"__name__": "page"}
        printed = ""
        for kind, text in self.blocks():
            if kind == "sh":
                printed = "".join(map(self._command, commands(text)))
            elif kind == "python":
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(compile(text, str(self.path), "exec"), names)
                printed = out.getvalue()
                self.ran.append("python")
            elif kind == "text":
                assert missing(text, printed) == [], f"{self.path.name} says\n{text}\nbut this is printed:\n{printed}"

    def blocks(self) -> list[tuple[str, str]]:
        """Return the page's blocks: language and text."""
        text = self.path.read_text(encoding="utf-8")
        return [(kind, re.sub(rf"^{indent}", "", inside, flags=re.MULTILINE)) for indent, kind, inside in
                BLOCK.findall(text)]  # fmt: skip

    def _command(self, line: str) -> str:
        if line in self.instead:
            self.ran.append(line)
            return self.instead[line]()
        program, *arguments = shlex.split(line, comments=True)
        if program != "clearer":
            assert line.startswith(OTHERS), f"{self.path.name}: nothing runs {line!r}"
            return ""
        ended = command(*arguments, *self.added.get(arguments[0], []))
        assert ended.status == 0, f"{self.path.name}: {line}\n{ended.out}{ended.err}"
        self.ran.append(line)
        return ended.out + ended.err


def commands(block: str) -> list[str]:
    """Return the commands of a block, continued lines joined, comments left out."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def missing(said: str, printed: str) -> list[str]:
    """Return the lines that a page says are printed and that are not, in this order; numbers count as equal."""
    waiting = iter(_words(printed.splitlines()))
    return [line for line in said.splitlines() if line.strip() != "..." and not _reached(line, waiting)]


def _reached(line: str, waiting: Iterable[str]) -> bool:
    (wanted,) = _words([line])
    return any(found == wanted for found in waiting)


def _words(lines: Iterable[str]) -> list[str]:
    """Return lines without what differs from machine to machine: numbers, rules and the width of columns."""
    masked = [DURATION.sub("# s", NUMBER.sub("#", line)) for line in lines]
    return [" ".join(re.sub(r"[━─]+", "-", line).split()) for line in masked]
