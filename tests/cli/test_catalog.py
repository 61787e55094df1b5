"""Verbs models and recipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.core.pressure import Watch
from clearer.images.view import read_image
from clearer.network.architecture import Architecture
from clearer.pipeline.speed import Speed, remember_speeds, remembered_speeds, speed_file, speed_key
from helpers.command import clearer as command
from helpers.photos import SHIPPED

OFFERED = [
    "denoise-photo-fast",
    "denoise-photo",
    "denoise-gray-fast",
    "denoise-gray",
    "denoise-color-fast",
    "denoise-color",
    "dejpeg-fast",
    "dejpeg",
    "derain",
    "derain-best",
]
TIMED = [name for name in OFFERED if name not in ("denoise-color-fast", "denoise-color")]
"""The two have the networks of the models for photographs, and share their times."""
FORMER = [
    "denoise-color@2026-11",
    "denoise-gray-medium",
    "denoise-gray@2026-11",
    "denoise-photo@2026-11",
    "derain@2026-11",
]
"""In the order of the table: by what they are for, then from fast to best."""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "cache"


@pytest.fixture
def timed(monkeypatch) -> list[str]:
    """The models that were timed, each as 1.25 s."""
    names: list[str] = []

    def measured(name: str) -> Speed:
        names.append(name)
        return Speed(1.25, "cpu", "fp32")

    monkeypatch.setattr("clearer.pipeline.speed.measure_speed", measured)
    return names


def names(out: str) -> list[str]:
    """Return the first column of a table, its two lines of heading left out."""
    return [line.split()[0] for line in out.splitlines()[2:] if "clearer models --all" not in line]


def test_recipes_are_listed():
    listed = command("recipes", "--json").json["recipes"]
    assert {"quickstart", "paper-denoise-50", "denoise-gray", "derain"} <= {entry["name"] for entry in listed}


@pytest.mark.parametrize("all_", [False, True])
def test_the_list_fits_80_columns_and_24_lines(cache, timed, all_):
    ended = command("models", *(["--all"] if all_ else []))
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 24
    shown = [model["shown"] for model in clearer.models() if model["research"]]
    assert names(ended.out) == OFFERED or all_
    assert sorted(names(ended.out)) == sorted([*OFFERED, *FORMER, *shown] if all_ else OFFERED)
    assert lines[0].split() == ["model", "task", "quality", "s/MP", "MiB"]
    row = next(line for line in lines if line.startswith("denoise-gray "))
    assert row.split() == ["denoise-gray", "denoise", "gray", "+s", "26.2", "dB", "BSD68", "s50", "1.25", "2.5"]
    told = [*OFFERED[:6], *(["denoise-photo@2026-11"] if all_ else [])]
    assert [line.split()[0] for line in lines if " +s " in line] == told
    assert ("12 more, of the paper and former ones: clearer models --all" in ended.out) != all_


def test_the_list_is_the_same_when_piped(tmp_path, cache):
    environment = {**os.environ, "PYTHONPATH": str(Path(clearer.__file__).parents[1])}
    for columns in ("80", None):
        env = environment | ({} if columns is None else {"COLUMNS": columns})
        if columns is None:
            env.pop("COLUMNS", None)
        piped = subprocess.run(
            [sys.executable, "-m", "clearer", "models", "--no-measure"], env=env, capture_output=True, text=True
        )
        lines = piped.stdout.splitlines()
        assert names(piped.stdout) == OFFERED and max(map(len, lines)) <= 80 and len(lines) <= 24
        assert piped.stderr == ""


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("photo", ["denoise-photo-fast", "denoise-photo"]),
        ("gray", ["denoise-gray-fast", "denoise-gray"]),
        ("color", ["denoise-color-fast", "denoise-color"]),
        ("jpeg", ["dejpeg-fast", "dejpeg"]),
        ("rain", ["derain", "derain-best"]),
        ("microscopy", []),
    ],
)
def test_models_for_one_task(cache, timed, task, expected):
    ended = command("models", "--task", task)
    assert ended.status == 0 and names(ended.out) == expected
    assert [model["purpose"] for model in command("models", "--task", task, "--json").json["models"]] == [
        task for _ in expected
    ]
    if not expected:
        assert ended.out.strip().endswith("is for microscopy; clearer fit microscopy trains one on your images")


def test_an_unknown_task_is_refused(cache):
    ended = command("models", "--task", "rains")
    known = "photo, gray, color, jpeg, rain, microscopy"
    assert ended.status == 2 and f"--task: 'rains' is not one of {known} (did you mean 'rain'?)" in ended.err


def test_models_as_json_states_where_each_is(cache):
    stated = command("models", "--all", "--json", "--no-measure").json["models"]
    assert [model["name"] for model in stated] == [model["name"] for model in clearer.models()]
    for model in stated:
        assert Path(model["file"]).is_file() and model["source"] in ("package", "checkout")
        assert model["seconds_per_megapixel"] is None
    offered = command("models", "--json", "--no-measure").json["models"]
    assert [model["name"] for model in offered] == sorted(OFFERED)


def test_each_model_is_timed_once(cache, timed):
    first = command("models", "--json")
    assert timed == TIMED
    assert f"timing {len(TIMED)} model(s) on this machine, once; --no-measure omits it" in first.err
    assert [model["seconds_per_megapixel"] for model in first.json["models"]] == [1.25] * len(OFFERED)
    later = command("models")
    assert later.out.count(" 1.25 ") == len(OFFERED) and timed == TIMED and later.err == ""
    command("models", "--all")
    # The others share their networks with models that were timed.
    others = set(timed[len(TIMED) :])
    assert "derain-searched" in others and len(others & {"denoise-gray-30", "denoise-gray-50", "denoise-gray-70"}) == 1
    assert len(others) == len(timed) - len(TIMED) and not others & set(OFFERED)
    again = command("models", "--measure")
    assert again.out.count(" 1.25 ") == len(OFFERED) and timed[-len(TIMED) :] == TIMED
    speed = Speed(1.25, "cpu", "fp32")
    digest = clearer.load("denoise-gray-fast", "cpu").architecture.digest
    assert remembered_speeds()[digest] == speed and speed_file() == cache / "clearer" / "speed.json"


def test_times_of_a_busy_machine_are_marked(cache, monkeypatch):
    monkeypatch.setattr(
        "clearer.pipeline.speed.measure_speed", lambda name: Speed(1.25, "cpu", "fp32", name == "derain")
    )
    line = "~: timed while other programs kept this machine busy; clearer models --measure"
    for ended in (command("models"), command("models", "--no-measure")):
        assert ended.out.count(" 1.25 ") == len(OFFERED) - 1 and ended.out.count(" ~1.25 ") == 1
        assert ended.out.splitlines()[-2] == line
        assert max(map(len, ended.out.splitlines())) <= 80
    assert line not in command("models", "--task", "gray").out


@pytest.mark.parametrize("share", [0.0, 0.62])
def test_a_time_tells_whether_other_programs_were_busy(monkeypatch, share):
    from clearer.pipeline import speed

    monkeypatch.setattr(speed, "SIDE", 32)
    monkeypatch.setattr(Watch, "share", lambda self: share)
    found = speed.measure_speed("denoise-gray")
    assert found.busy == (share > 0.5 and found.device == "cpu")


def test_a_model_that_cannot_be_timed_is_a_note(cache, monkeypatch):
    def fails(name: str) -> Speed:
        raise UserError(f"{name}: needs more memory than is free; close other programs")

    monkeypatch.setattr("clearer.pipeline.speed.measure_speed", fails)
    ended = command("models")
    assert ended.status == 0 and names(ended.out) == OFFERED
    assert "clearer: note: derain: needs more memory" in ended.err


def test_the_speed_of_a_model_depends_on_its_network_and_its_precision():
    architecture = Architecture.parse("P-F", width=4)
    assert speed_key(architecture, False) == architecture.digest != speed_key(architecture, True)


def test_a_model_is_chosen_for_a_file_and_said_why(tmp_path):
    photo = read_image(SHIPPED / "coffee.png", 3)[:320, :448]
    noise = np.random.default_rng(0).normal(0, 20, photo.shape)
    noisy = (photo + noise).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "color.png")
    Image.fromarray(noisy[:, :, 1]).save(tmp_path / "gray.png")
    Image.fromarray(photo).save(tmp_path / "blocks.jpg", quality=20)
    Image.fromarray(photo).save(tmp_path / "clean.png")
    expected = {
        "color.png": ("denoise-color", "denoise-color: color image, noise of about "),
        "gray.png": ("denoise-gray", "denoise-gray: gray image, noise of about "),
        "blocks.jpg": ("dejpeg", "dejpeg: color image, JPEG compression of quality 20"),
        "clean.png": (None, "nothing to do: color image, nearly no noise"),
    }
    for file, (model, line) in expected.items():
        ended = command("models", "--for", tmp_path / file, "--json")
        assert ended.json["model"] == model and ended.err.startswith(line), ended.err
        assert len(ended.err.splitlines()) == 1
    found = command("models", "--for", tmp_path / "gray.png", "--json").json
    assert found["gray"] and 17 < found["level"] < 22


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (".", ".: a folder; name one image"),
        ("-", "standard input: cannot be looked at before it is restored; name one image"),
        ("/dev/null", "/dev/null: no regular file; name one image"),
        ("missing.png", "missing.png: no such file; check the path"),
    ],
)
def test_what_is_no_image_file_is_named(tmp_path, monkeypatch, file, says):
    monkeypatch.chdir(tmp_path)
    ended = command("models", "--for", file)
    assert ended.status == 2 and ended.err == f"clearer: {says}\n" and ended.out == ""


def test_levels_that_cannot_be_judged_name_the_verb_that_takes_a_range(tmp_path):
    tifffile.imwrite(tmp_path / "far.tif", np.linspace(0, 4000, 576, dtype=np.float32).reshape(24, 24))
    ended = command("models", "--for", tmp_path / "far.tif")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        f"clearer: {tmp_path / 'far.tif'}: its floats reach from 0 to 4000, where 0 is taken as black and 1 as white; "
        "rescale them, or state both to clearer restore auto with --range LOW,HIGH, such as 0,4095\n"
    )


@pytest.mark.parametrize(
    "beside", [["--task", "rain"], ["--all"], ["--measure"], ["--no-measure"], ["--task", "gray", "--all"]]
)
def test_options_of_the_list_are_refused_beside_an_image(beside):
    ended = command("models", "--for", SHIPPED / "coffee.png", *beside)
    named = ", ".join(one for one in beside if one.startswith("--"))
    assert ended.status == 2 and ended.out == ""
    assert ended.err == f"clearer: --for: names one model and lists none; leave {named} out\n"


def test_the_last_line_keeps_the_task(cache, timed):
    for task, count in (("rain", 2), ("gray", 8)):
        last = command("models", "--task", task).out.splitlines()[-1]
        assert last == f"{count} more, of the paper and former ones: clearer models --all --task {task}"
    assert "more, of the paper" not in command("models", "--task", "rain", "--all").out


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
    assert command("models", "--no-measure").status == 0


def test_times_that_cannot_be_remembered_are_a_note(cache, timed):
    cache.write_text("a file where the folder should be")
    ended = command("models")
    lines = ended.err.splitlines()
    assert ended.status == 0 and len(lines) == 2 and lines[1].startswith("clearer: note: ")
    assert ended.out.count(" 1.25 ") == len(OFFERED)


def test_a_model_is_timed_in_the_precision_of_8_bits(monkeypatch):
    from clearer.pipeline import speed

    monkeypatch.setattr(speed, "SIDE", 64)
    for name in ("denoise-gray", "denoise-photo"):
        found = speed.measure_speed(name)
        assert found.seconds > 0 and found.device and found.precision == clearer.load(name).at_depth("8").precision
