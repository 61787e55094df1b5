"""A tiny model and a folder of images, one of them torn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
from helpers.photos import write_photos


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A working directory with model.safetensors and the folder photos: seven images, two of them in a sub-folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture.parse("FP", width=2, channels=1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 0.1  # hardly changes the image
    save_weights("model.safetensors", network, {})
    write_photos(tmp_path / "photos", ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg"), 40)
    write_photos(tmp_path / "photos" / "night", ("moon.png", "motorcycle_left.png"), 40)
    return tmp_path
