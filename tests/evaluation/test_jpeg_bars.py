"""JPEG on Classic5 measures what is published, with the images that CLEARER_SHARED names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from clearer.data.folders import list_images
from clearer.evaluation.protocols import parse_protocol
from clearer.images.view import read_image

PUBLISHED = {10: 27.82, 20: 30.12, 40: 32.43}  # dB


@pytest.mark.skipif("CLEARER_SHARED" not in os.environ, reason="CLEARER_SHARED names no folder with test images")
def test_jpeg_of_classic5_has_its_published_psnr() -> None:
    images = [read_image(path, 1) for path in list_images(Path(os.environ["CLEARER_SHARED"]) / "data" / "classic5")]
    for quality, expected in PUBLISHED.items():
        degradation = parse_protocol(f"jpeg-gray-{quality}").degradation
        errors = [
            np.mean((degradation.degrade_image(image, 0, k) - image / 255) ** 2) for k, image in enumerate(images)
        ]
        assert np.mean(-10 * np.log10(errors)) == pytest.approx(expected, abs=0.01)
