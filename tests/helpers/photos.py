"""Small cuts of the photographs that scikit-image ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from clearer.images.view import read_image

SHIPPED = Path(skimage.__file__).parent / "data"
NAMES = ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "moon.png")


def photograph(name: str, side: int = 80) -> np.ndarray:
    """Return the gray center (side, side, 1) of a photograph that scikit-image ships."""
    image = read_image(SHIPPED / name, 1)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def write_photos(folder: Path, names: tuple[str, ...] = NAMES, side: int = 80) -> Path:
    """Write gray photographs as PNG files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(photograph(name, side)[..., 0]).save(folder / f"{Path(name).stem}.png")
    return folder
