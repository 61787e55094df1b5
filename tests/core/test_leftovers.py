"""Temporary files: those of dead processes are removed, and no others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearer.core import leftovers
from clearer.core.files import write_text, written_whole
from clearer.core.leftovers import remove_leftovers, temporary_name

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

HOLD = """
import sys
from clearer.core.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half")
    print(temporary, flush=True)
    sys.stdin.read()
"""


def holding(path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process in the middle of writing a file, and its temporary file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("reaped", [True, False])
def test_what_a_killed_process_left_goes_with_the_next_file(tmp_path: Path, reaped: bool) -> None:
    process, temporary = holding(tmp_path / "08.png")
    alive, other = holding(tmp_path / "09.png")
    assert temporary.read_bytes() == other.read_bytes() == b"half" and temporary.suffix == ".png"
    process.send_signal(signal.SIGKILL)
    if reaped:
        process.wait()
    else:  # a zombie: its number is not free yet
        while b") Z" not in Path(f"/proc/{process.pid}/stat").read_bytes():
            time.sleep(0.01)
    write_text(tmp_path / "a.txt", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([other.name, "a.txt"])
    alive.communicate("")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["09.png", "a.txt"]
    process.communicate()


def test_only_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = temporary_name("x", ".png")
    machine, pid, start, random = re.fullmatch(r"\.x-(\w+)-(\d+)-(\d+)-(\w+)\.tmp\.png", own).groups()  # type: ignore[union-attr]
    gone = f".x-{machine}-{dead.pid}-1-{random}.tmp"
    kept = [
        own,
        f".x-{machine}-1-1-{random}.tmp.png" if os.geteuid() else f".x-{machine}-{pid}-0-{random}.tmp.png",
        f".x-{'0' * 8}-{dead.pid}-1-{random}.tmp.png",  # another machine
        f".x-{random}.tmp.png",  # of an earlier version, or of another program
        f"x-{machine}-{dead.pid}-1-{random}.tmp.png",  # not hidden
        f".x-{machine}-{dead.pid}-1-{random}.png",
        "08.png",
    ]
    removed = [gone, gone + ".png", gone + ".a\nb", f".x-{machine}-{pid}-{int(start) - 1}-{random}.tmp.png"]
    for name in (*kept, *removed):
        (tmp_path / name).touch()
    (tmp_path / (gone + ".folder")).mkdir()
    (tmp_path / (gone + ".link")).symlink_to("08.png")
    assert sorted(remove_leftovers(tmp_path)) == sorted(removed)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, gone + ".folder", gone + ".link"])


def test_files_of_other_users_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = temporary_name("x", ".png").replace(f"-{os.getpid()}-", "-4000000-")
    (tmp_path / name).touch()
    user = os.getuid()
    monkeypatch.setattr(leftovers.os, "getuid", lambda: user + 1)
    assert remove_leftovers(tmp_path) == []
    monkeypatch.undo()
    assert remove_leftovers(tmp_path) == [name]


def test_a_folder_that_is_missing_has_no_leftovers(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "missing") == []


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    for name in ("ä" * 127, f"{'ä' * 60}.{'ö' * 60}", "\N{GRINNING FACE}" * 60 + ".png"):
        with written_whole(tmp_path / name) as temporary:
            temporary.write_bytes(b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"
