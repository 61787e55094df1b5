"""Recipes of version 0.1: files that a user wrote, and those that the program stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clearer.core.errors import UserError
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder


def written(path: Path, degradation: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump({"name": "mine", "task": "denoise", "data": {"degradation": degradation}}))
    return path


@pytest.mark.parametrize(
    ("degradation", "note"),
    [
        ({"kind": "none", "sigma": 0}, "data.degradation.sigma: ignored"),
        ({"kind": "gaussian", "sigma": 25, "share": 0.0}, "data.degradation.share: ignored"),
        ({"kind": "gaussian", "sigma": 25, "rain": {"angle": [0, 5]}}, "data.degradation.rain: ignored"),
        ({"kind": "rain", "rain": {"angle": [0, 5]}}, "data.degradation.rain: is now called data.degradation"),
    ],
)
def test_settings_of_another_kind_in_a_file_are_left_out_with_a_note(
    degradation: dict[str, object], note: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = load_recipe(written(tmp_path / "mine.yaml", degradation))
    assert recipe.data.degradation.kind == degradation["kind"]
    assert caplog.text.count(note) == 1


def test_a_setting_of_another_kind_on_the_command_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.degradation\.share"):
        load_recipe(written(tmp_path / "mine.yaml", {"kind": "none"}), {"data.degradation.share": 0.5})


def test_a_stored_recipe_is_read_without_notes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stored = {"name": "run", "train": {"optimiser": {"kind": "adam", "lr": 0.5}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(stored))
    assert RunFolder(tmp_path).read_recipe({"seed": 3}).train.optimizer.lr == 0.5
    assert not caplog.records
    assert load_recipe(tmp_path / "recipe.yaml").train.optimizer.lr == 0.5
    assert "train.optimiser: is now called train.optimizer" in caplog.text
