"""300 damaged files of all kinds, and the program that tries them: it notices what it is there to notice."""

from __future__ import annotations

import json
import mmap
import os
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from fuzz import campaign, part_mutators, trials
from fuzz.campaign import Result, State, resume, run_campaign, table
from fuzz.cases import SHARES, Seeds, write_seeds
from fuzz.sandbox import Sandbox, Violation

CASES = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.long
def test_damaged_files_are_restored_or_refused_in_a_line(folder: Path) -> None:
    results: list[Result] = []
    run_campaign(folder, range(CASES), see=results.append)
    assert [(r.number, r.seed, r.violation) for r in results if r.violation] == []
    assert sorted(r.number for r in results) == list(range(CASES))
    counts = Counter(r.outcome for r in results)
    assert all(counts[outcome] > CASES / 50 for outcome in trials.OUTCOMES), counts
    assert len({r.kind for r in results}) > 15


def _abort(self: object, case: object) -> str:
    os.abort()


def _spin(self: object, case: object) -> str:
    while True:
        pass


def _sleep(self: object, case: object) -> str:
    time.sleep(1000)
    return trials.DONE


def _leave(self: trials.Trials, case: object) -> str:
    self.sandbox.empty()
    Path("left.png").write_bytes(b"")
    self.sandbox.check_left(set())
    return trials.DONE


def _leave_temporary(self: trials.Trials, case: object) -> str:
    self.sandbox.empty()
    (self.sandbox.tmp / "left").write_bytes(b"")
    self.sandbox.check_left(set())
    return trials.DONE


def _raise(self: trials.Trials, case: object) -> str:
    self.sandbox.call(lambda: {}["key"])
    return trials.DONE


def _allocate(self: object, case: object) -> str:
    held = mmap.mmap(-1, 3 * campaign.PEAK)  # new pages: what the process freed before does not serve
    for place in range(0, len(held), mmap.PAGESIZE):
        held[place] = 1
    return trials.DONE


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (_abort, "crash .* Fatal Python error: Aborted.* in _abort"),
        (_spin, "seconds of processor time .* in _spin"),
        (_sleep, "more than 6 seconds .* in _sleep"),
        (_leave, r"files left: \['left.png'\]"),
        (_leave_temporary, r"temporary files left: \['left'\]"),
        (_raise, "traceback: .*KeyError: 'key'"),
        (_allocate, "MB of memory"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_no_file_may_cause_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: object, what: str
) -> None:
    monkeypatch.setattr(trials.Trials, "outcome", fault)
    monkeypatch.setattr(campaign, "CPU_SECONDS", 0.2 if fault is _spin else 20)
    monkeypatch.setattr(campaign, "WALL_SECONDS", 6 if fault is _sleep else 60)
    monkeypatch.setattr(campaign, "PEAK", 2**26)
    results: list[Result] = []
    run_campaign(folder, [3, 4], see=results.append)
    assert [r.number for r in results] == [3, 4]  # another worker goes on
    for result in results:
        assert re.search(what, result.violation), result.violation
        assert (folder / "violations" / f"{result.number}-{Path(result.seed).name}").exists()


@pytest.mark.slow
def test_a_campaign_goes_on_where_it_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials.Trials, "outcome", lambda self, case: trials.OUTCOMES[case.number % 3])
    place = folder / "resumed"
    place.mkdir()
    write_seeds(folder / "seeds")  # where this test is the first
    (place / "seeds").symlink_to(folder / "seeds")
    resume(place, 20, seed=5)
    assert json.loads((place / "state-5.json").read_text())["next"] == 20
    state = resume(place, 31, seed=5, jobs=2)
    assert state.next == 31
    total = Counter[str]()
    for row in state.counts.values():
        total.update(row)
    assert total == {trials.DONE: 11, trials.NOTED: 10, trials.REFUSED: 10}
    assert table(state).splitlines()[-1] == "| all | 11 | 10 | 10 | 0 |"


def test_a_state_counts_violations_with_what_repeats_them() -> None:
    state = State(seed=2)
    state.add(Result(7, "PNG", "rgb.png", violation="traceback"))
    assert state.violations == [{"case": 7, "seed": "rgb.png", "what": "traceback"}]
    assert "| PNG | 0 | 0 | 0 | 1 |" in table(state)


def test_a_number_gives_the_same_case_again(folder: Path) -> None:
    write_seeds(folder / "seeds")
    seeds = Seeds(folder / "seeds")
    one, again, other = (seeds.case(0, number) for number in (12, 12, 13))
    assert (one.seed, one.data) == (again.seed, again.data) != (other.seed, other.data)
    assert set(seeds.names) == set(SHARES)
    assert seeds.case(1, 12).data != one.data


def test_the_parts_of_a_sound_file_make_the_file_again(folder: Path) -> None:
    write_seeds(folder / "seeds")
    seeds = Seeds(folder / "seeds")
    for names, split in (
        (("rgb.png", "hidden.apng"), part_mutators.png_parts),
        (("rgb.jpg", "progressive.jpg", "mpo.jpg"), part_mutators.jpeg_parts),
        (("moving.webp", "mjpeg.avi"), part_mutators.riff_parts),
        (("rgba.avif", "pair.heic", "h264.mp4", "lossy.jxl", "rgb.jp2"), part_mutators.box_parts),
        (("gray.onnx",), part_mutators.protobuf_parts),
    ):
        for name in names:
            data = seeds.path(name).read_bytes()
            parts = split(data)
            assert b"".join(part.encoded() for part in parts) == data, name
            assert len(parts) > 1 or parts[0].inner is not None, name
            if name.endswith((".png", ".apng", ".jpg", ".avif", ".webp")):
                changed = {part_mutators.mutate_parts(data, random.Random(k), split) for k in range(20)}
                assert len(changed - {data}) > 15, name


def test_a_violation_keeps_terminals_safe(tmp_path: Path) -> None:
    """What a line of the command line may hold is checked on what it printed."""
    sandbox = object.__new__(Sandbox)
    for text, what in (("clearer: \x1b[2J\n", "control a terminal"), ("Traceback\n", "printed"), ("", "")):
        said = trials.Said(0, b"", text)
        if what:
            with pytest.raises(Violation, match=what):
                sandbox._check_lines(said, "restore")
        else:
            sandbox._check_lines(said, "restore")
