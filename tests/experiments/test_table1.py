"""Table 1 and Figure 2: from searches to a table, and again from its JSON alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clearer.experiments import published, table1
from clearer.experiments.agreement import agreement
from clearer.experiments.table1 import SCALES, agreements, as_markdown, redraw
from clearer.recipe.load import load_recipe
from helpers.command import clearer, settings
from helpers.recipes import TINY


def test_published_values_agree_with_each_other() -> None:
    """The caption's gaps are those of the table's digits, and the row of 0.1 spells the architecture."""
    for value, alphas in published.PARALLEL.items():
        gap = sum(abs(2 * a - 1) for a in alphas) / len(alphas)
        assert gap == pytest.approx(published.GAPS[value], abs=5e-5)
    letters = "".join("P" if a > 0.5 else "F" for a in published.PARALLEL[0.1])
    assert letters == published.ARCHITECTURE.replace("-", "")


def test_the_desk_scale_is_the_published_search_of_a_narrower_network() -> None:
    full, desk = (load_recipe("paper-denoise-50", SCALES[scale]) for scale in ("full", "desk"))
    assert desk.search == full.search and (desk.search.batch, desk.search.patch) == (32, 64)
    assert (full.network.width, desk.network.width) == (32, 8)


def test_the_laptop_scale_keeps_the_settings_that_balance_alpha() -> None:
    full, laptop = (load_recipe("paper-denoise-50", SCALES[scale]).search for scale in ("full", "laptop"))
    assert full.alpha == laptop.alpha
    steps = [(s.epochs - s.warmup_epochs) * s.steps_per_epoch for s in (full, laptop)]
    assert steps == [9500, 9500]


def test_genotypes_are_kept_where_they_change() -> None:
    def line(step: int, *parallel: float) -> dict[str, Any]:
        return {"arch_step": step, "mixing_weights": [[a, 1 - a] for a in parallel]}

    lines = [line(0, 0.6, 0.4, 0.4), line(5, 0.7, 0.4, 0.4), line(10, 0.7, 0.4, 0.6), line(15, 0.7, 0.6, 0.6)]
    assert table1._changes(lines, "PP-P@width=8", "PF") == [(0, "PF-F"), (10, "PF-P"), (15, "PP-P")]


@pytest.mark.long
def test_searches_go_on_one_by_one_into_one_table(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    command = ("reproduce", "table1", "--data", images, "-o", out, "--jobs", 1, "--json", *settings(TINY))
    first = clearer(*command, "--lambda", 0.1)
    assert first.status == 0, first.err
    assert [row["lambda_arch"] for row in first.json["rows"]] == [0.1]
    before = (out / "lambda-0.1" / "search" / "metrics.jsonl").read_bytes()
    whole = clearer(*command).json
    assert [row["lambda_arch"] for row in whole["rows"]] == [0.0, 0.01, 0.1]
    assert (out / "lambda-0.1" / "search" / "metrics.jsonl").read_bytes() == before
    assert whole["rows"][2] == first.json["rows"][0]
    for row in whole["rows"]:
        assert row["gap"] == pytest.approx(sum(abs(2 * a - 1) for a in row["parallel"]) / 2, abs=1e-5)
        assert row["gap_over_steps"][-1][0] == row["arch_steps"] == 6
        assert row["genotype_over_steps"][-1][1] == row["architecture"]
    text = (out / "table1.md").read_text()
    assert "0.6709" in text and f"{whole['rows'][2]['gap']:.4f}" in text
    files = ["table1.md", "figure2.svg"]
    drawn = {name: (out / name).read_bytes() for name in files}
    for name in files:
        (out / name).unlink()
    redraw(out)
    assert {name: (out / name).read_bytes() for name in files} == drawn


@pytest.mark.long
def test_seeds_stand_beside_each_other_and_are_compared(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    command = ("reproduce", "table1", "--data", images, "-o", out, "--jobs", 1, *settings(TINY))
    assert clearer(*command, "--lambda", 0.05, "--set", "seed=3").status == 0
    found = clearer(*command, "--lambda", 0.1, "--seeds", 2, "--set", "seed=3", "--json")
    assert found.status == 0, found.err
    assert [(row["lambda_arch"], row["seed"]) for row in found.json["rows"]] == [(0.05, 3), (0.1, 3), (0.1, 4)]
    assert {path.name for path in out.glob("lambda-*")} == {"lambda-0.05", "lambda-0.1", "lambda-0.1-seed-4"}
    first, second = (row["architecture"] for row in found.json["rows"][1:])
    alike = sum(a == b for a, b in zip(first, second, strict=True)) - first.count("-")
    assert f"| 0.1 | here, seed 3; here, seed 4 | {alike} of 2 |" in (out / "table1.md").read_text()


def test_architectures_of_one_lambda_are_compared_in_pairs() -> None:
    """Of the published 0.1 row, FPPF-FFFF-PFFP, all-fusion networks agree in its 8 fusion modules, whatever chance."""
    row = {"lambda_arch": 0.1, "parallel": list(published.PARALLEL[0.1]), "gap": 0.6709}
    rows = [row | {"architecture": "FFFF-FFFF-FFFF", "seed": 0}, row | {"architecture": "FPPF-FFFF-PFPP", "seed": 1}]
    other = row | {"lambda_arch": 0.0, "architecture": "FPPF-FFFF-FFFF", "seed": 0}
    compared = list(agreements({"rows": [*rows, other], "published": [row]}))  # type: ignore[typeddict-item]
    assert [(value, names, found.agreed) for value, names, found in compared] == [
        ("0.1", "published; here, seed 0", 8),
        ("0.1", "published; here, seed 1", 11),
        ("0.1", "here, seed 0; here, seed 1", 7),
        ("0 and 0.1", "here, seed 0", 10),
    ]
    assert compared[0][2].chance == {"architectures": 1, "expected": 8.0, "at_least": 1.0}
    assert agreement("SSPF", "SSPF") is None  # four candidates: chance is another


def test_a_table_without_any_search_still_holds_the_published_rows() -> None:
    rows = [{"lambda_arch": 0.1, "parallel": list(published.PARALLEL[0.1]), "gap": 0.6709}]
    text = as_markdown({"rows": [], "published": rows})
    assert text.count("\n") == 3 and "FPPF-FFFF-PFFP" in text


def test_faults_are_reported_in_one_line(images: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("--data", images, "--scale", "huge"), "scale: 'huge' is not one of full, desk, laptop"),
        ((), "give --data FOLDER with its sub-folders train and val"),
        (("--data", tmp_path / "none"), "cannot be read"),
        (("--data", images / "train"), "one sub-folder train"),
    ):
        outcome = clearer("reproduce", "table1", "-o", tmp_path / "out", *arguments)
        assert outcome.status == 2 and words in outcome.err and outcome.err.count("\n") == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_of_an_older_program_resumes_with_defaults_for_new_settings(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    command = ("reproduce", "table1", "--data", images, "-o", out, "--jobs", 1, "--lambda", 0.1, *settings(TINY))
    assert clearer(*command).status == 0
    path = out / "lambda-0.1" / "recipe.yaml"
    path.write_text(path.read_text().replace("  fusion_input: same\n", ""))
    (out / "lambda-0.1" / "search" / "result.json").unlink()  # as if it had been stopped before its end
    assert clearer(*command, "--json").json["rows"][0]["arch_steps"] == 6
    json.loads((out / "table1.json").read_text())
