"""One command, killed once at a moment drawn from a seed, then run again: what is not as promised."""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clearer.core import leftovers
from clearer.core.files import written_whole
from kill.commands import Command
from kill.contents import fault, is_temporary, names, same
from kill.process import Ended, finish, start

STOPS = (signal.SIGTERM, signal.SIGINT)
SHARE_WATCHED = 0.5
"""Share of the kills that follow the appearance of a file; the others are spread evenly over the command's life."""


@dataclass
class Trial:
    """The outcome of one kill.

    Attributes:
        seed: from which its moment was drawn.
        moment: in words.
        ended: whether the command ended before it.
        faults: what is not as promised, a line each.
    """

    seed: int
    signal: signal.Signals
    moment: str = ""
    ended: bool = False
    faults: list[str] = field(default_factory=list)


class Subject:
    """A command with the results of uninterrupted runs.

    Raises:
        RuntimeError: two of them differ, or one fails.
    """

    def __init__(self, command: Command, desk: Path) -> None:
        for module in command.needs:
            importlib.import_module(module)
        self.command, self.desk = command, desk
        self.out, self.whole = desk / "out", desk / "whole"
        self.seen: list[str] = []
        self.seconds = 0.0
        self.inputs = _digest(desk)
        for kept in (self.whole, desk / "again"):
            self._clear()
            ended = self._run(see=self._look)
            if ended.status:
                raise RuntimeError(f"{command.name}: status {ended.status}: {ended.err[-2000:]}")
            self.seconds = max(self.seconds, ended.seconds)
            self.tmp = names(desk / "tmp")
            shutil.rmtree(kept, ignore_errors=True)
            self.out.rename(kept)
        differing = self._differences(desk / "again")
        if differing:
            raise RuntimeError(f"{command.name}: two uninterrupted runs differ: {differing}")

    def _clear(self) -> None:
        for folder in (self.out, self.desk / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
        (self.desk / "tmp").mkdir()
        if self.command.shared:
            self.out.mkdir()

    def _run(self, **how: object) -> Ended:
        number = start(self.command.arguments, self.desk, self.command.prepare)
        return finish(number, self.desk, **how)  # type: ignore[arg-type]

    def _look(self) -> None:
        for name in sorted(self._present()):
            if name not in self.seen:
                self.seen.append(name)

    def _present(self) -> set[str]:
        """Return the files of the output and of the temporary folder, with temporary names made equal."""
        return {
            f"{part}/" + "/".join(_stem(piece) for piece in Path(name).parts)
            for part in ("out", "tmp")
            for name in _listed(self.desk / part)
        }

    def kill(self, seed: int, number: signal.Signals) -> Trial:
        """Kill the command once, look at what it left, run it again, and compare."""
        chance = random.Random(f"{self.command.name} {seed}")
        trial = Trial(seed, number)
        self._clear()
        with ExitStack() as held:
            mine = held.enter_context(_held(self.out, self.desk / "tmp")) if self.command.shared else []
            ended = self._run(kill=number, due=self._moment(chance, trial))
            trial.ended = ended.status >= 0 and (number == signal.SIGKILL or ended.status == 0)
            trial.faults += self._left(mine)
            if number != signal.SIGKILL and not trial.ended:
                trial.faults += self._stopped(ended, number, mine)
            again = self._run()
            if again.status or "Traceback" in again.err:
                trial.faults.append(f"run again: status {again.status}: {again.err[-500:]}")
            trial.faults += [f"run again: {text}" for text in self._differences(self.out, mine)]
            trial.faults += [f"{path.name}: of a living process, removed" for path in mine if not path.exists()]
            left = names(self.desk / "tmp") - self.tmp - {path.name for path in mine}
            trial.faults += [f"run again: tmp/{name}: left" for name in sorted(left)]
        if _digest(self.desk) != self.inputs:
            trial.faults.append("the inputs have changed")
        return trial

    def _moment(self, chance: random.Random, trial: Trial) -> Callable[[float], bool]:
        if self.seen and chance.random() < SHARE_WATCHED:
            watched, delay = chance.choice(self.seen), chance.choice((0, 0.001, 0.003))
            trial.moment = f"{1000 * delay:g} ms after {watched} appeared"
            appeared: list[float] = []

            def due(seconds: float) -> bool:
                if not appeared and watched in self._present():
                    appeared.append(seconds)
                return bool(appeared) and seconds >= appeared[0] + delay

            return due
        moment = chance.uniform(0, self.seconds)
        trial.moment = f"at {moment:.3f} of {self.seconds:.3f} s"
        return lambda seconds: seconds >= moment

    def _left(self, mine: list[Path]) -> Iterator[str]:
        """Say which files of final names are not whole, or are not as at the end where they should be."""
        for name in sorted(names(self.out) if self.out.exists() else ()):
            path = self.out / name
            if is_temporary(name) or path in mine:
                continue
            found = fault(path)
            if found:
                yield f"killed: {name}: {found}"
            elif self.command.is_final and not ((self.whole / name).exists() and same(path, self.whole / name)):
                yield f"killed: {name}: not as at the end"

    def _stopped(self, ended: Ended, number: signal.Signals, mine: list[Path]) -> Iterator[str]:
        lines = ended.err.strip().splitlines()
        if ended.status != 128 + number:
            yield f"{number.name}: status {ended.status}, not {128 + number}: {ended.err[-800:]}"
        elif "Traceback" in ended.err or not lines or not lines[-1].startswith("clearer: "):
            yield f"{number.name}: not ended in one line: {ended.err[-800:]}"
        left = [path.name for part in (self.out, self.desk / "tmp") if part.exists() for path in part.rglob("*")
                if leftovers.is_temporary(path.name) and path not in mine]  # fmt: skip
        if left:
            yield f"{number.name}: left {', '.join(left)}"

    def _differences(self, found: Path, mine: list[Path] | None = None) -> list[str]:
        now, wanted = names(found) - {path.name for path in mine or ()}, names(self.whole)
        faults = [f"{name}: missing" for name in sorted(wanted - now)]
        faults += [f"{name}: left" for name in sorted(now - wanted)]
        return faults + [
            f"{name}: not the same" for name in sorted(now & wanted) if not same(found / name, self.whole / name)
        ]


@contextmanager
def _held(*folders: Path) -> Iterator[list[Path]]:
    """Hold a temporary file of this, a living process in each folder."""
    with ExitStack() as held:
        yield [held.enter_context(written_whole(folder / "held.tif")) for folder in folders]


def _listed(folder: Path) -> list[str]:
    found = []
    for here, _, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(here, name), folder) for name in files]  # noqa: PTH118
    return found


def _stem(name: str) -> str:
    name = re.sub(r"[0-9a-f]{16,}", "#", name)  # random names of uploads
    match = leftovers._NAME.fullmatch(name)
    return name if match is None else name[: match.start(2) - 1] + (match[5] or "") + " (temporary)"


def _digest(desk: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(desk.rglob("*")):
        if path.is_file() and path.relative_to(desk).parts[0] not in ("out", "whole", "again", "tmp", "log"):
            total.update(path.as_posix().encode() + path.read_bytes())
    return total.hexdigest()
