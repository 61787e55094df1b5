"""A small finished run, and a folder of bad input to stand in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command
from helpers.command import settings
from helpers.photos import photograph, write_photos
from helpers.recipes import TINY


@pytest.fixture(scope="session")
def run(tmp_path_factory, photos) -> Path:
    """A run of `clearer fit quickstart` with tiny settings."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    ended = command("fit", "quickstart", "--data", photos, "-o", folder, "--json", *settings(TINY))
    assert ended.status == 0, ended.err
    assert ended.json["architecture"] == json.loads((folder / "architecture.json").read_text())["architecture"]
    assert ended.json["parameters"] > 0 and ended.json["protocols"]["gray-awgn-50"]["images"] >= 1
    assert ended.json["protocols"]["gray-awgn-50"]["precision"] == "fp32"
    return folder


@pytest.fixture(scope="session")
def bad_input(tmp_path_factory) -> Path:
    """A folder with all kinds of bad input in it."""
    here = tmp_path_factory.mktemp("bad") / "input"
    for name in ("photos", "torn", "small", "mixed", "clean", "degraded"):
        write_photos(here / name)
    write_photos(here / "few", ("moon.png",))
    (here / "empty").mkdir()
    gray, red = photograph("moon.png")[..., 0], np.zeros((80, 80, 3), np.uint8) + np.uint8([200, 30, 30])
    Image.fromarray(gray).save(here / "gray.png")
    Image.fromarray(gray).save(here / "cut.jpg", quality=95)
    Image.fromarray(red).save(here / "red.png")
    Image.fromarray(red).save(here / "mixed" / "red.png")
    Image.fromarray(gray[:12, :12]).save(here / "small" / "tiny.png")
    Image.fromarray(gray[:70]).save(here / "degraded" / "moon.png")
    for name, channels in (("gray", 1), ("cut", 1), ("color", 3)):
        network = RestorationNetwork(Architecture.parse("FP", width=2, channels=channels))
        save_weights(here / f"{name}.safetensors", network, {})
    save_file({"weight": np.zeros(3, np.float32)}, here / "foreign.safetensors")
    (here / "text.safetensors").write_text("not a weight file")
    (here / "recipe.yaml").write_text("network: {width: 4\n")
    for name in ("cut.jpg", "cut.safetensors"):
        whole = (here / name).read_bytes()
        (here / name).write_bytes(whole[: len(whole) // 2])
    shutil.copy(here / "cut.jpg", here / "torn" / "zebra.jpg")
    return here


@pytest.fixture
def place(bad_input, tmp_path, monkeypatch) -> Path:
    """A copy of it, to stand in."""
    shutil.copytree(bad_input, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"
