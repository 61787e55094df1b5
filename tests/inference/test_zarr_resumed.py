"""OME-Zarr whose restoration breaks off: nothing looks finished, and the next run ends as one run would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.unfinished import part_of
from clearer.inference.large_zarr import restore_zarr
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer, load
from helpers.command import clearer as command
from helpers.networks import BLIND, Smear, smear, stand_in, write_model

zarr = pytest.importorskip("zarr", reason="needs zarr; pip install 'clearer[zarr]'")

from helpers.ome_zarr import means, read, write_image, write_labels  # noqa: E402

BLOCKS = 8


def source_of(place: Path) -> Path:
    """Write an image of eight blocks, with a smaller level and labels."""
    pixels = np.random.default_rng(0).integers(0, 65535, (2, 40, 80), dtype=np.uint16)
    path = write_image(place, pixels, "zyx", chunks=(1, 20, 40), levels=2, smaller=means)
    write_labels(path)
    return path


@pytest.fixture(autouse=True)
def one_chunk_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.inference.zarr_blocks.BLOCK_BYTES", 1)
    monkeypatch.setattr("clearer.images.ome_zarr.journal.PAUSE", 0)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Counted(Smear):
    """Counts its runs."""

    runs = 0

    def forward(self, x: Tensor) -> Tensor:
        Counted.runs += 1
        return super().forward(x)


def counted() -> Restorer:
    return Restorer(Counted(), device="cpu", precision="fp32")  # type: ignore[arg-type]


def stop_at(last: int) -> Callable[[int, int], None]:
    """Return a progress that is interrupted."""

    def progress(done: int, of: int) -> None:
        if done == last:
            raise KeyboardInterrupt

    return progress


def broken_off(source: Path, target: Path, last: int, restorer: Restorer | None = None) -> Path:
    """Restore some blocks; return the hidden folder."""
    with pytest.raises(KeyboardInterrupt):
        restore_zarr(restorer or counted(), source, target, progress=stop_at(last))
    return part_of(target)


@pytest.mark.parametrize("last", [1, 4, BLOCKS])
def test_an_interrupted_restoration_goes_on(last: int, tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    Counted.runs = 0
    part = broken_off(source, target, last)
    assert not target.exists() and part.is_dir() and Counted.runs == last
    notes: list[str] = []
    steps: list[int] = []
    restore_zarr(counted(), source, target, say=notes.append, progress=lambda done, of: steps.append(done))
    again = Counted.runs - BLOCKS
    assert 0 <= again <= 1  # the block at hand when it was interrupted
    assert notes[-1] == f"{last - again} of {BLOCKS} blocks were restored before by a run that broke off"
    assert files_of(target) == files_of(tmp_path / "whole.zarr") and steps == list(range(1, BLOCKS + 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "whole.zarr"]


def test_a_former_output_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    restore_zarr(stand_in(), source, target)
    before = files_of(target)
    broken_off(source, target, 4)
    assert files_of(target) == before
    restore_zarr(counted(), source, target)
    assert np.array_equal(read(target)[0], smear().restore(read(source)[0], tile="none"))


def test_a_link_to_a_folder_is_written_through(tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "elsewhere" / "b.zarr"
    restore_zarr(stand_in(), source, target)
    link = tmp_path / "link.zarr"
    link.symlink_to(target, target_is_directory=True)
    with pytest.raises(KeyboardInterrupt):
        restore_zarr(counted(), source, link, progress=stop_at(4))
    assert part_of(target).is_dir()
    restore_zarr(counted(), source, link)
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    assert link.is_symlink() and files_of(target) == files_of(tmp_path / "whole.zarr")
    assert [path.name for path in target.parent.iterdir()] == ["b.zarr"]
    link.unlink()
    link.symlink_to(tmp_path / "none" / "b.zarr")
    with pytest.raises(UserError, match=r"a link to .*, which cannot be written"):
        restore_zarr(counted(), source, link, progress=stop_at(1))


@pytest.mark.parametrize("fails", ["whole", "b.zarr"])
def test_work_that_cannot_be_put_in_place_is_kept(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    restore_zarr(stand_in(), source, target)
    before, replace = files_of(target), Path.replace

    def denied(self: Path, to: Path) -> Path:
        if self.name == fails:
            raise PermissionError(13, "Permission denied", str(self))
        return replace(self, to)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", denied)
        with pytest.raises(
            UserError, match=r"cannot be put in place \(Permission denied\); the work is kept in .*resume"
        ):
            restore_zarr(counted(), source, target)
    assert files_of(target) == before and part_of(target).is_dir()
    Counted.runs, notes = 0, list[str]()
    restore_zarr(counted(), source, target, say=notes.append)
    assert notes[-1] == "8 of 8 blocks were restored before by a run that broke off" and Counted.runs == 0
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    assert files_of(target) == files_of(tmp_path / "whole.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "whole.zarr"]


CHANGES: dict[str, tuple[Callable[[Path, Path], object], int]] = {
    "nothing": (lambda source, part: None, 4),
    "a chunk is cut off": (lambda source, part: os.truncate(part / "whole/0/0/0/1", 9), 3),
    "a chunk is missing": (lambda source, part: (part / "whole/0/0/0/1").unlink(), 3),
    "the journal is damaged": (lambda source, part: (part / "journal.json").write_text('{"key": '), 0),
    "the journal is of another kind": (lambda source, part: (part / "journal.json").write_text("[1]"), 0),
    "a file of the metadata is missing": (lambda source, part: (part / "whole/0/.zarray").unlink(), 4),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_whole_is_made_again(change: str, tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    part = broken_off(source, target, 5)
    restore_zarr(counted(), source, tmp_path / "other.zarr", RestoreOptions(strength=0.5))  # beside it, it stays
    work, least = CHANGES[change]
    work(source, part)
    Counted.runs = 0
    restore_zarr(counted(), source, target)
    assert files_of(target) == files_of(tmp_path / "whole.zarr")
    assert Counted.runs in (BLOCKS - least, BLOCKS - least - 1)


def test_a_source_that_has_changed_is_restored_as_it_is_now(tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    broken_off(source, target, 6)
    zarr.open_array(str(source / "0"), mode="r+")[0, 5, 5] = 7  # in the first of eight blocks
    restore_zarr(smear(), source, tmp_path / "whole.zarr")
    Counted.runs = 0
    restore_zarr(counted(), source, target)
    assert files_of(target) == files_of(tmp_path / "whole.zarr")
    assert Counted.runs < BLOCKS  # that block, what sees it, and what was missing


OTHERS: dict[str, Callable[[], tuple[Restorer, RestoreOptions]]] = {
    "network": lambda: (Restorer(Counted(gain=2), device="cpu", precision="fp32"), RestoreOptions()),  # type: ignore[arg-type]
    "strength": lambda: (counted(), RestoreOptions(strength=0.5)),
    "range": lambda: (counted(), RestoreOptions(span=(0, 60000))),
    "tile": lambda: (counted(), RestoreOptions(tile=8)),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_pixels_are_not_mixed(other: str, tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    broken_off(source, target, 5)
    restorer, options = OTHERS[other]()
    notes: list[str] = []
    restore_zarr(restorer, source, target, options, say=notes.append)
    restore_zarr(restorer, source, tmp_path / "whole.zarr", options)
    assert files_of(target) == files_of(tmp_path / "whole.zarr")
    assert not any("broke off" in note for note in notes)


def another(place: Path, version: str = "0.4", wide: int = 80) -> Path:
    """Write an image of other pixels and no labels."""
    pixels = np.random.default_rng(1).integers(0, 65535, (2, 40, wide), dtype=np.uint16)
    return write_image(place, pixels, "zyx", version, chunks=(1, 20, 40), levels=2, smaller=means)


SOURCES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Path]]] = {
    "a smaller one without labels": (source_of, lambda place: another(place, wide=40)),
    "Zarr 2 after Zarr 3": (lambda place: another(place, "0.5"), another),
    "Zarr 3 after Zarr 2": (another, lambda place: another(place, "0.5")),
    "other pixels and files": (source_of, another),
}


@pytest.mark.parametrize("kind", ["path", "file", "memory"])
@pytest.mark.parametrize("name", SOURCES)
def test_another_source_begins_in_an_empty_place(name: str, kind: str, tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{k}.zarr") for k, write in enumerate(SOURCES[name]))
    (first / "notes.txt").write_text("of the first source")
    (first / "more").mkdir()
    (first / "more" / "0").write_text("of the first source")
    restore_zarr(counted(), second, tmp_path / "whole.zarr")
    target: Path | str = tmp_path / "b.zarr"
    if kind != "path":
        fsspec = pytest.importorskip("fsspec")
        fsspec.filesystem("memory").store.clear()
        target = f"file://{tmp_path.as_posix()}/b.zarr" if kind == "file" else "memory://b.zarr"
    with pytest.raises(KeyboardInterrupt):
        restore_zarr(counted(), first, target, progress=stop_at(4 if name != "Zarr 3 after Zarr 2" else 7))
    notes: list[str] = []
    restore_zarr(counted(), second, target, say=notes.append)
    if kind == "memory":
        found = fsspec.filesystem("memory")
        files = {path.removeprefix("/b.zarr/"): found.cat_file(path) for path in found.find("/b.zarr")}
        found.store.clear()
    else:
        files = files_of(tmp_path / "b.zarr")
    assert files == files_of(tmp_path / "whole.zarr")
    assert not any("broke off" in note for note in notes)


@pytest.mark.parametrize("content", ["missing", "damaged"])
def test_without_its_journal_nothing_of_an_unfinished_output_stays(content: str, tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    part = broken_off(source, target, 4)
    (part / "whole" / "strange.txt").write_text("left")
    journal = part / "journal.json"
    journal.unlink() if content == "missing" else journal.write_text("{")
    restore_zarr(counted(), source, target)
    assert files_of(target) == files_of(tmp_path / "whole.zarr")


def test_a_file_that_the_source_has_lost_is_not_in_the_output(tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    (source / "notes.txt").write_text("removed later")
    broken_off(source, target, 4)
    (source / "notes.txt").unlink()
    restore_zarr(counted(), source, target)
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    assert files_of(target) == files_of(tmp_path / "whole.zarr")


def test_tiles_are_those_of_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    fit = "clearer.inference.large_zarr.pixels_that_fit"
    monkeypatch.setattr(fit, lambda *_: 1)
    restore_zarr(counted(), source, tmp_path / "whole.zarr")
    Counted.runs = 0
    broken_off(source, target, 3)
    runs = Counted.runs // 3
    assert runs > 1
    monkeypatch.setattr(fit, lambda *_: 10**9)  # one tile would do for a block now
    restore_zarr(counted(), source, target)
    assert Counted.runs in (runs * BLOCKS, runs * (BLOCKS + 1))


def test_the_check_of_a_plane_counts_what_an_earlier_run_has_seen(tmp_path: Path) -> None:
    pixels = np.zeros((20, 80), np.uint16)
    pixels[:, :40] = 60000
    source, target = write_image(tmp_path / "a.zarr", pixels, "yx", chunks=(20, 40)), tmp_path / "b.zarr"
    black = stand_in(gain=0.0, shift=-1.0)
    broken_off(source, target, 1, black)
    with pytest.raises(UserError, match="nothing but black"):  # the dark half alone may become black
        restore_zarr(black, source, target)
    assert not target.exists() and not part_of(target).exists()


def test_the_noise_level_is_that_of_the_whole_plane(tmp_path: Path) -> None:
    restorer = load(write_model(tmp_path / "m.safetensors", BLIND, condition="level"), "cpu", "fp32")
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    restore_zarr(restorer, source, tmp_path / "whole.zarr")
    broken_off(source, target, 3, restorer)
    restore_zarr(restorer, source, target)
    assert files_of(target) == files_of(tmp_path / "whole.zarr")


def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    source, target = source_of(tmp_path / "a.zarr"), tmp_path / "b.zarr"

    def progress(done: int, of: int) -> None:
        if done == 1:
            with pytest.raises(UserError, match="another process is writing it"):
                restore_zarr(smear(), source, target)

    restore_zarr(counted(), source, target, progress=progress)
    restore_zarr(smear(), source, tmp_path / "whole.zarr")
    assert files_of(target) == files_of(tmp_path / "whole.zarr")


KILL = """
import os, signal, sys
import clearer.images.ome_zarr.journal as journal
import clearer.inference.large_zarr as large
import clearer.inference.zarr_blocks as blocks
from clearer.inference.restorer import load
blocks.BLOCK_BYTES, journal.PAUSE = 1, 0
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] in ("make_smaller", "copy_metadata", "copy_without_chunks"):
    setattr(large, sys.argv[1], kill)
