"""Verbs without the optional packages that they need: one line that names the extra to install."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.command import clearer as command
from helpers.command import settings
from helpers.photos import photograph
from helpers.recipes import TINY

CASES = {
    "web": (("gradio",), ["web", "--port", "0"]),
    "onnx": (("onnx", "onnxscript"), ["export", "denoise-gray", "--onnx", "a.onnx"]),
    "onnx to run": (("onnxruntime",), ["restore", "a.onnx", "gray.png", "-o", "b.png"]),
    "onnx to time": (("onnxscript",), ["latency", "denoise-gray", "--runtime", "onnxruntime", "--at", "8x8"]),
    "openvino": (("openvino",), ["latency", "denoise-gray", "--runtime", "openvino", "--at", "8x8"]),
    "video": (("av",), ["restore", "denoise-gray", "a.mp4", "-o", "b.mp4"]),
    "heif": (("pillow_heif",), ["restore", "denoise-gray", "gray.heic", "-o", "b.png"]),
    "heif to write": (("pillow_heif",), ["restore", "denoise-gray", "gray.png", "-o", "b.heic"]),
    "classical": (("bm3d",), ["reproduce", "tables", "--classical", "bm3d", "--bsd500", "photos"]),
    "classical by scikit-image": (("skimage", "skimage.restoration"), ["reproduce", "tables", "--classical", "tv"]),
    "tensorboard": (
        ("tensorboard", "torch.utils.tensorboard"),
        ["fit", "quickstart", "--data", "photos", "--tensorboard", *settings(TINY)],
    ),
    "quickstart": (("skimage",), ["quickstart"]),
    "optuna": (
        ("optuna",),
        ["search", "denoise-gray", "--data", "photos", "--budget", "2kmac", "--sampler", "tpe", "-o", "run"],
    ),
    "zarr": (("zarr",), ["restore", "denoise-gray", "a.zarr", "-o", "b.zarr"]),
    "remote": (
        ("fsspec", "fsspec.core"),
        ["restore", "denoise-gray", "--manifest", "list.txt", "-o", "s3://bucket/out"],
    ),
    "remote for OME-Zarr": (("fsspec", "fsspec.core"), ["restore", "denoise-gray", "s3://lab/a.zarr", "-o", "b.zarr"]),
    "remote for an OME-Zarr output": (
        ("fsspec", "fsspec.core"),
        ["restore", "denoise-gray", "a.zarr", "-o", "s3://lab/b.zarr"],
    ),
    "ray": (("ray",), ["restore", "denoise-gray", "photos", "-o", "out", "--distributor", "ray"]),
    "onnx for a package of BioImage.IO": (
        ("onnx", "onnxscript"),
        ["export", "denoise-gray", "--bioimageio", "a.zip"],
    ),
}
"""Extra (its first word): the packages that are hidden, and a command that needs them."""

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"  # what a HEIC file begins with


@pytest.fixture
def here(tmp_path, photos, monkeypatch) -> Path:
    """A folder with an image of each kind to stand in."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph("moon.png")[..., 0]).save("gray.png")
    Path("gray.heic").write_bytes(HEIC + bytes(64))
    Path("a.mp4").write_bytes(bytes(64))
    Path("a.onnx").write_bytes(bytes(64))
    Path("photos").symlink_to(photos)
    Path("list.txt").write_text("gray.png\n")
    zarr = Path("a.zarr")
    zarr.mkdir()
    (zarr / ".zgroup").write_text('{"zarr_format": 2}')
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}
    scales = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": [scale]}]}
    (zarr / ".zattrs").write_text(json.dumps(scales))
    (zarr / "0").mkdir()
    (zarr / "0" / ".zarray").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_a_verb_without_its_extra_ends_in_one_line(here, monkeypatch, name):
    hidden, arguments = CASES[name]
    find = importlib.util.find_spec
    for package in hidden:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n in hidden else find(n, *a))
    ended = command(*arguments)
    extra = name.split()[0]
    assert ended.status == 2, ended
    assert ended.err.startswith("clearer: ") and ended.err.count("\n") == 1, ended.err
    assert f"pip install 'clearer[{extra}]'" in ended.err


def test_images_need_no_extra(here):
    ended = command("restore", "denoise-gray", "gray.png", "-o", "b.png")
    assert ended.status == 0 and np.asarray(Image.open("b.png")).shape == (80, 80)
