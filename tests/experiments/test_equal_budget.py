"""Baselines and networks of ours trained for equal times, then measured in tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clearer.core.errors import UserError
from clearer.experiments import equal_budget as module
from clearer.experiments.equal_budget import contestants, equal_budget, trained_methods
from clearer.methods.trained_model import Running
from clearer.network.baselines.registry import BASELINES
from helpers.command import clearer
from helpers.photos import NAMES, write_photos


def test_all_baselines_and_ours_take_part_with_one_schedule() -> None:
    found = contestants(["denoise", "derain"])
    assert [one.recipe.baseline for one in found if one.recipe.baseline] == list(BASELINES)
    ours = [one for one in found if one.recipe.baseline is None]
    assert [one.title for one in ours] == [
        "CLEARER FPPF-FFFF-PFFP, width 16", "CLEARER network of denoise-gray-fast", "CLEARER denoise-gray-fast",
        "CLEARER FPPF-FFFF-PFFP, width 16", "CLEARER derain",
    ]  # fmt: skip
    assert len({one.name for one in found}) == len(found)
    for task in ("denoise", "derain"):
        alike = [one.recipe for one in found if one.task == task and one.recipe.train.optimizer.kind == "adam"]
        assert len({str(recipe.data) for recipe in alike}) == len({recipe.train.batch for recipe in alike}) == 1
    assert {one.recipe.precision for one in found} == {"fp32"}


def test_a_name_that_is_none_of_them_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'scan'"):
        contestants(["derain"], ["scen"])
    with pytest.raises(UserError, match=r"red is to denoise, .* give --noise FOLDER"):
        contestants(["derain"], ["red"])
    with pytest.raises(UserError, match="minutes: 0 is not above 0"):
        equal_budget("nowhere", 0, noise="photos")
    with pytest.raises(UserError, match="--noise FOLDER"):
        equal_budget("nowhere", 1)


@pytest.mark.slow
def test_from_photographs_to_a_table_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write_photos(tmp_path / "photos", NAMES, side=64)
    form = "CLEARER network of denoise-gray-fast"
    command = ("reproduce", "baselines", "--noise", photos, "--bsd500", photos, "--limit", 1, "--sigma", 50,
               "--minutes", 0.01, "--only", form, "--jobs", 1, "-o", tmp_path / "out", "--json")  # fmt: skip
    ended = clearer(*command)
    assert ended.status == 0, ended.err
    row = ended.json["tables"][0]["rows"][-1]
    timing = json.loads((tmp_path / "out" / "timing.json").read_text())
    step = timing["seconds_per_step"]["denoise-clearer-network-of-denoise-gray-fast"]
    cell = row["cells"]["clearer-gray-50"]
    steps = 0.6 / step  # 40 epochs, or as many steps as there are
    assert row["name"] == form and "on photos" in cell["notes"]
    done = int(re.search(r"\(([\d,]+) steps\)", cell["notes"])[1].replace(",", ""))  # type: ignore[index]
    assert abs(done - steps) <= max(1, steps / 2)
    (method,) = trained_methods(tmp_path / "out")
    assert (method.name, method.notes, method.parameters) == (form, cell["notes"], cell["parameters"])
    with pytest.raises(UserError, match="no finished training"):
        trained_methods(tmp_path)
    other = clearer(*(word if word != 0.01 else 0.02 for word in command))
    assert other.status == 2 and "holds trainings of 0.01 minutes, 1 at a time, not of 0.02" in other.err
    monkeypatch.setattr(module, "carry_out", lambda plans, **_: None if all(p.finished for p in plans) else 1 / 0)
    assert clearer(*command).json == ended.json  # nothing is trained or measured again
    averaged = clearer(*command, "--precision", "bf16", "--ensemble", "--device", "cpu")
    assert averaged.status == 0, averaged.err
    found = averaged.json["tables"][0]["rows"][-1]["cells"]["clearer-gray-50"]
    assert found["setup"] == "cpu, bf16, x8 self-ensemble" and cell["setup"].endswith(", fp32")
    assert found["macs_per_pixel"] == 8 * cell["macs_per_pixel"] and found["psnr"] != cell["psnr"]
    (method,) = trained_methods(tmp_path / "out", Running("cpu", "bf16", True))
    assert (method.setup, method.sha256) == (found["setup"], found["sha256"])
    shown = clearer("reproduce", "tables", "--trained", tmp_path / "out", "--bsd500", photos, "--limit", 1, "--sigma",
                    50, "--ensemble", "--device", "cpu", "-o", tmp_path / "shown", "--json")  # fmt: skip
    (row,) = (row for row in shown.json["tables"][0]["rows"] if row["name"] == form)
    assert row["cells"]["clearer-gray-50"]["setup"] == "cpu, fp32, x8 self-ensemble"
