"""Passwords in addresses are neither printed nor recorded; the workers have them from files of this user alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from clearer.bulk.folder import BulkFolder
from clearer.bulk.manifest import output_below
from clearer.core.errors import masked
from helpers.command import clearer as command

fsspec = pytest.importorskip("fsspec")
USER = "memory://KEY:SECRET@host"


@pytest.fixture
def memory(memory):
    for name in ("camera", "coffee"):
        memory.pipe_file(f"/KEY:SECRET@host/in/{name}.png", Path(f"photos/{name}.png").read_bytes())
    return memory


@pytest.mark.parametrize("model", ["model.safetensors", "auto"])
@pytest.mark.parametrize(
    ("source", "out"),
    [
        ("photos/rocket.jpg", f"{USER}/o.png"),
        ("photos/camera.png", f"{USER}/folder/"),
        (f"{USER}/in/camera.png", "o.png"),
        (f"{USER}/in/camera.png", f"{USER}/o.png"),
    ],
)
def test_one_file_says_no_password(memory, desk, model, source, out):
    if source.endswith(".jpg"):
        Path(source).write_bytes(Path("photos/camera.png").read_bytes())  # which is noted
    for call in ((), ("--json",), ("--json", "--skip-existing")):
        ended = command("restore", model, source, "-o", out, *call)
        said = ended.out + ended.err
        assert ended.status == 0 and "SECRET" not in said, said
        assert "memory://***@host" in said or not out.startswith(USER), said
    # A result that could not be put, and a source that is missing.
    ended = command("restore", model, source.replace("camera", "none").replace("rocket", "none"), "-o", out)
    assert ended.status == 2 and "SECRET" not in ended.err


def test_many_files_say_and_record_no_password(memory, desk):
    memory.pipe_file("/KEY:SECRET@host/in/bad.png", b"\x89PNG cut")
    memory.pipe_file("/KEY:SECRET@host/in/film.mp4", b"no film")
    memory.pipe_file("/KEY:SECRET@host/in/x.jpg", Path("photos/camera.png").read_bytes())
    call = ("restore", "model.safetensors", f"{USER}/in", "-o", f"{USER}/out", "--state", "records", "--workers", 1)
    for ended in (command(*call), command(*call, "--json")):
        assert ended.status == 1 and "SECRET" not in ended.out + ended.err, ended.out + ended.err
    assert (ended.json["already"], ended.json["failed"]) == (3, 1)
    assert "memory://***@host/in/bad.png" in ended.json["errors"][0] and "video" in ended.json["notes"][0]
    logs = [path for path in Path("records").glob("*/*.jsonl") if path.name != "manifest.jsonl"]
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    assert len(lines) == 5 and "SECRET" not in json.dumps(lines)
    assert {line["output"] for line in lines} == {
        f"memory://***@host/out/{name}" for name in ("bad.png", "camera.png", "coffee.png", "x.jpg.png")
    }
    # Masked records still tell what is done, under another number of shards and where another list has an output.
    assert command(*call, "--shards", 3, "--json").json["already"] == 3
    Path("list.csv").write_text(f"{USER}/in/coffee.png,{USER}/out/camera.png\n")
    listed = ("restore", "model.safetensors", "--manifest", "list.csv", *call[5:], "--json")
    assert command(*listed).json["restored"] == 1
    assert command(*call, "--shards", 3, "--json").json["restored"] == 1


def test_the_state_is_private(memory, desk):
    call = ("restore", "model.safetensors", f"{USER}/in", "-o", "out", "--workers", 1)
    assert command(*call).status == 0
    state = Path("out/.clearer-bulk")
    assert "SECRET" in (state / "plan.json").read_text()
    for _ in range(2):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.rglob("*"))}
        assert modes.pop(state.name) == 0o700 and modes.pop("done-before") == 0o600
        assert all(mode == (0o600 if "." in name else 0o700) for name, mode in modes.items()), modes
        state.chmod(0o755)  # of an earlier version
        assert command(*call).status == 0
    assert stat.S_IMODE(Path("out/camera.png").stat().st_mode) & 0o044


def test_outputs_are_not_named_after_users():
    assert output_below("sftp://KEY:SECRET@lab/day/a.png") == "lab/day/a.png"
    assert output_below("sftp://KEY:SEC/RET@lab/day/a.png") == "lab/day/a.png"


@pytest.mark.parametrize("address", ["http://lab:8000/icons/a@2x.png", "sftp://lab:2222/day/b@2x.png"])
def test_a_port_before_a_name_with_an_at_is_no_password(address):
    assert output_below(address) == address.partition("://")[2]
    assert masked(f"{address}: no such file") == f"{address}: no such file"


def test_the_state_of_an_earlier_version_becomes_private(memory, desk):
    """A folder of any name, with parts of its own."""
    call = ("restore", "model.safetensors", f"{USER}/in", "-o", "out", "--state", "state", "--workers", 1)
    assert command(*call).status == 0
    folders = [Path("state"), *(entry for entry in Path("state").iterdir() if entry.is_dir())]
    assert len(folders) > 2
    for folder in folders:
        folder.chmod(0o755)
    assert command(*call).status == 0
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_files_that_differ_in_what_is_hidden_are_told_apart(memory, desk):
    """Records hide a query, and the names of two files may differ in it alone."""
    for name in ("q?1.png", "q?2.png"):
        memory.pipe_file(f"/in/{name}", Path("photos/camera.png").read_bytes())
    call = ("restore", "model.safetensors", "memory://in", "-o", "memory://out", "--state", "records", "--json")
    memory.pipe_file("/in/q?2.png", b"\x89PNG cut")
    assert command(*call, "--shards", 1).json["restored"] == 1
    memory.pipe_file("/in/q?2.png", Path("photos/camera.png").read_bytes())
    ended = command(*call, "--shards", 2)
    assert (ended.json["restored"], ended.json["already"]) == (1, 1)
    assert len(list(BulkFolder(Path("records")).records())) == 3
