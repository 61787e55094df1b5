"""Run a page of documentation from top to bottom: its commands and its Python, and compare what it says they print.

A block ``sh`` is a list of commands, a block ``python`` runs in one namespace for the page, and a block ``text`` is
what the block before it prints. A line ``...`` in it stands for any lines; numbers may differ, words may not.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from helpers.command import clearer as command

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d.,]*")
DURATION = re.compile(r"(#:?)+ (h|min|s|ms)( # (min|s))*\b")


@dataclass
class Page:
    """A page and how to run it.

    Args:
        path: the Markdown file.
        added: options added to a verb, so that it takes a second. With ``--show`` it only prints its settings, and with
            ``--help`` only its options are checked: what it would print is not compared.
        instead: programs that are run by a function of the whole line.
        left_out: the first words of lines that are not run.
        names: what the Python of the page finds defined.
    """

    path: Path
    added: dict[str, list[str]] = field(default_factory=dict)
    instead: dict[str, Callable[[str], str]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    names: dict[str, object] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Run every block in the current folder.

        Raises:
            AssertionError: a command fails, or prints something else than the page says.
        """
        names: dict[str, object] = {"__name__": "page", **self.names}
        printed, compared = "", True
        for kind, text in self.blocks():
            if kind == "sh":
                printed = "".join(map(self._command, commands(text)))
                compared = not any(_only_checked(self._added(line)) for line in commands(text))
            elif kind == "python":
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(compile(text, str(self.path), "exec"), names)
                printed, compared = out.getvalue(), True
                self.ran.append("python")
            elif kind == "text" and compared:
                assert missing(text, printed) == [], f"{self.path.name} says\n{text}\nbut this is printed:\n{printed}"

    def blocks(self) -> list[tuple[str, str]]:
        """Return the page's blocks: language and text."""
        text = self.path.read_text(encoding="utf-8")
        return [(kind, re.sub(rf"^{indent}", "", inside, flags=re.MULTILINE)) for indent, kind, inside in
                BLOCK.findall(text)]  # fmt: skip

    def _added(self, line: str) -> list[str]:
        """Return the options added to a command, by its verb or by its first words."""
        return next((more for start, more in self.added.items() if line.startswith(f"clearer {start}")), [])

    def _command(self, line: str) -> str:
        if line.startswith(self.left_out):
            return ""
        program, *arguments = shlex.split(line, comments=True)
        self.ran.append(line)
        if program in self.instead:
            return self.instead[program](line)
        if program == "cd":
            os.chdir(arguments[0])
            return ""
        if program == "python":
            subprocess.run([sys.executable, *arguments], check=True)
            return ""
        assert program == "clearer", f"{self.path.name}: nothing runs {line!r}"
        ended = command(*arguments, *self._added(line))
        assert ended.status == 0, f"{self.path.name}: {line}\n{ended.out}{ended.err}"
        return ended.out + ended.err


def _only_checked(added: list[str]) -> bool:
    return not {"--show", "--help"}.isdisjoint(added)


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
