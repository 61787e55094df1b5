"""Files put elsewhere: under their own names, complete, or not at all and without leftovers."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.bulk.locations import put
from clearer.core.errors import UserError
from helpers.command import clearer as command

fsspec = pytest.importorskip("fsspec")


@pytest.mark.parametrize("name", ["x[1].png", "x*.png", "x?.png"])
def test_a_name_is_no_pattern(memory, desk, name):
    Path(name).write_bytes(Path("photos/camera.png").read_bytes())
    memory.pipe_file("/o/x1.png", b"mine")
    for out in (f"memory://o/{name}", f"file://{desk}/o/{name}"):
        for _ in range(2):
            ended = command("restore", "model.safetensors", name, "-o", out)
            assert ended.status == 0, ended.err
    assert sorted(memory.find("/o")) == sorted([f"/o/{name}", "/o/x1.png"]) and memory.cat_file("/o/x1.png") == b"mine"
    assert [path.name for path in Path("o").iterdir()] == [name]


@pytest.mark.parametrize("where", ["memory://o", "file://{D}/o"])
def test_a_folder_is_not_replaced_nor_filled(memory, desk, where):
    where = where.replace("{D}", str(desk))
    memory.makedirs("/o/o.png")
    Path("o/o.png").mkdir(parents=True)
    ended = command("restore", "model.safetensors", "photos/camera.png", "-o", f"{where}/o.png")
    assert ended.status == 2 and "a folder, where an output file is needed" in ended.err, ended.err
    assert not memory.find("/o") and list(Path("o").rglob("*")) == [Path("o/o.png")]


@pytest.mark.parametrize("fails", ["put_file", "cp_file"])
def test_what_fails_leaves_nothing(memory, desk, monkeypatch, fails):
    memory.pipe_file("/o/a.png", b"mine")
    done = getattr(memory, fails)

    def failing(*arguments: object, **more: object) -> None:
        done(arguments[0], f"{arguments[1]}" if fails == "put_file" else "/o/.half.tmp", **more)
        raise OSError("gone")

    monkeypatch.setattr(memory, fails, failing)
    with pytest.raises(UserError, match=r"memory://o/a\.png: cannot be written"):
        put(Path("photos/camera.png"), "memory://o/a.png")
    left = {name for name in memory.find("/o") if name != "/o/.half.tmp"}
    assert left == {"/o/a.png"} and memory.cat_file("/o/a.png") == b"mine"


def test_storage_that_cannot_copy_renames(memory, desk, monkeypatch):
    def rename(old: str, new: str) -> None:
        memory.store[new] = memory.store.pop(old)

    def no_copy(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(memory, "cp_file", no_copy)
    monkeypatch.setattr(memory, "mv", rename)
    put(Path("photos/camera.png"), "memory://o/[1].png")
    assert memory.find("/o") == ["/o/[1].png"]
