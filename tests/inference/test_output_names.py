"""Names of outputs: no two sources share one, and none changes when files are added, removed or restored again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clearer.core.errors import UserError
from clearer.inference.files import restore_path
from clearer.inference.jobs import plan_jobs
from clearer.inference.options import RestoreOptions
from clearer.inference.output_names import RECORD, choose_names
from helpers.networks import stand_in

TO_PNG = RestoreOptions(format="png", skip_existing=True)


def put(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 5, 3), level, np.uint8)).save(path)
    return path


def levels(folder: Path) -> dict[str, int]:
    """The gray level of each output: which source it was made from."""
    return {p.name: int(np.asarray(Image.open(p))[0, 0, 0]) for p in sorted(folder.glob("*.png"))}


def test_a_file_added_later_is_restored_and_the_first_is_not_restored_again(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.tif", 10)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    put(tmp_path / "in" / "a.bmp", 20)
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    assert levels(tmp_path / "out") == {"a.png": 10, "a.bmp.png": 20}
    assert [p.name for p in outcome.written] == ["a.bmp.png"] and [p.name for p in outcome.skipped] == ["a.png"]
    again = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    assert not again.written and len(again.skipped) == 2


def test_names_stay_without_skip_existing_too_and_in_sub_folders(tmp_path: Path) -> None:
    how = RestoreOptions(format="png", recursive=True)
    put(tmp_path / "in" / "sub" / "a.tif", 10)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", how)
    for k, name in enumerate(("a.bmp", "a.png", "a.tif.png")):
        put(tmp_path / "in" / "sub" / name, 20 + k)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", how)
    expected = {"a.png": 10, "a.bmp.png": 20, "a.png.png": 21, "a.tif.png": 22}
    assert levels(tmp_path / "out" / "sub") == expected


def test_files_one_by_one_into_a_folder_do_not_replace_each_other(tmp_path: Path) -> None:
    for k, name in enumerate(("a.tif", "a.bmp", "a.png")):
        restore_path(stand_in(3), put(tmp_path / name, k), tmp_path / "out", TO_PNG)
    assert levels(tmp_path / "out") == {"a.png": 0, "a.bmp.png": 1, "a.png.png": 2}


def test_outputs_of_earlier_versions_are_recognized(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.tif", 10)
    put(tmp_path / "out" / "a.png", 99)  # no record
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    assert not outcome.written and levels(tmp_path / "out") == {"a.png": 99}
    put(tmp_path / "in" / "a.bmp", 20)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    assert levels(tmp_path / "out") == {"a.png": 99, "a.bmp.png": 20}


def test_an_earlier_output_of_two_possible_sources_belongs_to_neither(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.tif", 10)
    put(tmp_path / "in" / "a.bmp", 20)
    put(tmp_path / "out" / "a.png", 99)
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    assert levels(tmp_path / "out") == {"a.png": 99, "a.bmp.png": 20, "a.tif.png": 10}
    (note,) = outcome.notes
    assert "a.png: made from one of a.bmp, a.tif, which no record tells apart" in note
    assert not restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG).written


def test_the_record_is_written_only_where_names_change(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png", 10)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out" / RECORD).exists()
    put(tmp_path / "in" / "b.tif", 20)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)
    assert json.loads((tmp_path / "out" / RECORD).read_text()) == {"a.png": "a.png", "b.png": "b.tif"}


@pytest.mark.parametrize("skip", [False, True])
def test_an_output_that_kept_its_name_is_never_taken_for_that_of_another_source(tmp_path: Path, skip: bool) -> None:
    """An output without a record is that of the source of its very name, by whatever calls they are restored."""
    png, jpeg = put(tmp_path / "in" / "a.png", 10), put(tmp_path / "in" / "a.jpg", 20)
    how = RestoreOptions(format="png", skip_existing=skip)
    restore_path(stand_in(3), png, tmp_path / "single")
    restore_path(stand_in(3), jpeg, tmp_path / "single", how)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "parts", RestoreOptions(pattern="*.png"))
    outcome = restore_path(
        stand_in(3),
        tmp_path / "in",
        tmp_path / "parts",
        RestoreOptions(format="png", skip_existing=skip, pattern="*.jpg"),
    )
    assert len(outcome.written) == 1 and not outcome.skipped
    for folder in ("single", "parts"):
        assert levels(tmp_path / folder) == {"a.png": 10, "a.jpg.png": 20}


def test_a_source_that_keeps_its_name_comes_first(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.jpg", 20)
    put(tmp_path / "in" / "a.png", 10)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "new", RestoreOptions(format="png"))
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "old", RestoreOptions(pattern="*.png"))
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "old", TO_PNG)
    assert [path.name for path in outcome.skipped] == ["a.png"] and not outcome.notes
    for folder in ("new", "old"):
        assert levels(tmp_path / folder) == {"a.png": 10, "a.jpg.png": 20}


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.tif", 10)
    plan_jobs(tmp_path / "in", tmp_path / "out", TO_PNG)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"a.png": 1}'])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    put(tmp_path / "in" / "a.tif", 10)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / RECORD).write_text(text)
    with pytest.raises(UserError, match=RECORD):
        restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", TO_PNG)


NAMES = st.sampled_from([f"{stem}{end}" for stem in ("a", "a.tif", "b") for end in (".bmp", ".png", ".tif", ".tiff")])


@given(st.lists(st.tuples(st.sets(NAMES, min_size=1, max_size=6), st.booleans()), min_size=1, max_size=4))
def test_no_output_is_ever_shared_or_renamed(tmp_path_factory: pytest.TempPathFactory, runs: list) -> None:  # type: ignore[type-arg]
    """Whatever files come and go between calls: each has an output of its own, and one restored keeps its name."""
    out = tmp_path_factory.mktemp("names")
    before: dict[str, str] = {}
    for sources, skip in runs:
        names = choose_names(out, {n: f"{Path(n).stem}.png" for n in sorted(sources)}, skip)
        assert len(set(names.chosen.values())) == len(sources)
        assert {n: names.chosen[n] for n in before if n in sources} == {n: o for n, o in before.items() if n in sources}
        assert not {o for n, o in before.items() if n not in sources} & set(names.chosen.values())
        assert not names.notes  # every output has a record
        names.save()
        for output in names.chosen.values():
            (out / output).touch()
        before |= names.chosen


def test_a_link_to_a_source_is_never_written_through(tmp_path: Path) -> None:
    source = put(tmp_path / "in" / "a.png", 10)
    put(tmp_path / "in" / "b.png", 20)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").symlink_to(source)
    with pytest.raises(UserError, match=r"b\.png: is one of the source files, through a link"):
        restore_path(stand_in(3), tmp_path / "in", tmp_path / "out")
    assert levels(tmp_path / "in") == {"a.png": 10, "b.png": 20}


def test_an_output_that_is_a_link_is_written_through(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png", 10)
    put(tmp_path / "in" / "b.png", 20)
    real = put(tmp_path / "elsewhere" / "real.png", 99)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(real)
    (tmp_path / "out" / "b.png").symlink_to(Path("..") / "elsewhere" / "new.png")  # does not exist yet
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out")
    assert all((tmp_path / "out" / name).is_symlink() for name in ("a.png", "b.png"))
    assert levels(tmp_path / "elsewhere") == {"real.png": 10, "new.png": 20}


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    source = put(tmp_path / "a.png", 10)
    (tmp_path / "b.png").symlink_to(tmp_path / "unmounted" / "b.png")
    (tmp_path / "c.png").symlink_to("c.png")
    for name in ("b.png", "c.png"):
        with pytest.raises(UserError, match=f"{name}: a link to .*, which cannot be written"):
            restore_path(stand_in(3), source, tmp_path / name)
    assert not (tmp_path / "unmounted").exists()
