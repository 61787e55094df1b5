"""How far methods are apart on the same images."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[2] / "benchmarks" / "studies" / "paired_gains.py"


def measured(folder: Path, method: str, protocol: str, **scores: float) -> None:
    per_image = [{"name": name, "psnr": value} for name, value in scores.items()]
    value = {"key": {"method": method}, "protocol": protocol, "per_image": per_image}
    (folder / "measured" / f"{method}-{protocol}.json").write_text(json.dumps(value))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", [STUDY.name, *map(str, arguments)])
    runpy.run_path(str(STUDY), run_name="__main__")


def test_differences_are_of_the_images_that_both_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "measured").mkdir()
    measured(tmp_path, "bar", "rain", a=20, b=30, c=25)
    measured(tmp_path, "net", "rain", a=21, b=34, c=26)
    measured(tmp_path, "slow", "rain", a=20, c=23)
    measured(tmp_path, "degraded input", "rain", a=10, b=10, c=10)
    measured(tmp_path, "net", "gray", a=21, b=33)  # the bar is not there
    run(monkeypatch, tmp_path, "--against", "bar", "-o", tmp_path / "out.json")
    rows = {row["method"]: row for row in json.loads((tmp_path / "out.json").read_text())["rows"]}
    assert rows.keys() == {"net", "slow"}
    assert (rows["net"]["images"], rows["net"]["gain"], rows["net"]["error"]) == (3, 2, 1)
    assert (rows["slow"]["images"], rows["slow"]["gain"], rows["slow"]["error"]) == (2, -1, 1)
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "--against", "nothing")
    assert "no two measurements of the same images, one of them nothing" in capsys.readouterr().err