def progress(done, of):
    if done == 4 and sys.argv[1] == "blocks":
        kill()
large.restore_zarr(load(sys.argv[2], "cpu", "fp32"), *sys.argv[3:], progress=progress)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
@pytest.mark.parametrize("where", ["copy_without_chunks", "blocks", "make_smaller", "copy_metadata"])
def test_a_killed_restoration_goes_on(where: str, tmp_path: Path) -> None:
    source, model, out = source_of(tmp_path / "a.zarr"), write_model(tmp_path / "m.safetensors"), tmp_path / "out"
    restore_zarr(load(model, "cpu", "fp32"), source, tmp_path / "whole.zarr")
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    killed = subprocess.run(
        [sys.executable, "-c", KILL, where, model, source, out / "a.zarr"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    assert [path.name for path in out.iterdir()] == [".a.zarr.clearer-part"]
    ended = command("restore", model, tmp_path, "-o", out, "--pattern", "a.zarr", "--precision", "fp32", "--json")
    assert ended.status == 0, ended.err
    assert any("broke off" in note for note in ended.json["notes"]) == (where != "copy_without_chunks")
    assert files_of(out / "a.zarr") == files_of(tmp_path / "whole.zarr")
    assert [path.name for path in out.iterdir()] == ["a.zarr"]
