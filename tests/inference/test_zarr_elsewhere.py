"""OME-Zarr elsewhere, through fsspec: its memory and its local file system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clearer.core.addresses import StorageFault
from clearer.core.errors import UserError
from clearer.core.unfinished import part_of
from clearer.images.ome_zarr.place import Place, place_of
from clearer.images.ome_zarr.tree import METADATA, is_zarr_at, tree_of
from clearer.inference.files import restore_path
from clearer.inference.large_zarr import JOURNAL, restore_zarr
from clearer.inference.options import RestoreOptions
from helpers.command import clearer as command
from helpers.networks import smear, write_model

fsspec = pytest.importorskip("fsspec")
zarr = pytest.importorskip("zarr", reason="needs zarr; pip install 'clearer[zarr]'")

from helpers.ome_zarr import means, write_image, write_labels  # noqa: E402


def write_source(place: Path, version: str = "0.4") -> Path:
    pixels = np.random.default_rng(0).integers(0, 65535, (2, 40, 80), dtype=np.uint16)
    path = write_image(place, pixels, "zyx", version, chunks=(1, 20, 40), levels=2, smaller=means)
    write_labels(path, version)
    (path / "OME").mkdir()
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    return path


class Elsewhere:
    """A file system of fsspec and an address in it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.system, self.inside = fsspec.core.url_to_fs(root)

    def put(self, folder: Path, name: str) -> str:
        """Copy a folder there; return its address."""
        for path in folder.rglob("*"):
            if path.is_file():
                inside = f"{self.inside}/{name}/{path.relative_to(folder).as_posix()}"
                self.system.makedirs(inside.rpartition("/")[0], exist_ok=True)
                self.system.pipe_file(inside, path.read_bytes())
        return f"{self.root}/{name}"

    def files(self, name: str) -> dict[str, bytes]:
        """Return all files of a folder."""
        start = f"{self.inside}/{name}"
        return {path[len(start) + 1 :]: self.system.cat_file(path) for path in self.system.find(start)}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["memory", "file"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Elsewhere]:
    fsspec.filesystem("memory").store.clear()
    yield Elsewhere("memory://lab" if request.param == "memory" else f"file://{tmp_path.as_posix()}/there")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(autouse=True)
