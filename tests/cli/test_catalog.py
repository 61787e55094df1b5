"""Verbs models and recipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import clearer
from clearer.network.architecture import Architecture
from clearer.pipeline.speed import Speed, remember_speeds, remembered_speeds, speed_file
from helpers.command import clearer as command

OFFERED = ["dejpeg", "denoise-color", "denoise-gray", "denoise-gray-medium", "denoise-photo", "derain"]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "cache"


def names(out: str) -> list[str]:
    """Return the first column of a table, its two lines of heading left out."""
    return [line.split()[0] for line in out.splitlines()[2:] if "research models" not in line]


def test_recipes_are_listed():
    listed = command("recipes", "--json").json["recipes"]
    assert {"quickstart", "paper-denoise-50", "denoise-gray", "derain"} <= {entry["name"] for entry in listed}


def test_models_fit_80_columns_and_research_models_need_all(cache):
    few, all_ = command("models"), command("models", "--all")
    for ended in (few, all_):
        assert ended.status == 0, ended.err
        assert max(map(len, ended.out.splitlines())) <= 80
    assert names(few.out) == OFFERED
    assert names(all_.out) == [model["name"] for model in clearer.models()]
    assert len(names(all_.out)) >= 11
    row = next(line for line in few.out.splitlines() if line.startswith("denoise-gray "))
    assert row.split() == ["denoise-gray", "denoise", "gray", "26.0", "dB", "BSD68", "s50", "46"]
    assert " +s 164 " in next(line for line in few.out.splitlines() if line.startswith("denoise-photo "))
    assert "7 research models: clearer models --all" in few.out


def test_models_as_json_states_where_each_is(cache):
    stated = command("models", "--all", "--json").json["models"]
    assert [model["name"] for model in stated] == [model["name"] for model in clearer.models()]
    for model in stated:
        assert Path(model["file"]).is_file() and model["source"] in ("package", "checkout")
        assert model["seconds_per_megapixel"] is None
    assert [model["name"] for model in command("models", "--json").json["models"]] == OFFERED


@pytest.mark.slow
def test_measured_speeds_are_shown_and_remembered(cache, monkeypatch):
    architecture = clearer.load("denoise-gray").architecture
    timed = []

    def measured(name: str) -> tuple[Architecture, Speed]:
        timed.append(name)
        return clearer.load(name).architecture, Speed(1.25, "cpu", "fp32")

    monkeypatch.setattr("clearer.pipeline.speed.measure_speed", measured)
    first = command("models", "--measure", "--json")
    assert timed == OFFERED
    assert [model["seconds_per_megapixel"] for model in first.json["models"]] == [1.25] * len(OFFERED)
    later = command("models")
    assert later.out.count(" 1.25") == len(OFFERED) and timed == OFFERED
    assert remembered_speeds()[architecture.digest] == Speed(1.25, "cpu", "fp32")


def test_speeds_hold_for_one_version_and_damaged_files_count_as_empty(cache, monkeypatch):
    remember_speeds({"abc": Speed(2.0, "cpu", "fp32")})
    assert speed_file() == cache / "clearer" / "speed.json"
    with monkeypatch.context() as other:
        other.setattr("clearer.pipeline.speed.__version__", "9.9")
        assert remembered_speeds() == {}
        remember_speeds({"abc": Speed(3.0, "cpu", "fp32")})
    assert remembered_speeds() == {"abc": Speed(2.0, "cpu", "fp32")}
    stated = json.loads(speed_file().read_text())
    assert len(stated) == 2
    speed_file().write_text(json.dumps({next(iter(stated)): {"abc": {"seconds": "fast"}, "def": 3}}))
    assert remembered_speeds() == {}
    speed_file().write_text("not JSON")
    assert remembered_speeds() == {}
    assert command("models").status == 0


def test_times_that_cannot_be_remembered_are_a_note(cache, monkeypatch):
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr(
        "clearer.pipeline.speed.measure_speed",
        lambda name: (clearer.load(name).architecture, Speed(1.25, "cpu", "fp32")),
    )
    ended = command("models", "--measure")
    assert ended.status == 0 and ended.err.startswith("clearer: note: ") and ended.err.count("\n") == 1
    assert ended.out.count(" 1.25") == len(OFFERED)


def test_a_model_is_timed_on_a_megapixel(monkeypatch):
    from clearer.pipeline import speed

    monkeypatch.setattr(speed, "SIDE", 64)
    architecture, found = speed.measure_speed("denoise-gray")
    assert str(architecture) == "FPFF-FFFF" and found.seconds > 0 and found.device
