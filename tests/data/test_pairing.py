"""Pairs by their names: equal, without regard to case, without known words, by patterns, and in one folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.doctor import examine
from clearer.data.doctor_report import advice
from clearer.data.folders import find_items, left_out, match_pairs, matching_note, pairs_of
from clearer.data.splits import resolve_splits
from clearer.recipe.schema import DataSettings, Pairs


def make(folder: Path, *names: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        rng = np.random.default_rng(k)
        with (folder / name).open("wb") as file:
            kind = "GIF" if name.lower().endswith("gif") else "PNG"
            Image.fromarray(rng.integers(0, 256, (24, 24), dtype=np.uint8)).save(file, kind)
    return str(folder)


def names(where: str | Pairs) -> list[tuple[str, str]]:
    return [(item.name, item.degraded.name) for item in find_items(where) if item.degraded is not None]


@pytest.mark.parametrize(
    ("clean", "degraded", "rule"),
    [
        (("a.png", "b.png"), ("a.png", "b.png"), ""),
        (("IMG00.PNG", "IMG01.PNG"), ("img00.png", "img01.png"), "names without regard to case"),
        (("img01_clean.png",), ("img01_noisy.png",), "names without the words clean, noisy"),
        (("img01_GT.png",), ("img01.png",), "names without the words gt"),
        (("0001_GT_SRGB_010.png",), ("0001_NOISY_SRGB_010.png",), "names without the words gt, noisy"),
        (("clean-7.png", "clean-17.png"), ("noisy-7.png", "noisy-17.png"), "names without the words clean, noisy"),
        (("A.png", "a.png"), ("A.png", "a.png"), ""),
        (("0001.png", "0002.png"), ("0001x2.png", "0002x2.png"), "patterns * and *x2"),
        (("x1_gt.png", "x2_gt.png"), ("x1x4.PNG", "x2x4.PNG"), "patterns x*_gt and x*x4"),
        (("s1.png", "s10.png"), ("s1-n25.png", "s10-n25.png"), "patterns s* and s*-n25"),
    ],
)
def test_two_folders_match_by_the_first_rule_that_fits(
    tmp_path: Path, clean: tuple[str, ...], degraded: tuple[str, ...], rule: str
) -> None:
    pairs = Pairs(make(tmp_path / "x", *clean), make(tmp_path / "y", *degraded))
    assert match_pairs(pairs).rule == rule
    assert sorted(names(pairs)) == sorted(zip(clean, degraded, strict=True))


def test_files_without_a_partner_are_named_with_the_fix(tmp_path: Path) -> None:
    pairs = Pairs(make(tmp_path / "x", "a.png", "b.png"), make(tmp_path / "y", "a.png", "c.png"))
    with pytest.raises(UserError, match=r"no partner of the same name .*\(b\.png\).*--clean-pattern"):
        find_items(pairs)


@pytest.mark.parametrize(
    ("clean", "degraded"),
    [
        (("cat.png", "car.png"), ("bat.png", "bar.png")),  # words are not cut
        (("s10.png", "s11.png"), ("s20x.png", "s21x.png")),  # nor are numbers
        (("a1.png", "a2.png"), ("b1x.png", "b2x.png", "b3x.png")),  # all must match
        (("s1.png", "s2.png"), ("s1_1.png", "s1_2.png", "s2_1.png", "s2_2.png")),  # one to one
    ],
)
def test_names_are_not_matched_by_chance(tmp_path: Path, clean: tuple[str, ...], degraded: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="no partner"):
        find_items(Pairs(make(tmp_path / "x", *clean), make(tmp_path / "y", *degraded)))


def test_the_doctor_says_which_rule_matched(tmp_path: Path) -> None:
    make(tmp_path / "clean", "1.png", "2.png")
    make(tmp_path / "noisy", "1x2.png", "2x2.png")
    findings = examine(tmp_path)
    assert findings.parts[0].rule == "patterns * and *x2"
    assert "2 pairs matched by patterns * and *x2." in advice(findings)


def test_patterns_are_the_only_rule(tmp_path: Path) -> None:
    clean, degraded = (
        make(tmp_path / "x", "T1-final.png", "T2-final.png"),
        make(tmp_path / "y", "raw_t1.png", "raw_T2.png"),
    )
    found = Pairs(clean, degraded, "*-final", "raw_*.png")
    assert names(found) == [("T1-final.png", "raw_t1.png"), ("T2-final.png", "raw_T2.png")]
    assert match_pairs(found).rule == "patterns *-final and raw_*.png"
    assert names(Pairs(clean, degraded, "*-final", "raw_*")) == names(found)
    with pytest.raises(UserError, match=r"pattern final: has no \*"):
        find_items(Pairs(clean, degraded, "final", "raw_*"))
    with pytest.raises(UserError, match="no partner"):
        find_items(Pairs(clean, degraded, "*-final", "*"))
    for patterns in (("*_final", "raw_*"), ("*-final", "*_raw")):
        with pytest.raises(UserError, match=r"the pattern '\*_\w+' fits none of its 2 images, such as \w+"):
            matching_note(Pairs(clean, degraded, *patterns))


def test_one_folder_may_hold_both(tmp_path: Path) -> None:
    folder = make(tmp_path / "both", "a_clean.png", "a_noisy.png", "b_clean.png", "b_noisy.png")
    assert pairs_of(folder) == Pairs(folder, folder)
    assert names(folder) == [("a_clean.png", "a_noisy.png"), ("b_clean.png", "b_noisy.png")]
    make(tmp_path / "both", "c_clean.png")
    with pytest.raises(UserError, match=r"no partner of the same name .*\(c_clean\.png\)"):
        find_items(folder)
    make(tmp_path / "both", "plain.png")
    assert pairs_of(folder) is None  # not all are named so: single images, as ever


def test_one_folder_by_patterns(tmp_path: Path) -> None:
    folder = make(tmp_path / "both", "a-1.png", "a-2.png", "b-1.png", "b-2.png", "note.png")
    assert names(Pairs(folder, folder, "*-2", "*-1")) == [("a-2.png", "a-1.png"), ("b-2.png", "b-1.png")]
    with pytest.raises(UserError, match="cannot be told apart"):
        find_items(Pairs(folder, folder))


@pytest.mark.parametrize("files", [("rain_1.png", "rain_2.png"), ("clean_1.png", "clean_2.png"), ("a.png", "b.png")])
def test_single_images_stay_single(tmp_path: Path, files: tuple[str, ...]) -> None:
    assert pairs_of(make(tmp_path / "x", *files)) is None


def test_a_run_says_which_rule_matched_and_what_is_left_out(tmp_path: Path) -> None:
    pairs = Pairs(
        make(tmp_path / "x", *(f"IMG{k}.PNG" for k in range(8))),
        make(tmp_path / "y", *(f"img{k}.png" for k in range(8))),
    )
    make(tmp_path / "x", "old.gif")
    said: list[str] = []
    resolve_splits(DataSettings(folder=pairs), channels=1, patch=16, seed=0, say=said.append)
    assert said[0] == f"{pairs.clean}: 1 image(s) left out (1 .gif); convert them to PNG"
    assert said[1] == f"{pairs.clean}: pairs matched by names without regard to case"
    (tmp_path / "y" / "notes.txt").write_text("no image")
    assert left_out(pairs.degraded) == []
