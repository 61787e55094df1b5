"""Results that version 0.1 wrote are redrawn from their JSON alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clearer.experiments.redraw import redraw_folder
from clearer.experiments.verdict_page import trained_figure

STORE = Path(__file__).parents[2] / "docs" / "results"
RECORDS = {
    "table1.json": ("table1-laptop", {"table1.md", "figure2.svg", "figure2.png"}, "FPPF-FFFF-PFFP"),
    "figures34.json": (
        "figures34-laptop",
        {"figures34.md", *(f"{n}.{kind}" for n in ("published", "figure3", "figure4") for kind in ("svg", "png"))},
        "| modules as published |  | 7 of 12 | 7 of 12 |",
    ),
    "tables.json": ("../../tests/experiments/tables-0.1", {"tables.md"}, "**only the first 20** of 200 images"),
    "verdict.json": (
        "verdict-laptop",
        {"verdict.md", "ranking.svg", "ranking.png", "trained.svg", "trained.png"},
        "indistinguishable from chance",
    ),
    "ablations.json": (
        "ablations-laptop", {"ablations.md", "lambda2.svg", "lambda2.png"}, "learning rate of alpha 0.007"
    ),
}  # fmt: skip
"""File of a result -> its copy of version 0.1, the files that are drawn, and a part of the Markdown."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDS)
def test_a_result_of_version_0_1_is_redrawn(tmp_path: Path, name: str) -> None:
    source, files, part = RECORDS[name]
    shutil.copy(STORE / f"{source}.json", tmp_path / name)
    assert redraw_folder(tmp_path) == [name]
    assert {path.name for path in tmp_path.iterdir()} == {name, *files}
    (page,) = tmp_path.glob("*.md")
    assert part in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("part", "label"), [(None, "validation"), ("validation", "validation"), ("test", "test")])
def test_the_figure_of_a_verdict_names_the_images_that_were_measured(part: str | None, label: str) -> None:
    result = json.loads((STORE / "verdict-laptop.json").read_text())
    result["training"].pop("measured_on", None)
    if part is not None:
        result["training"]["measured_on"] = part
    assert trained_figure(result).axes[0].get_ylabel() == f"PSNR on held-out patches of {label} images (dB)"
