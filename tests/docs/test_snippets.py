"""The Python of docs/restoring.md and docs/deploying.md, on a small image and a small network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import clearer
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights

DOCS = Path(__file__).parents[2] / "docs"


def snippets(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A gray image, in a folder with the run ``runs/denoise`` and ``other-photos``; the run takes a noise level."""
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture.parse("PP", width=2, channels=1, norm="none", condition="level"))
    (tmp_path / "runs" / "denoise").mkdir(parents=True)
    (tmp_path / "other-photos").mkdir()
    save_weights(tmp_path / "runs" / "denoise" / "model.safetensors", network, {"task": "denoise"})
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "other-photos" / "a.png")
    monkeypatch.chdir(tmp_path)
    return pixels


@pytest.mark.tutorial
def test_the_python_of_restoring(image: np.ndarray) -> None:
    found = snippets("restoring.md")
    assert len(found) == 2
    for text in found:
        names: dict[str, Any] = {"image": image, "level": np.full(image.shape, 12, np.float32)}
        exec(compile(text, "restoring.md", "exec"), names)
        assert names["clean"].shape == image.shape and names["clean"].dtype == np.uint8


@pytest.mark.tutorial
def test_the_python_of_deploying(image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, hub = snippets("deploying.md")
    clearer.export("runs/denoise", onnx="denoise.onnx")
    planes = (image / np.float32(255))[None, None]
    names: dict[str, Any] = {"image": planes}
    exec(compile(runtime, "deploying.md", "exec"), names)
    expected = clearer.load("runs/denoise", "cpu", "fp32").restore(planes[0, 0], level=12)
    assert np.abs(names["restored"][0, 0].clip(0, 1) - expected).max() < 1e-4
    # Nothing is uploaded: the folder that was just written stands for the one on the Hub.
    monkeypatch.setattr(clearer.Restorer, "push_to_hub", lambda *_, **__: None)
    names = {}
    exec(compile(hub.replace('from_pretrained("someone/denoise")', 'from_pretrained("denoise")'), "hub", "exec"), names)
    assert names["restorer"].channels == 1 and Path("denoise", "config.json").is_file()
