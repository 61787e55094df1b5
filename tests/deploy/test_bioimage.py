"""Packages of the BioImage Model Zoo: what they state is what the network does, and the zoo's own test passes."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import yaml
from PIL import Image

import clearer
from clearer.deploy import bioimage_samples
from clearer.deploy.bioimage_samples import dtype_of, sample_files, subject
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command

needs_bioimageio = pytest.mark.skipif(
    importlib.util.find_spec("bioimageio") is None, reason="needs bioimageio.core; pip install 'clearer[bioimageio]'"
)
KINDS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "microscope": (1, "none", {"task": "denoise", "range": [100, 4095], "license": "CC-BY-4.0", "name": "cells@1"}),
    "gray": (1, "level", {"task": "denoise", "license": "Apache-2.0 (the images have terms of their own)"}),
    "color": (3, "none", {"description": "RGB images", "data": "400 photographs"}),
}


@pytest.fixture(scope="module", params=list(KINDS))
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package as the command line writes it, beside its weight file ``net.safetensors``."""
    channels, condition, card = KINDS[request.param]
    torch.manual_seed(1)
    form: dict[str, Any] = {"channels": channels, "width": 4, "condition": condition, "residual": True, "norm": "none"}
    network = RestorationNetwork(Architecture.parse("P-F", **form))
    torch.nn.init.normal_(network.get_parameter("last.weight"), std=0.05)
    place = tmp_path_factory.mktemp(request.param)
    save_weights(place / "net.safetensors", network, card)
    ended = command("export", place / "net.safetensors", "--bioimageio", place / "net.zip", "--json")
    assert ended.status == 0, ended.err
    return place / "net.zip"


