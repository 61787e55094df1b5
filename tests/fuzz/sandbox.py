"""Run the command line in this process and see what it did: its status, what it printed, and what it left behind."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from clearer.core.errors import UserError

MEMORY = 3 * 2**30
"""Bytes that a case may reserve beside what the process had before."""
LARGEST_FILE = 2**30


_ONLY_LINES = ("restore",)
"""Verbs that print nothing to standard error but lines that begin with "clearer: "."""
_OF_A_PROGRAMMER = re.compile(r"Traceback|Warning|Exception|\[[EWF]:|^\s+File ")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_OF_LIBRARIES = ("torchinductor_", ".ses")
"""Temporary files that libraries make once in a process."""


@dataclass(frozen=True)
class Said:
    """The exit status of a command, and what it printed."""

    status: int
    out: bytes
    err: str


class Violation(Exception):
    """A case that did what no input may cause; the message says what."""


class Sandbox:
    """A folder for one case after another, limits, and the captured output of this process.

    Args:
        folder: made if it is missing. ``case`` below it is the current folder of a case, ``tmp`` its temporary folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.case, self.tmp = folder, folder / "case", folder / "tmp"
        shutil.rmtree(folder, ignore_errors=True)
        for one in (self.case, self.tmp):
            one.mkdir(parents=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.tmp)
        self.crash = (folder / "crash.txt").open("w+")
        faulthandler.enable(self.crash, all_threads=True)
        faulthandler.register(signal.SIGUSR2, self.crash, all_threads=True)
        self.streams = [(folder / f"{name}.txt").open("w+b", buffering=0) for name in ("in", "out", "err")]
        for number, stream in enumerate(self.streams):
            os.dup2(stream.fileno(), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        # Test runners put others in their place.
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (reserved + MEMORY, -1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, -1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(self.case)

    def empty(self) -> None:
        """Prepare for a new case."""
        os.chdir(self.folder)
        for one in (self.case, self.tmp):
            shutil.rmtree(one)
            one.mkdir()
        os.chdir(self.case)
        self.crash.seek(0)
        self.crash.truncate()
        with contextlib.suppress(OSError):  # the peak of memory begins anew
            Path("/proc/self/clear_refs").write_text("5")

    def run(self, *arguments: str, stdin: bytes = b"") -> Said:
        """Run ``clearer ARGUMENTS``.

        Raises:
            Violation: it ended in a traceback, or printed what is not a line for people.
        """
        from clearer.cli import main

        with self._streams(stdin), mock.patch.object(sys, "argv", ["clearer", *arguments]):
            status = 0
            try:
                main.main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                raise Violation(f"traceback: {shortened(traceback.format_exc())}") from None
        said = self._said(status)
        self._check_lines(said, arguments[0])
        return said

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function; an error of its user is raised, any other is a violation."""
        with self._streams(b""):
            try:
                found = function(*arguments)
            except UserError:
                raise
            except Exception:
                raise Violation(f"traceback: {shortened(traceback.format_exc())}") from None
        said = self._said(0)
        if said.err:
            raise Violation(f"printed: {said.err[:500]!r}")
        return found

    @contextlib.contextmanager
    def _streams(self, stdin: bytes) -> Iterator[None]:
        for stream in self.streams:
            stream.seek(0)
            stream.truncate()
        self.streams[0].write(stdin)
        self.streams[0].seek(0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _said(self, status: int) -> Said:
        texts = []
        for stream in self.streams[1:]:
            stream.seek(0)
            texts.append(stream.read())
        return Said(status, texts[0], texts[1].decode(errors="replace"))

    def _check_lines(self, said: Said, verb: str) -> None:
        for line in said.err.split("\n")[:-1]:
            strange = not line.startswith("clearer: ") if verb in _ONLY_LINES else _OF_A_PROGRAMMER.search(line)
            if strange:
                raise Violation(f"printed: {said.err[:1500]!r}")
            if _CONTROLS.search(line):
                raise Violation(f"characters that control a terminal: {line[:500]!r}")
            if len(line) > 1200:
                raise Violation(f"a line of {len(line)} characters: {line[:500]!r}")
        if said.status not in (0, 1, 2) or (said.status == 2 and said.err.count("\n") != 1):
            raise Violation(f"status {said.status}: {said.err[:500]!r}")

    def check_left(self, expected: set[str]) -> None:
        """Check which files a case left.

        Args:
            expected: the files of the case folder, as paths below it.

        Raises:
            Violation: there are others, or fewer.
        """
        found = {str(path.relative_to(self.case)) for path in self.case.rglob("*") if not path.is_dir()}
        if found != expected:
            raise Violation(f"files left: {sorted(found - expected)}, missing: {sorted(expected - found)}")
        if left := [path for path in self.tmp.rglob("*") if not path.name.startswith(_OF_LIBRARIES)]:
            raise Violation(f"temporary files left: {[str(path.relative_to(self.tmp)) for path in left]}")


def peak() -> int:
    """Return the largest resident memory of this process since the case began, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def shortened(text: str) -> str:
    """Return the calls of a traceback that are of the package, its last call, and its message."""
    lines = [line.strip() for line in text.splitlines()]
    calls = [k for k, line in enumerate(lines) if line.startswith("File ")]
    ours = [lines[k] for k in calls if "/clearer/" in lines[k]][-6:]
    return " | ".join([*ours, *(lines[calls[-1] :] if calls else lines)])[-1500:]
