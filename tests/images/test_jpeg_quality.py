"""The quality of JPEG files from their quantization tables."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from clearer.images.io import read_file, to_bytes
from clearer.images.jpeg_quality import quality_of


def saved(quality: int, format: str = "JPEG") -> bytes:
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(file, format, quality=quality)
    return file.getvalue()


@pytest.mark.parametrize("quality", [2, 10, 49, 50, 75, 90, 95, 100])
def test_the_quality_of_a_file_is_read_from_its_tables(quality: int) -> None:
    assert read_file(saved(quality), "a").pages[0].own["quality"] == quality


def test_other_formats_and_files_without_tables_have_none() -> None:
    assert "quality" not in read_file(saved(50, "PNG"), "a").pages[0].own
    assert quality_of({}) is None


def test_the_quality_read_is_not_the_one_written() -> None:
    again = to_bytes(read_file(saved(30), "a"), None)
    assert read_file(again, "b").pages[0].own["quality"] == 95
