"""A tiny model and a folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.networks import write_identity
from helpers.photos import write_photos


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A working directory with model.safetensors and the folder photos: seven images, two of them in a sub-folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_identity(tmp_path / "model.safetensors")  # outputs of different images must differ
    write_photos(tmp_path / "photos", ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg"), 40)
    write_photos(tmp_path / "photos" / "night", ("moon.png", "motorcycle_left.png"), 40)
    return tmp_path


@pytest.fixture
def memory(desk) -> Iterator[Any]:
    """The file system memory:// without files."""
    system = pytest.importorskip("fsspec").filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]
