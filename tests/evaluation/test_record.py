"""What an evaluation saves, and that records of version 0.1 are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from torch import Tensor

from clearer.core.errors import UserError
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.record import evaluation_record, write_result
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel, parameters
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EvaluationRecord
from helpers.synthetic_images import folder_of


def identity(x: Tensor) -> Tensor:
    return x


def test_results_are_written_as_json_and_csv(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (20, 30, 1), (12, 5, 1))
    done: list[tuple[int, int]] = []
    result = evaluate(identity, folder, "gray-awgn-25", progress=lambda k, n: done.append((k, n)))
    write_result({**result.to_dict(), "model": "none"}, tmp_path / "out" / "result.json")
    read = json.loads((tmp_path / "out" / "result.json").read_text())
    assert read == {**result.to_dict(), "model": "none"}
    rows = list(csv.DictReader((tmp_path / "out" / "result.csv").open()))
    assert [row["name"] for row in rows] == ["p0.png", "p1.png"]
    assert [float(row["psnr"]) for row in rows] == [s["psnr"] for s in result.per_image]
    assert done == [(1, 2), (2, 2)]
    with pytest.raises(UserError, match="beside it"):
        write_result(result.to_dict(), tmp_path / "result.csv")


def test_a_record_states_the_model_the_data_and_the_result(tmp_path: Path) -> None:
    result = evaluate(identity, folder_of(tmp_path / "clean", (20, 30, 1)), "gray-awgn-25", seed=3)
    architecture = Architecture.parse("PF", width=4)
    record = evaluation_record(
        result, model="m", data="clean", architecture=architecture, device="cpu", precision="fp32", seed=3
    )
    of_some = {"intensity", "seen", "clean_side", "scales", "channel"}  # of pairs alone, of runs, where it is stated
    assert set(record) == set(EvaluationRecord.__annotations__) - of_some
    assert (record["parameters"], record["macs_per_pixel"]) == (parameters(architecture), macs_per_pixel(architecture))
    assert record["psnr"] == result.psnr and record["per_image"] == result.per_image
    run = RunFolder(tmp_path / "run")
    write_result(record, run.evaluation_result("gray-awgn-25"))
    assert run.read_evaluations() == {"gray-awgn-25": record}


def test_records_of_version_0_1_are_read_by_their_present_keys(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    score = {"name": "a.png", "height": 4, "width": 5, "psnr": 30.0}
    run.evaluation.mkdir()
    former = {"protocol": "gray-awgn-50", "pictures": 1, "psnr": 30.0, "per_picture": [score]}
    run.evaluation_result("gray-awgn-50").write_text(json.dumps(former))
    (found,) = run.read_evaluations().values()
    assert found == {"protocol": "gray-awgn-50", "images": 1, "psnr": 30.0, "per_image": [score]}
