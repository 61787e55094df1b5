"""Verb restore: a file, a folder, tiles, rows, a broken file among others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import clearer
from clearer.network.receptive_field import receptive_field
from helpers.command import clearer as command
from helpers.photos import photograph


def test_restore_an_image_and_a_folder(run, photos, tmp_path):
    assert command("restore", run, photos / "moon.png", "-o", tmp_path / "one.png").status == 0
    ended = command("restore", run / "model.safetensors", photos, "-o", tmp_path / "all", "--json")
    names = sorted(path.name for path in photos.iterdir())
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == names
    assert [Path(path).name for path in ended.json["written"]] == names
    one, moon = (np.asarray(Image.open(path)) for path in (tmp_path / "one.png", tmp_path / "all" / "moon.png"))
    assert np.array_equal(one, moon)
    assert np.array_equal(one, clearer.load(run).restore(photograph("moon.png")[..., 0]))
    ensemble = command("restore", run, photos / "moon.png", "-o", tmp_path, "--ensemble", "--json").json
    assert ensemble["written"] == [str(tmp_path / "moon.png")]
    assert not np.array_equal(one, np.asarray(Image.open(tmp_path / "moon.png")))


def test_restore_in_tiles_and_by_rows(run, photos, tmp_path, monkeypatch):
    whole, tiled = tmp_path / "whole.png", tmp_path / "tiled.png"
    assert command("restore", run, photos / "moon.png", "-o", whole, "--tile", "none").status == 0
    ended = command("restore", run, photos / "moon.png", "-o", tiled, "--tile", "32", "--overlap", "full", "--json")
    assert (ended.json["tile"], ended.json["overlap"]) == (32, receptive_field(clearer.load(run).architecture))
    expected = np.asarray(Image.open(whole)).astype(int)
    assert np.abs(np.asarray(Image.open(tiled)) - expected).max() <= 1
    monkeypatch.setattr("clearer.inference.large_tiff.LARGE", 80 * 80)
    monkeypatch.setattr("clearer.inference.files.read_file", None)  # it may not be read whole
    Image.open(photos / "moon.png").save(tmp_path / "moon.tif")
    assert command("restore", run, tmp_path / "moon.tif", "-o", tmp_path / "by-rows.tif").status == 0
    assert np.abs(np.asarray(Image.open(tmp_path / "by-rows.tif")) - expected).max() <= 1


def test_a_torn_image_in_a_folder_is_reported_and_the_rest_goes_on(place):
    ended = command("restore", "gray.safetensors", "torn", "-o", "restored")
    assert ended.status == 1 and "torn/zebra.jpg" in ended.err and ended.err.count("\n") == 1
    for path in (place / "restored").iterdir():
        assert np.asarray(Image.open(path)).shape == (80, 80)
