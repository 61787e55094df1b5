"""Workers that are killed at any moment: nothing is lost, nothing is recorded twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearer.bulk.folder import BulkFolder
from clearer.bulk.plan import BulkPlan
from clearer.bulk.records import Record, RecordLog, read_records
from clearer.bulk.shard import MOST_DEATHS, open_shard
from helpers.command import clearer as command
from helpers.photos import write_photos

CALL = ("restore", "model.safetensors", "photos", "-o", "out", "--recursive")


def _folder() -> tuple[BulkFolder, BulkPlan]:
    folder = BulkFolder(Path("out/.clearer-bulk"))
    return folder, BulkPlan.read(folder.plan_file)


@pytest.mark.long
def test_workers_killed_at_random_are_replaced(desk):
    for number in range(12):
        write_photos(desk / "photos" / str(number), ("moon.png", "camera.png", "rocket.jpg"), 64)
    count = len(list(Path("photos").rglob("*.png")))
    command_line = [sys.executable, "-m", "clearer", *CALL, "--workers", "2", "--shards", "4", "--json"]
    process = subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True)
    chance, killed = random.Random(0), 0
    while process.poll() is None and killed < 2:
        time.sleep(0.05)
        if len(list(Path("out").rglob("*.png"))) > 4 * killed:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if children:
                os.kill(int(chance.choice(children)), signal.SIGKILL)
                killed += 1
    out, _ = process.communicate(timeout=120)
    assert killed == 2 and process.returncode == 0
    assert json.loads(out)["restored"] == count
    done = [record.index for record in BulkFolder(Path("out/.clearer-bulk")).records()]
    assert sorted(done) == list(range(count))
    assert len(list(Path("out").rglob("*.png"))) == count
    assert not list(Path("out").rglob("*.tmp*"))


def test_a_torn_record_is_written_again(desk):
    assert command(*CALL, "--shards", 1).status == 0
    folder, plan = _folder()
    log = folder.log(plan, 0)
    lines = log.read_bytes()
    log.write_bytes(lines[:-20])
    assert len(list(read_records(log))) == 6
    assert command(*CALL, "--shards", 1, "--json").json["restored"] == 1
    assert sorted(record.index for record in read_records(log)) == list(range(7))


def test_a_log_goes_on_after_its_last_whole_line(tmp_path):
    place = tmp_path / "log.jsonl"
    first, second = (Record(k, f"{k}.png", f"{k}.out.png", f"{k}.out.png") for k in range(2))
    for record in (first, second):
        log = RecordLog(place)
        log.add(record)
        log.close()
        with place.open("ab") as file:
            file.write(b'{"index": 9, "inp')
    assert [record.index for record in read_records(place)] == [0, 1]


def test_a_file_over_which_workers_die_is_left_out(desk):
    assert command(*CALL, "--shards", 1).status == 0
    folder, plan = _folder()
    folder.log(plan, 0).unlink()
    for _ in range(MOST_DEATHS):
        # What a worker has noted when it dies: it does not come to close the shard.
        with open_shard(folder, plan, 0) as shard:
            assert shard is not None
            for items in shard.batches(lambda record: None):
                shard.deaths.begin([number for number, _ in items])
                break
            note = shard.deaths.path.read_text()
        shard.deaths.path.write_text(note)
    ended = command(*CALL, "--shards", 1, "--json")
    assert ended.status == 1 and ended.json["restored"] == 7 - ended.json["failed"]
    assert ended.json["failed"] >= 1 and f"{MOST_DEATHS} processes were killed" in ended.err
    # The next call tries again what failed.
    assert command(*CALL, "--shards", 1, "--json").json["failed"] == 0


def test_a_shard_has_one_worker(desk):
    assert command(*CALL, "--shards", 2).status == 0
    folder, plan = _folder()
    held = folder.claim(plan, 1)
    assert held is not None
    with held:
        assert open_shard(folder, plan, 1).__enter__() is None
        ended = command(*CALL, "--shards", 2, "--shard", 1)
        assert ended.status == 2 and "shard 1: another worker restores it" in ended.err
        ended = command(*CALL, "--shards", 3)
        assert ended.status == 2 and "other workers restore another list" in ended.err
