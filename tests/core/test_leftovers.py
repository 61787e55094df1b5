"""Temporary files: those of dead processes are removed, and no others."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearer.core import leftovers
from clearer.core.files import write_text, written_whole
from clearer.core.leftovers import held_file, remove_leftovers, temporary_folder, temporary_name

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
        f".x-{random}.tmp.png",  # of an earlier version, or of another program
        f"x-{machine}-{dead.pid}-1-{random}.tmp.png",  # not hidden
        f".x-{machine}-{dead.pid}-1-{random}.png",
        "08.png",
    ]
    removed = [gone, gone + ".png", gone + ".a\nb", f".x-{machine}-{pid}-{int(start) - 1}-{random}.tmp.png"]
    removed.append(f".x-{machine}-{pid}-0-{random}.tmp.png")  # its start is unknown, and nobody holds it
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


HOLD_FOLDER = """
import sys
from clearer.core.leftovers import temporary_folder
with temporary_folder("trial") as folder:
    (folder / "inner").mkdir()
    (folder / "inner" / "a").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_temporary_folder_is_private_and_goes_at_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(leftovers.tempfile, "tempdir", str(tmp_path))
    for ends in (contextlib.nullcontext(), pytest.raises(RuntimeError)):
        with ends, temporary_folder("trial") as folder:
            assert folder.parent == tmp_path and folder.stat().st_mode & 0o077 == 0
            (folder / "a").touch()
            if not isinstance(ends, contextlib.nullcontext):
                raise RuntimeError
        assert list(tmp_path.iterdir()) == []


def test_the_folders_of_killed_processes_go_with_the_next_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(leftovers.tempfile, "tempdir", str(tmp_path))
    places = {**os.environ, "TMPDIR": str(tmp_path)}
    processes = []
    for _ in range(2):
        run = [sys.executable, "-c", HOLD_FOLDER]
        processes.append(subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=places))
    dead, alive = processes
    assert dead.stdout is not None and alive.stdout is not None
    gone, kept = (Path(process.stdout.readline().strip()) for process in processes)
    dead.kill()
    dead.communicate()
    (tmp_path / "clearer-other").mkdir()
    shutil.copytree(gone, tmp_path / gone.name.replace("clearer-", ".clearer-"))
    with temporary_folder("trial"):
        assert not gone.exists() and (kept / "inner" / "a").exists()
    alive.communicate("")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".{gone.name}", "clearer-other"]


@pytest.mark.parametrize("file_system", ["ext4", "nfs4"])
def test_in_another_container_only_locks_tell_and_only_where_all_see_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str
) -> None:
    dead, left = holding(tmp_path / "a.png")
    alive, held = holding(tmp_path / "b.png")
    dead.kill()
    dead.communicate()
    # Seen from a container: another machine's name, and numbers of processes that mean nothing, or others.
    monkeypatch.setattr(leftovers, "_machine", lambda: "0" * 10)
    monkeypatch.setattr(leftovers, "_file_system", lambda folder, mounts: file_system)
    assert remove_leftovers(tmp_path) == ([left.name] if file_system == "ext4" else [])
    monkeypatch.undo()
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [held.name]
    alive.communicate("")


def test_a_number_used_again_with_an_unknown_start_is_decided_by_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, left = holding(tmp_path / "a.png")
    alive, _ = holding(tmp_path / "b.png")
    dead.kill()
    dead.communicate()
    monkeypatch.setattr(leftovers.os, "kill", lambda pid, number: None)
    monkeypatch.setattr(leftovers, "_start_of", lambda pid: None)
    assert remove_leftovers(tmp_path) == [left.name]
    alive.communicate("")


def test_without_locks_the_number_and_the_start_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def none(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with written_whole(tmp_path / "a.png") as own:
        dead = own.with_name(own.name.replace(f"-{os.getpid()}-", "-4000000-"))
        elsewhere = own.with_name(own.name.replace(leftovers._machine(), "0" * 10))
        for path in (dead, elsewhere):
            path.touch()
        assert remove_leftovers(tmp_path) == [dead.name]
        assert own.exists() and elsewhere.exists()


def test_a_file_taken_for_a_leftover_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["first", "second"])
    monkeypatch.setattr(leftovers, "temporary_name", lambda stem, suffix: next(names))
    is_held = leftovers.is_held

    def removed_first(descriptor: int) -> bool | None:
        (tmp_path / "first").unlink(missing_ok=True)
        return is_held(descriptor)

    monkeypatch.setattr(leftovers, "is_held", removed_first)
    place, descriptor = held_file(tmp_path, "a", ".png")
    os.close(descriptor)
    assert place.name == "second" and [p.name for p in tmp_path.iterdir()] == ["second"]


def test_the_file_system_of_a_folder_is_that_of_the_last_mount_over_it() -> None:
    mounts = "\n".join(
        [
            "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
            "23 22 0:30 / /home rw shared:1 - nfs4 server:/home rw",
            "24 23 0:31 / /home/a\\040b rw - xfs /dev/b rw",
            "25 22 0:32 / /over rw - tmpfs none rw",
            "26 22 0:33 / /over rw - fuse.sshfs x rw",
        ]
    )
    found = {
        place: leftovers._file_system(place, mounts) for place in ("/x", "/home", "/homes", "/home/a b/c", "/over/d")
    }
    assert found == {"/x": "ext4", "/home": "nfs4", "/homes": "ext4", "/home/a b/c": "xfs", "/over/d": "fuse.sshfs"}
    assert leftovers._file_system("/x", "") == ""


def test_written_files_are_as_readable_as_others_and_the_umask_of_other_threads_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("it belongs to the whole process"))
        for private, mode in ((False, 0o640), (True, 0o600)):
            with written_whole(tmp_path / "a.txt", private=private) as temporary:
                temporary.write_text("x")
            assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
    finally:
        monkeypatch.undo()
        os.umask(before)
