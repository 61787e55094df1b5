"""Exported networks that take the noise level: a second input, estimated where it is not given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import clearer
from clearer.core.errors import UserError
from clearer.deploy.onnx import export
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.noise.level import estimate_level
from helpers.networks import plausible

pytestmark = pytest.mark.slow

CARD = {"task": "denoise", "degradation": {"kind": "gaussian", "sigma": [10.0, 50.0], "clip8": False}}


def told(channels: int = 1, unshuffle: int = 2) -> Restorer:
    torch.manual_seed(0)
    form = {"channels": channels, "unshuffle": unshuffle, "residual": True, "condition": "level"}
    network = plausible(Architecture.parse("F-P", width=4, **form))  # type: ignore[arg-type]
    torch.nn.init.normal_(network.get_parameter("last.weight"), std=0.02)
    return Restorer(network, CARD, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("told")
    found = export(told(), onnx=folder / "a.onnx", pt2=folder / "a.pt2")
    assert found["onnx"]["largest_difference"] < 1e-4 and found["pt2"]["largest_difference"] < 1e-4
    return folder


@pytest.mark.parametrize("size", [(1, 1, 37, 50), (3, 1, 8, 9), (2, 1, 64, 32)])
def test_runtimes_agree_with_and_without_a_level(files: Path, size: tuple[int, ...]) -> None:
    restorer, exported = told(), clearer.load(files / "a.onnx")
    x = torch.rand(size)
    for level in (None, 25.0, 80 * torch.rand(size)):
        torch.testing.assert_close(exported(x, level=level), restorer(x, level=level), atol=1e-4, rtol=0)
    program = torch.export.load(files / "a.pt2").module()
    torch.testing.assert_close(program(x, x / 4), restorer.network(x, x / 4), atol=1e-4, rtol=0)


def test_other_programs_see_two_inputs_of_open_sizes(files: Path) -> None:
    session = onnxruntime.InferenceSession(files / "a.onnx")
    found = {one.name: one.shape for one in session.get_inputs()}
    sizes = ["batch", 1, "height", "width"]
    assert found == {"image": sizes, "level": sizes}
    x = np.random.default_rng(0).random((1, 1, 21, 30), np.float32)
    (restored,) = session.run(["restored"], {"image": x, "level": np.full_like(x, 12 / 255)})
    expected = told().restore(torch.from_numpy(x), level=12.0)
    torch.testing.assert_close(torch.from_numpy(restored).clamp(0, 1), expected, atol=1e-4, rtol=0)
    noted = session.get_modelmeta().custom_metadata_map
    assert "sigma / 255" in noted["level"]


@pytest.mark.long
def test_half_and_int8_take_it_too(files: Path, photos: Path, tmp_path: Path) -> None:
    half = export(told(), onnx=tmp_path / "h.onnx", half=True)["onnx"]
    assert half["largest_difference"] <= 1 / 255
    int8 = export(told(), onnx=tmp_path / "q.onnx", int8=True, calibrate=photos)["onnx"]
    assert abs(int8["loss"]) < 1
    exported, x = clearer.load(tmp_path / "q.onnx"), torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(exported(x), exported(x, level=estimate_level(x) * 255))
    assert (exported(x, level=0) - exported(x, level=75)).abs().max() > 1e-3


def test_a_file_without_its_second_input_is_refused(files: Path, tmp_path: Path) -> None:
    model = onnx.load(files / "a.onnx")
    for one in model.graph.input:
        one.name = one.name.replace("level", "sigma")
    for node in model.graph.node:
        node.input[:] = [name.replace("level", "sigma") if name == "level" else name for name in node.input]
    onnx.save(model, tmp_path / "b.onnx")
    with pytest.raises(UserError, match=r"damaged metadata \(level is not a float input"):
        clearer.load(tmp_path / "b.onnx")
