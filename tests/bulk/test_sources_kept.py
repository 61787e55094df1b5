"""No source is overwritten or taken as another place, whichever of its addresses names it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clearer.core.addresses import identity, local_path
from helpers.command import clearer as command

fsspec = pytest.importorskip("fsspec")


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("{D}/one.png", ("-o", "file://{D}/one.png")),
        ("one.png", ("-o", "file://{D}")),
        ("file://{D}/one.png", ("-o", "{D}")),
        ("file://{D}/one.png", ("-o", "one.png")),
        ("file://{D}/one.png", ("-o", "local://{D}/linked/one.png")),
        ("file://{D}/one.png", ("-o", "co.png", "--compare", "one.png")),
        ("photos/../one.png", ("-o", "file://{D}/co.png", "--compare", "co.png")),
    ],
)
def test_one_file_is_not_its_own_output(desk, source, arguments):
    before = Path("photos/camera.png").read_bytes()
    Path("one.png").write_bytes(before)
    Path("linked").symlink_to(".")
    call = [part.replace("{D}", str(desk)) for part in (source, *arguments)]
    ended = command("restore", "model.safetensors", *call)
    assert ended.status == 2 and "itself" in ended.err and ended.err.count("\n") == 1, ended.err
    assert Path("one.png").read_bytes() == before and not Path("co.png").exists()


def test_one_object_is_not_its_own_output(desk):
    system = fsspec.filesystem("memory")
    system.store.clear()
    before = Path("photos/camera.png").read_bytes()
    system.pipe("/e/x.png", before)
    for out in ("memory://e/x.png", "memory:///e/x.png", "memory://e/"):
        ended = command("restore", "model.safetensors", "memory://e/x.png", "-o", out)
        assert ended.status == 2 and "is the source file itself" in ended.err, ended.err
    assert system.cat("/e/x.png") == before and system.find("/e") == ["/e/x.png"]
    system.store.clear()


@pytest.mark.parametrize(
    ("source", "out"),
    [("photos", "file://{D}/photos"), ("file://{D}/photos", "{D}/photos"), ("file://{D}/photos/", "file://{D}/linked")],
)
def test_a_folder_is_not_its_own_output(desk, source, out):
    Path("linked").symlink_to("photos")
    before = {path: path.read_bytes() for path in Path("photos").rglob("*.png")}
    call = [part.replace("{D}", str(desk)) for part in (source, "-o", out)]
    ended = command("restore", "model.safetensors", *call, "--state", "records")
    assert ended.status == 2 and "is the source folder itself" in ended.err and ended.err.count("\n") == 1, ended.err
    assert before == {path: path.read_bytes() for path in Path("photos").rglob("*.png")}


def test_a_list_does_not_overwrite_what_it_names_otherwise(desk):
    before = Path("photos/coffee.png").read_bytes()
    Path("list.csv").write_text(f"photos/camera.png,file://{desk}/photos/coffee.png\nphotos/coffee.png,b.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv")
    assert ended.status == 2 and "would overwrite" in ended.err, ended.err
    Path("list.csv").write_text(f"photos/camera.png,a.png\nphotos/coffee.png,file://{desk}/a.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv")
    assert ended.status == 2 and "these have one output" in ended.err, ended.err
    # A suffix that the content calls for must not lead to an input either.
    fsspec.filesystem("memory").pipe("/photos/x.jpg", before)
    Path("photos/x.jpg.png").write_bytes(before)
    Path("list.csv").write_text("memory://photos/x.jpg,\nphotos/x.jpg.png,c.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv", "-o", ".", "--workers", 1, "--json")
    assert ended.json["failed"] == 1 and "may be the output of another file" in ended.err, ended.err
    assert Path("photos/x.jpg.png").read_bytes() == before
    fsspec.filesystem("memory").store.clear()


def test_places_are_known_by_any_of_their_names(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    names = (f"{tmp_path}/real/a.png", f"file://{tmp_path}/link/a.png", f"local://{tmp_path}/link/../real/a.png")
    assert {identity(name) for name in names} == {os.path.realpath(names[0])}
    assert identity("memory://lab/a.png") == identity("memory:///lab/a.png") != identity("memory://lab/b.png")
    ours = {identity(f"ftp://{host}/x/../a.png") for host in ("KEY:SECRET@Lab", "lab", "lab:21")}
    assert len(ours) == 1 and "SECRET" not in ours.pop()
    assert identity("ftp://lab/a.png") != identity("ftp://other/a.png") != identity("ftp://other:2121/a.png")
    assert identity("nosuch://lab/a.png") == "nosuch://lab/a.png" and local_path("memory://a.png") is None