def content(package: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the description and the files of a package."""
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return yaml.safe_load(files["rdf.yaml"]), files


def scaled(values: np.ndarray, steps: list[dict[str, Any]]) -> np.ndarray:
    """Apply the steps of a description."""
    for step in steps:
        given = step["kwargs"]
        if step["id"] == "scale_linear":
            values = values * np.float32(given["gain"]) + np.float32(given["offset"])
        elif step["id"] == "clip":
            values = values.clip(given["min"], given["max"])
        else:
            values = values.astype(given["dtype"])
    return values


@pytest.mark.slow
def test_the_description_leads_from_the_test_input_to_what_clearer_restores(package: Path) -> None:
    import onnxruntime

    stated, files = content(package)
    tensors = {one: np.load(io.BytesIO(files[f"test_{one}.npy"])) for one in ("input", "output")}
    image, *level = stated["inputs"]
    given = {"image": scaled(tensors["input"], image["preprocessing"])}
    if level:
        sigma = np.load(io.BytesIO(files["test_level.npy"]))
        given["level"] = scaled(sigma, level[0]["preprocessing"]).astype(np.float32)
    (restored,) = onnxruntime.InferenceSession(files["model.onnx"]).run(["restored"], given)
    (output,) = stated["outputs"]
    assert np.allclose(scaled(restored, output["postprocessing"]), tensors["output"], atol=0.05)
    restorer = clearer.load(package.with_name("net.safetensors"), "cpu", "fp32")
    low, high = image["data"]["range"]
    assert (low, high) == (restorer.card.span or (0, 255)) and tensors["input"].dtype == image["data"]["type"]
    noise = {"level": float(sigma[0, 0, 0, 0]) / (high - low) * 255} if level else {}
    pixels = np.moveaxis(tensors["input"][0], 0, -1)
    whole = restorer.restore(pixels.squeeze(), tile="none", range=(low, high), **noise)
    assert np.abs(np.moveaxis(tensors["output"][0], 0, -1).squeeze() - whole).max() <= 0.51  # whole is rounded
    assert np.abs(whole.astype(int) - pixels.squeeze()).mean() > 0.002 * (high - low)


@pytest.mark.slow
def test_sizes_halo_and_facts_are_those_of_the_network(package: Path) -> None:
    stated, files = content(package)
    restorer = clearer.load(package.with_name("net.safetensors"), "cpu", "fp32")
    y, x = (axis for axis in stated["inputs"][0]["axes"] if axis["type"] == "space")
    step, halo = restorer.architecture.multiple, stated["outputs"][0]["axes"][-1]["halo"]
    assert y["size"] == x["size"] and y["size"]["step"] == step and halo % step == 0
    assert y["size"]["min"] % step == 0 and y["size"]["min"] > 2 * halo
    side = np.load(io.BytesIO(files["test_input.npy"])).shape[-1]
    assert (side - y["size"]["min"]) % step == 0
    assert set(stated["covers"]) <= set(files) and Image.open(io.BytesIO(files["cover.png"])).size == (side, side)
    license = (restorer.card.license or "").split(" ")[0]
    assert stated.get("license", "") == license and stated["config"]["clearer"]["training_data"]
    assert "@" not in stated["name"] and "## Validation" in files["README.md"].decode()
    assert subject(restorer.card, restorer.channels) in files["README.md"].decode()
    for side, name in ((stated["inputs"][0], "sample_input"), (stated["outputs"][0], "sample_output")):
        assert side["sample_tensor"]["source"].startswith(name) and side["sample_tensor"]["source"] in files


SAMPLES: dict[str, tuple[int, dict[str, Any], str]] = {
    "noise": (3, {"task": "denoise"}, "coffee"),
    "gray": (1, {}, "coffee"),
    "jpeg": (3, {"task": "dejpeg"}, "quality 20"),
    "rain": (3, {"task": "derain"}, "rain"),
    "microscope": (1, {"task": "denoise", "range": [100, 4095]}, "cell"),
    "floats": (1, {"range": [-1, 1]}, "cell"),
}


@pytest.mark.parametrize("side", [40, 344])  # a part of the image, and more than there is
@pytest.mark.parametrize("kind", SAMPLES)
def test_samples_show_a_real_image_as_the_tensors_hold_it(kind: str, side: int) -> None:
    channels, card, words = SAMPLES[kind]
    torch.manual_seed(1)
    network = RestorationNetwork(Architecture.parse("P", width=2, channels=channels, residual=True, norm="none"))
    restorer = Restorer(network, card, device="cpu")
    files = sample_files(restorer, side)
    assert words in subject(restorer.card, channels) and "CC0" in subject(restorer.card, channels)
    before, after = (np.load(io.BytesIO(files[f"test_{one}.npy"])) for one in ("input", "output"))
    assert before.shape == after.shape == (1, channels, side, side)
    for tensor, name in ((before, "sample_input"), (after, "sample_output")):
        if before.dtype == np.uint8:
            shown = np.asarray(Image.open(io.BytesIO(files[f"{name}.png"])))
            shown = np.moveaxis(shown.reshape(side, side, channels), -1, 0)
        else:
            shown = tifffile.imread(io.BytesIO(files[f"{name}.tif"]))[None]
        wanted = np.rint(tensor[0]) if before.dtype.kind == "u" else tensor[0]
        assert shown.dtype == before.dtype and np.array_equal(shown, wanted)
    cover = Image.open(io.BytesIO(files["cover.png"]))
    assert cover.size == (side, side) and cover.mode == ("L" if channels == 1 else "RGB")
    low, high = restorer.card.span or (0, 255)
    clean = np.moveaxis(bioimage_samples._clean(restorer.card, channels, side), -1, 0) / 255
    off = (before[0].astype(float) - low) / (high - low) - clean
    if kind == "rain":  # streaks add light
        assert off.mean() > 0.005 and np.mean(off < -1 / 255) < 0.01
    else:
        assert (0.01 if kind == "jpeg" else 0.08) < off.std() < 0.11 and abs(off.mean()) < 0.02
    assert sample_files(restorer, side) == files


TEST = """
import sys
from bioimageio.core import test_model
found = test_model(sys.argv[1])
print([error.msg for detail in found.details for error in detail.errors])
sys.exit(found.status != "passed")
"""


@needs_bioimageio
@pytest.mark.slow
def test_the_test_of_the_zoo_passes(package: Path) -> None:
    done = subprocess.run([sys.executable, "-c", TEST, str(package)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize(("name", "fault"), [("a.yaml", "must end in .zip"), ("folder.zip", "a folder")])
def test_a_wrong_name_ends_in_one_line(name: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    ended = command("export", "denoise-gray", "--bioimageio", tmp_path / name)
    assert ended.status == 2 and fault in ended.err and ended.err.count("\n") == 1, ended.err


@pytest.mark.parametrize(
    ("levels", "dtype"),
    [
        (None, "uint8"), ([0, 255], "uint8"), ([0, 4095], "uint16"), ([100, 65535], "uint16"), ([0, 1], "float32"),
        ([0, 4095.5], "float32"), ([-1024, 3071], "float32"), ([0, 100000], "float32"),
    ],
)  # fmt: skip
def test_the_type_of_test_images_holds_all_levels_of_the_model(levels: list[float] | None, dtype: str) -> None:
    assert dtype_of(ModelCard.from_dict({} if levels is None else {"range": levels})) == dtype
