"""JSON of a wrong shape in a run folder: one line that names the file, whatever reads it, and never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.experiments.search_ledger import add_to_ledger
from clearer.report.page import write_page
from clearer.report.summary import print_summary
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained, read_ledger
from helpers.synthetic_run import write_run

WRONG: tuple[Any, ...] = (None, True, 7, 1.5, 10**30, "text", [], [[]], [None], [7], {}, {"": {}}, {"a": [1]})
FILES: dict[str, Callable[[RunFolder], Any]] = {
    "run.json": RunFolder.read_record,
    "images.json": RunFolder.read_images,
    "digests.json": RunFolder.read_digests,
    "architecture.json": RunFolder.read_architecture,
    "cost.json": RunFolder.read_cost,
    "search/result.json": lambda run: run.search.read_result("steps"),
    "train/result.json": lambda run: run.train.read_result("steps", "seconds"),
    "evaluation/gray-awgn-50-a.json": RunFolder.read_evaluations,
    "samples.json": RunFolder.read_samples,
    "noise.json": RunFolder.read_noise,
    "ranking.json": RunFolder.read_ranking,
}
NOISE = {
    "kind": "independent", "level": 0.1, "gain": [0.0], "offset": [0.01], "brightness": [0.5], "variance": [0.01],
    "rows": [1.0, 0.0], "columns": [1.0, 0.0], "patch": [], "channels": None, "color": None, "row_stripes": 0.0,
    "column_stripes": 0.0, "grid": 0.0, "grid_at": [0, 0], "black": 0.0, "white": 0.0, "span": [0.0, 1.0], "bits": 8,
    "used_bits": 8, "sharpness": None, "images": 3, "scale": [0, 255], "words": ["Noise."],
}  # fmt: skip
ROW = {"name": "a", "kind": "filter", "estimated_psnr": 30.0, "standard_error": 0.1, "gain": 0.1,
       "gain_standard_error": 0.1}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = RunFolder(write_run(tmp_path_factory.mktemp("run") / "run"))
    file = {"clean": {"size": 3, "sha256": "0"}}
    run.images.write_text(json.dumps({"train": ["a.png"], "validation": [], "test": []}))
    run.digests.write_text(json.dumps({"train": {"a.png": file}}))
    run.noise.write_text(json.dumps(NOISE))
    run.ranking.write_text(json.dumps({"rows": [ROW], "better": ["a"], "images": 1}))
    return run


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of the value and of the first values inside it."""
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value))[:1]
    found = [path]
    for key, one in inner if isinstance(value, dict | list) else ():
        found += _places(one, (*path, key)) if isinstance(one, dict | list) else [(*path, key)]
    return found


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("name", FILES)
def test_a_value_of_another_shape_anywhere_is_accepted_or_refused_with_the_file(run: RunFolder, name: str) -> None:
    path = run.path / name
    sound = path.read_text()
    FILES[name](run)
    refused = 0
    try:
        for place in _places(json.loads(sound)):
            for wrong in WRONG:
                path.write_text(json.dumps(_replaced(json.loads(sound), place, wrong)))
                try:
                    FILES[name](run)
                except UserError as error:
                    assert str(error).startswith(str(path)) and "\n" not in str(error)
                    refused += 1
    finally:
        path.write_text(sound)
    assert refused > 20


@pytest.mark.parametrize("stage", ["search", "train"])
def test_metrics_of_another_shape_are_refused_by_line_or_end_the_reading(run: RunFolder, stage: str) -> None:
    folder = run.stage(stage)
    sound = folder.metrics.read_text()
    first, *rest = sound.splitlines()
    try:
        for place in _places(json.loads(first)):
            for wrong in WRONG:
                folder.metrics.write_text(
                    "\n".join([json.dumps(_replaced(json.loads(first), place, wrong)), *rest]) + "\n"
                )
                try:
                    assert folder.read_metrics("step")[0].keys() >= {"step"}
                except UserError as error:
                    assert "line 1 is damaged" in str(error)
                    assert folder.read_metrics("step", strict=False) == []
    finally:
        folder.metrics.write_text(sound)


@pytest.mark.parametrize("name", ["cost.json", "train/result.json", "noise.json", "ranking.json"])
def test_the_page_and_the_summary_refuse_in_one_line(run: RunFolder, name: str) -> None:
    path = run.path / name
    sound = path.read_text()
    try:
        for wrong in ([], {"seconds": "x", "parameters": "x", "level": "x", "rows": "x"}):
            path.write_text(json.dumps(wrong))
            with pytest.raises(UserError, match=path.name):
                write_page(run.path)
            with pytest.raises(UserError, match=path.name):
                print_summary(run.path, Console(quiet=True))
    finally:
        path.write_text(sound)


def test_lines_of_a_ledger_with_another_shape_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    line = Trained(0, "P-F", 1, 100, 30.0, 2.0, 5.0)
    sound = {"rung": 0, "architecture": "P-F", "seed": 1, "steps": 100, "psnr": 30.0, "seconds": 2.0, "cost": 5.0}
    bad = [_replaced(sound, place, wrong) for place in _places(sound) for wrong in ("x", None, [], {})]
    bad = [one for one in bad if not (isinstance(one, dict) and isinstance(one.get("architecture"), str) and
           one["architecture"] == "x")]  # fmt: skip
    path.write_bytes(b"\xff\xfe\n" + "".join(json.dumps(one) + "\n" for one in bad).encode())
    add_to_ledger(path, line)
    assert read_ledger(path) == [line]
