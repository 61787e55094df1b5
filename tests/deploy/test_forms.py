"""Exported networks of every form of the space (U-nets, one scale, pixel unshuffle 4) against PyTorch, at any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import clearer
from clearer.deploy.onnx import export
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from helpers.networks import BLIND, plausible

pytestmark = pytest.mark.slow

FORMS = {
    "unet": "P-PF-S-F-P@channels=3,width=4:8:12,norm=batch,residual,unshuffle=2,condition=level,topology=unet",
    "one scale": "PSP@channels=1,width=8,norm=none,residual,unshuffle=4,condition=level,topology=unet",
    "streams": "S-FP@channels=1,width=4:4:6,norm=bias-free,residual,unshuffle=4",
}
"""Letters of every candidate; multiples of 8, 4 and 16 pixels."""


@dataclass(frozen=True)
class Exported:
    """A network, and what was read of the two files that were made from it."""

    restorer: Restorer
    onnx: Restorer
    program: Callable[..., torch.Tensor]


@pytest.fixture(scope="module", params=list(FORMS.values()), ids=list(FORMS))
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    architecture = Architecture.parse(request.param)
    network = plausible(architecture)
    torch.nn.init.normal_(network.get_parameter("last.weight"), std=0.02)
    restorer = Restorer(network, BLIND, device="cpu", precision="fp32")
    folder = tmp_path_factory.mktemp("form")
    reported = export(restorer, onnx=folder / "a.onnx", pt2=folder / "a.pt2")
    assert reported["onnx"]["largest_difference"] < 1e-4 and reported["pt2"]["largest_difference"] < 1e-4
    return Exported(restorer, clearer.load(folder / "a.onnx"), torch.export.load(folder / "a.pt2").module())


def image_and_level(architecture: Architecture, batch: int, height: int, width: int) -> tuple[torch.Tensor, ...]:
    """Return an image and a level that differs from pixel to pixel, as far as the network takes one."""
    chance = torch.Generator().manual_seed(100 * height + width)
    x = torch.rand(batch, architecture.channels, height, width, generator=chance)
    level = 0.3 * torch.rand(batch, 1, height, width, generator=chance)
    return (x, level) if architecture.takes_level else (x,)


@settings(deadline=None, max_examples=10, derandomize=True)
@given(batch=st.integers(1, 3), height=st.integers(1, 70), width=st.integers(1, 70))
@example(batch=1, height=1, width=1)
@example(batch=2, height=4, width=1)
@example(batch=1, height=3, width=40)
def test_both_files_agree_with_pytorch_at_any_size(files: Exported, batch: int, height: int, width: int) -> None:
    inputs = image_and_level(files.restorer.architecture, batch, height, width)
    with torch.no_grad():
        expected = files.restorer.network(*inputs)
        for run in (files.onnx.network, files.program):
            torch.testing.assert_close(run(*inputs), expected, rtol=1e-5, atol=2e-5)


def test_the_architecture_is_in_the_file(files: Exported) -> None:
    assert files.onnx.architecture == files.restorer.architecture
    assert files.onnx.architecture.text == files.restorer.architecture.text


def test_tiles_of_the_exported_network_equal_the_whole(files: Exported) -> None:
    exported, architecture = files.onnx, files.restorer.architecture
    x = np.random.default_rng(0).random((149, 331, architecture.channels), np.float32).squeeze()
    level: dict[str, Any] = {"level": 25.0} if architecture.takes_level else {}
    whole = files.restorer.restore(x, tile="none", **level)
    np.testing.assert_allclose(exported.restore(x, tile="none", **level), whole, atol=5e-5)
    np.testing.assert_allclose(exported.restore(x, tile=64, overlap="full", **level), whole, atol=5e-5)


def test_half_and_int8_take_a_unet(photos: Path, tmp_path: Path) -> None:
    network = plausible(Architecture.parse(FORMS["unet"].replace("channels=3", "channels=1")))
    torch.nn.init.normal_(network.get_parameter("last.weight"), std=0.02)
    restorer = Restorer(network, BLIND, device="cpu", precision="fp32")
    half = export(restorer, onnx=tmp_path / "h.onnx", half=True)["onnx"]
    assert 0 < half["largest_difference"] <= 1 / 255
    int8 = export(restorer, onnx=tmp_path / "q.onnx", int8=True, calibrate=photos)["onnx"]
    assert abs(int8["loss"]) < 1
    inputs = image_and_level(restorer.architecture, 1, 37, 51)
    assert (clearer.load(tmp_path / "q.onnx").network(*inputs) - network(*inputs)).abs().max() < 0.2
