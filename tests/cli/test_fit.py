"""Verbs fit, search, train: stages, resumption, explicit splits, --show."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

import clearer
from helpers.command import clearer as command
from helpers.command import settings
from helpers.photos import write_photos
from helpers.recipes import TINY


@pytest.mark.slow
def test_a_finished_fit_is_not_done_again(run, photos):
    before = (run / "model.safetensors").stat().st_mtime_ns
    ended = command("fit", "quickstart", "--data", photos, "-o", run, *settings(TINY))
    assert ended.status == 0, ended.err
    assert (run / "model.safetensors").stat().st_mtime_ns == before
    assert "gray-awgn-50" in ended.out


@pytest.mark.slow
def test_weights_and_samples_that_were_deleted_are_written_again(run, photos, tmp_path):
    """From the last checkpoint; the weights are those of the run, and everything that follows from them is made."""
    again = shutil.copytree(run, tmp_path / "run")
    (again / "model.safetensors").unlink()
    shutil.rmtree(again / "samples")
    ended = command("fit", "quickstart", "--data", photos, "-o", again, *settings(TINY))
    assert ended.status == 0 and "model.safetensors: missing; " in ended.out + ended.err
    mine, whole = (load_file(folder / "model.safetensors") for folder in (again, run))
    assert mine.keys() == whole.keys() and all(np.array_equal(mine[key], whole[key]) for key in whole)
    assert sorted(p.name for p in (again / "samples").iterdir()) == sorted(p.name for p in (run / "samples").iterdir())


@pytest.mark.slow
def test_search_and_train_are_the_parts_of_fit(run, photos, tmp_path):
    options = ["quickstart", "--data", photos, "-o", tmp_path / "run", "--json", *settings(TINY)]
    assert "train" not in (searched := command("search", *options)).json, searched.err
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert command("train", *options).json["architecture"] == searched.json["architecture"]
    for name in ("model.safetensors", "last.safetensors"):
        mine, whole = (load_file(folder / name) for folder in (tmp_path / "run", run))
        assert mine.keys() == whole.keys() and all(np.array_equal(mine[key], whole[key]) for key in whole)


@pytest.mark.slow
def test_train_takes_an_architecture_by_hand_and_an_explicit_split(tmp_path):
    names = ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg", "moon.png")
    for part, few in (("train", names[:4]), ("validation", names[4:5]), ("test", names[5:])):
        write_photos(tmp_path / part, few)
    parts = [x for part in ("train", "validation", "test") for x in (f"--{part}", tmp_path / part)]
    out = tmp_path / "run"
    ended = command("train", "quickstart", *parts, "-o", out, "--architecture", "FP", "--json", *settings(TINY))
    assert (ended.json["architecture"], ended.json["protocols"]["gray-awgn-50"]["images"]) == ("FP", 1)
    assert not (out / "search").exists()


@pytest.mark.parametrize(
    "given", [["quickstart", "--architecture", "PF-FP"], ["--set", "architecture=FP"], ["denoise-gray-fast"]]
)
def test_a_search_alone_of_a_given_architecture_is_refused(given, photos, tmp_path):
    ended = command("search", *given, "--data", photos, "-o", tmp_path / "run")
    assert ended.status == 2 and "there is nothing to search; use 'clearer train'" in ended.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [["noisy", "--noisy"], ["--noisy"], ["noisy", "--data"]])
def test_a_search_of_noisy_images_alone_is_refused(given, photos, tmp_path):
    ended = command("search", *given, photos, "-o", tmp_path / "run")
    assert ended.status == 2 and ended.err.count("\n") == 1
    assert "no ground truth, which the search needs; use 'clearer train', which trains FPFF-FFFF" in ended.err
    assert not (tmp_path / "run").exists()


def test_show_prints_a_recipe_that_reads_back(tmp_path):
    ended = command("fit", "derain", "--show", "--clean", "a", "--degraded", "b", "--set", "train.epochs=7")
    path = tmp_path / "mine.yaml"
    path.write_text(ended.out)
    recipe = clearer.load_recipe(path)
    assert recipe.train.epochs == 7
    assert recipe.to_dict()["data"]["folder"] == {"clean": "a", "degraded": "b"}
    # Options replace all images that a recipe names.
    shown = command("search", path, "--show", "--json", "--train", "x", "--test", "y").json["data"]
    assert [shown[key] for key in ("folder", "train", "validation", "test")] == [None, "x", None, "y"]
    assert command("fit", path, "--show", "--json", "--test", "y").json["data"]["folder"]["clean"] == "a"
