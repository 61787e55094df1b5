"""RunFolder: paths and typed reads of a run, also of one that version 0.1 wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clearer.core.errors import UserError
from clearer.runs.layout import RunFolder, read_metrics
from helpers.synthetic_run import write_run


def test_a_run_reads_back_what_it_holds(tmp_path: Path) -> None:
    run = RunFolder(write_run(tmp_path / "run"))
    assert run.is_run and run.search.finished and run.train.finished and not run.search.begun
    assert str(run.read_architecture()) == "FPPF-FFFF-PFFP"
    assert run.read_record()["images"] == {"train": 400, "validation": 32, "test": 68}
    assert run.read_cost()["parameters"] == 6073536 and len(run.read_cost()["cells"]) == 12
    assert run.search.read_result()["arch_steps"] == 1500 and run.train.read_result()["steps"] == 3000
    assert [line["epoch"] for line in run.search.read_metrics()] == list(range(1, 41))
    assert len(run.train.read_metrics()) == 30  # the last line was cut short
    assert sorted(run.read_evaluations()) == ["gray-awgn-50-a", "gray-awgn-50-e"]
    assert run.read_samples()[0]["input"] == "samples/0-input.png"
    assert run.stage("search") == run.search and run.stage("train") == run.train


def test_paths_do_not_depend_on_what_exists(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "nowhere")
    assert not run.is_run and not run.train.begun and not run.train.finished
    assert run.images == tmp_path / "nowhere" / "images.json"
    assert run.train.read_metrics() == [] and run.read_evaluations() == {} and run.read_samples() == []
    with pytest.raises(UserError, match=r"result\.json: no such file"):
        run.train.read_result()


def test_names_of_version_0_1_are_read(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    (tmp_path / "pictures.json").write_text(json.dumps({"train": ["a.png"], "validation": [], "test": []}))
    assert run.images == tmp_path / "pictures.json" and run.read_images()["train"] == ["a.png"]
    run.search.path.mkdir()
    run.search.metrics.write_text(json.dumps({"step": 3, "probabilities": [[0.5, 0.5]]}) + "\n")
    assert run.search.read_metrics() == [{"step": 3, "mixing_weights": [[0.5, 0.5]]}]


def test_a_damaged_line_is_named_or_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl: line 2 is not JSON"):
        read_metrics(path)
    assert read_metrics(path, strict=False) == [{"step": 1}]
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [line["step"] for line in read_metrics(path)] == [1, 2]
