"""Ablations: one search for variants that share it, tables from JSON alone, and the effect of two terms without
images."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.experiments.ablations import SCALES, terms_alone
from clearer.experiments.ablations_page import _shared_modules, as_markdown
from clearer.network.architecture import SearchSpace
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import SearchSettings
from helpers.command import clearer, settings
from helpers.recipes import TINY

SMALL = {**TINY, "train.epochs": 1, "network.width": 2}


@pytest.mark.slow
def test_l_comp_of_0_1_makes_every_module_fusion_and_of_0_none() -> None:
    """Method notes: at 0.1, beside lambda_1 = 0.01, it pulls hundreds of times as hard as L_Arch near one half."""
    strong = terms_alone(SearchSettings(epochs=40, lambda_arch=0.01), SearchSpace(), 0.1)
    assert strong["fusions"] == 12 and strong["gap"] > 0.3
    assert strong["pull_comp"] / strong["pull_arch"] > 100
    nothing = terms_alone(SearchSettings(epochs=40, lambda_arch=0.01), SearchSpace(), 0.0)
    assert nothing["pull_comp"] == 0 and 0 < nothing["fusions"] < 12 and nothing["gap"] < 0.1


def test_the_short_search_can_move_alpha_as_far_as_the_long_one() -> None:
    full, short = load_recipe("paper-denoise-50").search, load_recipe("paper-denoise-50", SCALES["laptop"]).search
    reach = [s.alpha.lr * (s.epochs - s.warmup_epochs) * s.steps_per_epoch for s in (full, short)]
    assert reach[1] == pytest.approx(reach[0], rel=0.01)


@pytest.mark.long
def test_variants_share_searches_and_trainings(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    command = ("reproduce", "ablations", "--data", images, "-o", out, "--seeds", 1, "--jobs", 1, "--json")
    command = (*command, *settings(SMALL))
    outcome = clearer(*command)
    assert outcome.status == 0, outcome.err
    result = outcome.json
    # supplement, released, fed by parallel, three more lambda_2, and residual with norm and without: the first
    # of each question is the same search.
    assert len([p for p in (out / "searches").iterdir() if p.is_dir()]) == 8
    same = [row for row in result["rows"] if row["variant"] in ("supplement", "same", "0", "as in the recipe")]
    assert len(same) == 4 and len({(row["architecture"], row["gap"]) for row in same}) == 1
    assert same[0]["psnr"] == same[1]["psnr"] and "psnr" not in same[2]
    gap = next(row for row in result["rows"] if row["variant"] == "parallel")["supernet_gap"]
    assert set(gap) == {"input", "supernet", "derived", "derived_new_statistics"}
    without = next(row for row in result["rows"] if row["variant"] == "residual, no norm")
    assert without["scores"]["scored"] == 4 and without["scores"]["median"] <= without["scores"]["best"]
    # Nothing to measure again where there are no norms.
    assert without["supernet_gap"]["derived"] == without["supernet_gap"]["derived_new_statistics"]
    text = (out / "ablations.md").read_text()
    assert text.count("\n## ") == 4 and "released program" in text
    # The paper's space has rows of the published architecture besides, and L_Arch may be off.
    published = {**next(row for row in result["rows"] if row["question"] == "operations"), "question": "published"}
    alone = [{**terms, "pull_arch": 0.0} for terms in result["terms_alone"]]
    more = as_markdown({**result, "rows": [*result["rows"], published], "terms_alone": alone})
    assert "supplement, published architecture" in more and "no L_Arch" in more
    times = {path: path.stat().st_mtime_ns for path in out.rglob("result.json")}
    assert clearer(*command).json == result
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("result.json")}
    drawn = {name: (out / name).read_bytes() for name in ("ablations.md", "lambda2.svg")}
    for name in drawn:
        (out / name).unlink()
    assert clearer("reproduce", "redraw", out).status == 0
    assert {name: (out / name).read_bytes() for name in drawn} == drawn


def test_modules_that_seeds_share_are_compared_with_chance() -> None:
    words = [{"architecture": word, "modules": 6} for word in ("PPF-FFF", "PFF-FFF")]
    assert _shared_modules(words) == "5.0 of 6 (chance 3.7)"  # (4/6 x 5/6 + 2/6 x 1/6) x 6
    assert _shared_modules(words[:1]) == ""


def test_faults_are_reported_in_one_line(images: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("reproduce", "ablations", "--data", images, "--only", "lambda"), "did you mean 'lambda-comp'?"),
        (("reproduce", "redraw", images), "holds none of table1.json"),
    ):
        outcome = clearer(*arguments)
        assert outcome.status == 2 and words in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "a").exists()
