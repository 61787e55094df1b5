"""Numbers on disk: in order bucket after bucket, and in constant memory."""

from __future__ import annotations

import errno
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearer.bulk import folder, key_buckets
from clearer.bulk.folder import BulkFolder
from clearer.bulk.key_buckets import BUCKETS, KeyBuckets, sorted_keys
from clearer.bulk.plan import BulkPlan
from clearer.core.errors import UserError

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(2**64 - 3, 2**64 - 1))


@given(st.lists(st.tuples(KEYS, KEYS)), st.integers(1, 8))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_buckets_are_the_rows_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, int]], held: int
) -> None:
    monkeypatch.setattr(key_buckets, "_HELD", held)
    with KeyBuckets(tmp_path, 2) as found:
        for row in rows:
            found.add(*row)
        assert found.count == len(rows)
        for _ in range(2):  # they can be read again
            buckets = list(found)
            assert len(buckets) == BUCKETS
            read = [tuple(row) for bucket in buckets for row in bucket.tolist()]
            assert read == sorted(rows, key=lambda row: row[0] >> 56)  # stable: as they were added
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **more: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(key_buckets, "_HELD", 2)
    with KeyBuckets(tmp_path) as keys:
        keys.add(1)
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(UserError, match="the disk is full"):
            keys.add(2)
    monkeypatch.setattr(key_buckets, "held_folder", full)
    with pytest.raises(UserError, match="the disk is full"):
        KeyBuckets(tmp_path)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    dies = "import os, sys; from pathlib import Path; from clearer.bulk.key_buckets import KeyBuckets; "
    dies += "KeyBuckets(Path(sys.argv[1])); os._exit(1)"
    subprocess.run([sys.executable, "-c", dies, str(state)], check=False)
    assert len(list(state.iterdir())) == 1
    (tmp_path / "list.txt").write_text("photos/a.png\n")
    plan = BulkPlan("", str(tmp_path / "list.txt"), str(tmp_path / "out"), 0, 1, "m", "w", "auto", {}, "r")
    BulkFolder(state).prepare(plan)
    assert not [path for path in state.iterdir() if "keys" in path.name]


def test_sorted_keys_of_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    assert len(sorted_keys(tmp_path / "none")) == 0
    np.arange(5, dtype=np.uint64).tofile(tmp_path / "five")
    assert sorted_keys(tmp_path / "five").tolist() == [0, 1, 2, 3, 4]


def test_a_list_is_checked_in_constant_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_buckets, "_HELD", 4)  # so that few files show it
    held: list[int] = []
    check = folder._check_places

    def measured(*given: Any) -> None:
        own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/clearer/bulk/*")])
        held.append(sum(trace.size for trace in own.traces))
        check(*given)

    monkeypatch.setattr(folder, "_check_places", measured)
    for count in (1000, 4000):
        place = tmp_path / str(count)
        place.mkdir()
        (place / "list.txt").write_text("".join(f"photos/{number:05d}.png\n" for number in range(count)))
        plan = BulkPlan("", str(place / "list.txt"), str(place / "out"), 0, 10, "m", "w", "auto", {}, "r")
        tracemalloc.start()
        try:
            assert BulkFolder(place / "state").prepare(plan).files == count
        finally:
            tracemalloc.stop()
    assert held[1] - held[0] < 3000 * 4, held  # a file took 16 bytes before
