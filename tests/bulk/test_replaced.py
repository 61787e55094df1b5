"""An input that was replaced after its restoration is restored again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clearer.bulk.folder import BulkFolder
from helpers.command import clearer as command

fsspec = pytest.importorskip("fsspec")


def restored(*arguments: object) -> tuple[int, int]:
    """Restore; return how many files were restored, and how many were done before."""
    ended = command("restore", "model.safetensors", *arguments, "--json")
    assert ended.status == 0, ended.err
    return ended.json["restored"], ended.json["already"]


@pytest.mark.parametrize("more", [("--shards", 2), ("--shards", 3)], ids=["same shards", "other shards"])
def test_a_replaced_input_is_not_done(desk, more):
    call = ("photos", "-o", "out", "--workers", 1)
    assert restored(*call, "--shards", 2) == (5, 0)
    before = Path("out/camera.png").read_bytes()
    Path("photos/camera.png").write_bytes(Path("photos/coffee.png").read_bytes())
    assert restored(*call, *more) == (1, 4)
    assert Path("out/camera.png").read_bytes() == Path("out/coffee.png").read_bytes() != before
    assert restored(*call, *more) == (0, 5)
    # Another time is another image, too.
    os.utime("photos/camera.png", (1, 1))
    assert restored(*call, *more) == (1, 4)


@pytest.mark.parametrize("shards", [1, 2])
def test_records_of_earlier_versions_count(desk, shards):
    call = ("photos", "-o", "out", "--workers", 1, "--shards")
    assert restored(*call, 1) == (5, 0)
    (log,) = BulkFolder(Path("out/.clearer-bulk"))._logs()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line.pop("version") for line in lines)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime("photos/camera.png", (1, 1))
    assert restored(*call, shards) == (0, 5)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_replaced_object_is_not_done(desk, shards):
    system = fsspec.filesystem("memory")
    system.store.clear()
    for name in ("a", "b"):
        system.pipe_file(f"/in/{name}.png", Path("photos/camera.png").read_bytes())
    call = ("memory://in", "-o", "memory://out", "--state", "records", "--workers", 1, "--shards")
    assert restored(*call, 1) == (2, 0)
    assert restored(*call, 1) == (0, 2)
    system.pipe_file("/in/a.png", Path("photos/coffee.png").read_bytes())
    assert restored(*call, shards) == (1, 1)
    assert restored(*call, shards) == (0, 2)
    system.store.clear()