def one_chunk_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.inference.zarr_blocks.BLOCK_BYTES", 1)
    monkeypatch.setattr("clearer.images.ome_zarr.journal.PAUSE", 0)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_result_is_that_on_this_machine(version: str, there: Elsewhere, tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.zarr", version)
    restore_zarr(smear(), source, tmp_path / "whole.zarr")
    whole = files_of(tmp_path / "whole.zarr")
    address = there.put(source, "a.zarr")
    assert tree_of(address) == tree_of(source)
    restore_zarr(smear(), address, f"{there.root}/b.zarr")
    assert there.files("b.zarr") == whole
    restore_zarr(smear(), address, tmp_path / "here.zarr")
    assert files_of(tmp_path / "here.zarr") == whole
    restore_zarr(smear(), source, f"{there.root}/deep/c.zarr/")
    assert there.files("deep/c.zarr") == whole
    with pytest.raises(UserError, match=r"b\.zarr: exists; outputs elsewhere are not replaced"):
        restore_zarr(smear(), address, f"{there.root}/b.zarr")


def test_what_broke_off_does_not_look_finished_and_goes_on(there: Elsewhere, tmp_path: Path) -> None:
    plate = tmp_path / "p.zarr"
    for field in ("A/1/0", "A/1/1"):
        write_source(plate / field)
    for group in ("", "A", "A/1"):
        (plate / group / ".zgroup").write_text('{"zarr_format": 2}')
    (plate / ".zattrs").write_text('{"plate": {"wells": [{"path": "A/1"}]}}')
    restore_zarr(smear(), plate, tmp_path / "whole.zarr")
    address, target = there.put(plate, "p.zarr"), f"{there.root}/q.zarr"

    def progress(done: int, of: int) -> None:
        if done == 11:  # of 16: in the second field
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_zarr(smear(), address, target, progress=progress)
    partly = there.files("q.zarr")
    assert JOURNAL in partly and "A/1/0/0/1/1/1" in partly
    groups = {Path(name).parent.as_posix() for name in partly if Path(name).name in METADATA}
    assert groups == {f"A/1/{field}/{level}" for field in (0, 1) for level in (0, 1)}  # arrays alone
    assert not is_zarr_at(place_of(target))
    with pytest.raises(UserError, match="no OME-Zarr image"):
        restore_zarr(smear(), target, tmp_path / "x.zarr")
    notes: list[str] = []
    restore_zarr(smear(), address, target, say=notes.append)
    assert notes[-1] in [f"{k} of 16 blocks were restored before by a run that broke off" for k in (10, 11)]
    assert there.files("q.zarr") == files_of(tmp_path / "whole.zarr")


def test_metadata_of_the_root_come_last(there: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    pipe = type(there.system).pipe_file

    def noted(self: object, path: str, value: bytes, *args: object, **more: object) -> None:
        written.append(path)
        pipe(self, path, value, *args, **more)

    monkeypatch.setattr(type(there.system), "pipe_file", noted)
    restore_zarr(smear(), write_source(tmp_path / "a.zarr"), f"{there.root}/b.zarr")
    last = [path.removeprefix(f"{there.inside}/b.zarr/") for path in written[-2:]]
    assert sorted(last) == [".zattrs", ".zgroup"]


def test_the_command_line_takes_addresses(there: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, model = write_source(tmp_path / "a.zarr"), write_model(tmp_path / "m.safetensors")
    assert command("restore", model, source, "-o", "whole.zarr").status == 0
    address = there.put(source, "a.zarr")
    for given, out, name in (
        (address, f"{there.root}/out/", "out/a.zarr"),
        (source, f"{there.root}/up.zarr", "up.zarr"),
    ):
        ended = command("restore", model, given, "-o", out, "--json")
        assert ended.status == 0 and ended.json["written"] == [f"{there.root}/{name}"], ended.err
        assert there.files(name) == files_of(tmp_path / "whole.zarr")
    ended = command("restore", model, address, "-o", f"{there.root}/up.zarr", "--skip-existing", "--json")
    assert ended.status == 0 and ended.json["skipped"] == [f"{there.root}/up.zarr"]
    assert command("restore", model, address, "-o", "down").status == 0
    assert files_of(tmp_path / "down" / "a.zarr") == files_of(tmp_path / "whole.zarr")


def test_lists_and_folders_hold_addresses(there: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source, model = write_source(tmp_path / "a.zarr"), write_model(tmp_path / "m.safetensors")
    assert command("restore", model, source, "-o", "whole.zarr", "--precision", "fp32").status == 0
    address = there.put(source, "images/deep/a.zarr")
    Path("list.csv").write_text(f"{address},{there.root}/one.zarr\n{there.root}/none.zarr,{there.root}/two.zarr\n")
    bulk = ("--precision", "fp32", "--state", "records", "--json")
    ended = command("restore", model, "--manifest", "list.csv", *bulk)
    assert (ended.status, ended.json["restored"], ended.json["failed"]) == (1, 1, 1), ended.err
    assert f"{there.root}/none.zarr: " in ended.err
    assert there.files("one.zarr") == files_of(tmp_path / "whole.zarr")
    ended = command("restore", model, f"{there.root}/images", "-o", f"{there.root}/out", "-r", *bulk)
    assert (ended.status, ended.json["restored"]) == (0, 1), ended.err
    assert there.files("out/deep/a.zarr") == files_of(tmp_path / "whole.zarr")


REFUSED = {
    "a missing one": (["memory://none.zarr", "-o", "b.zarr"], "memory://none.zarr: no such folder; check the address"),
    "to a web page": (["memory://a.zarr", "-o", "https://host/b.zarr"], "web pages cannot be written"),
    "an unknown kind": (["nosuch://a.zarr", "-o", "b.zarr"], "nosuch"),
    "to itself": (["memory://a.zarr", "-o", "memory://a.zarr"], "exists; outputs elsewhere are not replaced"),
    "into itself": (["memory://a.zarr", "-o", "memory://a.zarr/b.zarr"], "lies in it"),
    "another format": (["memory://a.zarr", "-o", "b.zarr", "--format", "png"], "--format is not for OME-Zarr"),
    "compared": (["memory://a.zarr", "-o", "b.zarr", "--compare", "c.png"], "--compare is not for OME-Zarr"),
    "to TIFF": (["memory://a.zarr", "-o", "o.tif"], "is restored to OME-Zarr only; end the output name in .zarr"),
    "to TIFF elsewhere": (["memory://a.zarr", "-o", "memory://o.tif"], "is restored to OME-Zarr only"),
    "to a text": (["memory://a.zarr", "-o", "o.v2"], "is restored to OME-Zarr only"),
    "onto other files": (["memory://a.zarr", "-o", "memory://other.zarr"], "exists; outputs elsewhere are not repl"),
    "onto a file of its name": (["memory://a.zarr", "-o", "memory://file.zarr"], "exists; outputs elsewhere are not"),
    "with workers": (["memory://a.zarr", "-o", "b.zarr", "--workers", 1], "one image; restore it without workers"),
    "recursive": (["memory://a.zarr", "-o", "b.zarr", "-r"], "are for folders"),
    "broken metadata": (["memory://broken.zarr", "-o", "b.zarr"], "not readable as metadata of Zarr"),
    "a broken chunk": (["memory://cut.zarr", "-o", "b.zarr"], "a chunk cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_ends_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    memory = Elsewhere("memory://")
    memory.system.store.clear()
    source, model = write_source(tmp_path / "a.zarr"), write_model(tmp_path / "m.safetensors")
    for name_there in ("a.zarr", "broken.zarr", "cut.zarr"):
        memory.put(source, name_there)
    memory.system.pipe_file("/broken.zarr/.zattrs", b"{")
    memory.system.pipe_file("/other.zarr/keep.txt", b"x")
    memory.system.pipe_file("/file.zarr", b"x")
    memory.system.pipe_file("/cut.zarr/0/1/1/1", b"nothing")
    arguments, fault = REFUSED[name]
    ended = command("restore", model, *arguments)
    kept = {memory.system.cat_file(name) for name in ("/other.zarr/keep.txt", "/file.zarr")}
    memory.system.store.clear()
    assert ended.status == 2 and fault in ended.err and ended.err.count("\n") == 1, ended.err
    assert kept == {b"x"}
    assert sorted(path.name for path in tmp_path.iterdir() if "tmp" not in path.name) == ["a.zarr", "m.safetensors"]
    assert command("restore", "auto", "memory://a.zarr", "-o", "b.zarr").err.count("name a model for OME-Zarr") == 1


def test_storage_that_fails_is_named_and_the_next_run_goes_on(
    there: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_source(tmp_path / "a.zarr"), f"{there.root}/b.zarr"
    restore_zarr(smear(), source, tmp_path / "whole.zarr")
    pipe = type(there.system).pipe_file

    def full(self: object, path: str, value: bytes, *args: object, **more: object) -> None:
        if "b.zarr/0/1/" in str(path):
            raise OSError("quota")
        pipe(self, path, value, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(type(there.system), "pipe_file", full)
        with pytest.raises(UserError, match=r"b\.zarr/0: cannot be written \(.*quota.*\); rerun the command to resume"):
            restore_zarr(smear(), source, target)
    assert not is_zarr_at(place_of(target))
    outcome = restore_path(smear(), source, target, RestoreOptions())
    assert "4 of 8 blocks were restored before by a run that broke off" in outcome.notes[-1]
    assert there.files("b.zarr") == files_of(tmp_path / "whole.zarr")
    # What is written on this machine stays, too.
    address, cat, part = there.put(source, "a.zarr"), type(there.system).cat_file, part_of(tmp_path / "here.zarr")

    def cut(self: object, path: str, *args: object, **more: object) -> object:
        if "a.zarr/0/1/" in str(path) and part.exists():  # after all values were looked at
            raise OSError("connection lost")
        return cat(self, path, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(type(there.system), "cat_file", cut)
        with pytest.raises(UserError, match=r"a\.zarr/0: a chunk cannot be read \(.*lost.*\); rerun the command"):
            restore_zarr(smear(), address, tmp_path / "here.zarr", RestoreOptions(span=(0, 65535)))
    assert not (tmp_path / "here.zarr").exists() and (part / "whole/0/0/0/0").is_file()
    notes: list[str] = []
    restore_zarr(smear(), address, tmp_path / "here.zarr", RestoreOptions(span=(0, 65535)), say=notes.append)
    assert notes[-1] in [f"{k} of 8 blocks were restored before by a run that broke off" for k in (3, 4)]
    assert files_of(tmp_path / "here.zarr") == files_of(tmp_path / "whole.zarr")


@pytest.mark.parametrize("scheme", ["file://", "local://"])
def test_a_source_named_in_two_ways_is_not_overwritten(scheme: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.zarr")
    (tmp_path / "link.zarr").symlink_to(source, target_is_directory=True)
    before = files_of(source)
    address = f"{scheme}{source.as_posix()}"
    for start, target in (
        (address, source),
        (address, source / "sub.zarr"),
        (source, f"{address}/sub.zarr"),
        (address, tmp_path / "link.zarr"),
        (address, tmp_path / "link.zarr" / "sub.zarr"),
        (tmp_path / "link.zarr", f"{address}/sub.zarr"),
        (f"{scheme}{tmp_path.as_posix()}/x/../a.zarr", source),
    ):
        with pytest.raises(UserError, match="is the source, lies in it or holds it"):
            restore_zarr(smear(), start, target)
    assert files_of(source) == before
    with pytest.raises(UserError, match=r"a\.zarr: exists; outputs elsewhere are not replaced"):
        restore_zarr(smear(), source, address)


def test_an_empty_folder_elsewhere_is_written(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").mkdir()
    restore_zarr(smear(), source, f"file://{tmp_path.as_posix()}/b.zarr")
    restore_zarr(smear(), source, tmp_path / "whole.zarr")
    assert files_of(tmp_path / "b.zarr") == files_of(tmp_path / "whole.zarr")


def test_lasting_faults_of_this_machine_ask_for_no_rerun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, root = write_source(tmp_path / "a.zarr"), f"file://{tmp_path.as_posix()}"
    (tmp_path / "text").write_text("x")
    with pytest.raises(UserError, match=r"text/b\.zarr.*; ") as caught:
        restore_zarr(smear(), source, f"{root}/text/b.zarr")
    assert "rerun" not in str(caught.value) and not isinstance(caught.value, StorageFault)
    local = type(fsspec.filesystem("file"))
    for name, at, start, target, fix in (
        ("pipe_file", "b.zarr/0/1/", source, f"{root}/b.zarr", r"cannot be written .*; choose another output, or mend"),
        ("cat_file", "a.zarr/0/1/", f"{root}/a.zarr", tmp_path / "c.zarr", r"cannot be read .*; check the address and"),
        ("cat_file", "a.zarr/0/.zarray", f"{root}/a.zarr", tmp_path / "c.zarr", r"read .*; check the address and its"),
        ("ls", "a.zarr", f"{root}/a.zarr", tmp_path / "c.zarr", r"cannot be listed .*; check the address and its perm"),
    ):
        real = getattr(local, name)

        def denied(self: object, path: str, *args: object, at: str = at, real: object = real, **more: object) -> object:
            if at in str(path):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(self, path, *args, **more)  # type: ignore[operator]

        with monkeypatch.context() as patched:
            patched.setattr(local, name, denied)
            with pytest.raises(UserError, match=fix) as caught:
                restore_zarr(smear(), start, target)
        assert "rerun" not in str(caught.value) and not isinstance(caught.value, StorageFault)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://user:SECRET@127.0.0.1:9/a.zarr",
        "ftp://user:SEC/RET?SECRET@127.0.0.1:9/a.zarr",
        "nosuch://user:SECRET@lab/a.zarr",
        "nosuch://lab/a.zarr?sig=SECRET",
        "memory://SECRET@lab/a.zarr",
        "memory://KEY:SECRET@lab/a.zarr",
    ],
)
def test_no_fault_shows_a_password(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, model = write_source(tmp_path / "a.zarr"), write_model(tmp_path / "m.safetensors")
    ended = command("restore", model, address, "-o", "b.zarr")
    assert ended.status == 2 and ended.err.count("\n") == 1 and "://" in ended.err, ended.err
    assert "SEC" not in ended.err and "***" in ended.err, ended.err
    monkeypatch.setattr(Place, "write", lambda *_: (_ for _ in ()).throw(UserError(f"{address}: full")))
    ended = command("restore", model, source, "-o", address)
    assert "SEC" not in ended.err and "***" in ended.err, ended.err
