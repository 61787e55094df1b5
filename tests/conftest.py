"""What several tests share: photographs cut small, and settings that make a run take a second or two."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
import torch
from hypothesis import settings
from PIL import Image

from clearer.images.uint8 import read_image

# One thread: the images are small, and a test may not depend on how busy the other cores are.
os.environ["OMP_NUM_THREADS"] = "1"  # for processes that tests start
torch.set_num_threads(1)

# Nothing about a deadline: a busy machine is no fault of the code.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

SHIPPED = Path(skimage.__file__).parent / "data"
NAMES = ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "moon.png")

TINY: dict[str, Any] = {
    "precision": "fp32",
    "network.width": 4,
    "network.scales": 2,
    "network.modules_per_cell": 2,
    "search.epochs": 3,
    "search.steps_per_epoch": 3,
    "search.warmup_epochs": 1,
    "search.batch": 2,
    "search.patch": 16,
    "train.epochs": 4,
    "train.steps_per_epoch": 3,
    "train.batch": 2,
    "train.patch": 16,
    "train.validate_every": 2,
    "checkpoint_minutes": 1e-6,
    "evaluate.samples": 1,
}
"""Overrides for any recipe of one channel; a checkpoint is written after every step."""


def photograph(name: str, side: int = 80) -> np.ndarray:
    """Return a gray cut (side, side, 1) of a photograph that scikit-image ships."""
    image = read_image(SHIPPED / name, 1)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def write_photos(folder: Path, names: tuple[str, ...] = NAMES, side: int = 80) -> Path:
    """Write gray photographs as PNG files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(photograph(name, side)[..., 0]).save(folder / f"{Path(name).stem}.png")
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven different gray photographs, 80x80."""
    return write_photos(tmp_path_factory.mktemp("images") / "photos")


@pytest.fixture
def tiny() -> dict[str, Any]:
    """A copy of TINY."""
    return dict(TINY)
