"""Undeveloped raw files are refused in one line, by whatever reads a file; developed TIFF files are not."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from clearer.core.errors import UserError
from clearer.images.io import read_file, read_header


def tiff(photometric: int, below: int | None = None, **tags: bytes) -> bytes:
    """A TIFF of 4x4 gray levels; ``below``: photometric of an image of its SubIFDs."""
    file = io.BytesIO()
    extra = [(271, "s", 0, tags["make"], True)] if "make" in tags else []
    extra += [(50706, "B", 4, b"\1\4\0\0", True)] if "dng" in tags else []
    with tifffile.TiffWriter(file) as writer:
        image = np.full((4, 4, 3) if photometric == 34892 else (4, 4), 9, np.uint8)
        keys = {"metadata": None}
        writer.write(image, photometric=photometric, subifds=int(below is not None), extratags=extra, **keys)
        if below is not None:
            writer.write(image, photometric=below, **keys)
    return file.getvalue()


RAW = {
    "mosaic": (tiff(32803), "a mosaic of one color a pixel"),
    "mosaic below a preview": (tiff(1, 32803), "a mosaic of one color a pixel"),
    "nef": (tiff(1, 32803, make=b"NIKON CORPORATION"), "Nikon NEF"),
    "arw": (tiff(1, 32803, make=b"SONY"), "Sony ARW"),
    "dng": (tiff(1, 32803, dng=b""), "DNG"),
    "linear dng": (tiff(34892, dng=b""), "DNG"),
    "cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(99), "Canon CR2"),
    "cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "Canon CR3"),
    "raf": (b"FUJIFILMCCD-RAW 0201", "Fujifilm RAF"),
    "orf": (b"IIRO\x08\0\0\0" + bytes(20), "Olympus ORF"),
    "rw2": (b"IIU\0\x18\0\0\0" + bytes(20), "Panasonic RW2"),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_files_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    data, kind = RAW[name]
    path = tmp_path / "x.tif"
    path.write_bytes(data)
    for read in (read_file, read_header):
        with pytest.raises(UserError) as caught:
            read(path)
        assert str(caught.value) == (
            f"{path}: an undeveloped raw file ({kind}); develop it first, to TIFF or PNG of 16 bits"
        )


@pytest.mark.parametrize("data", [tiff(1), tiff(0, make=b"NIKON"), tiff(1, 1, make=b"SONY")])
def test_developed_files_of_the_same_cameras_are_read(data: bytes) -> None:
    assert read_file(data).pages[0].color.shape == (4, 4, 1)


def test_a_circle_of_images_ends() -> None:
    data = bytearray(tiff(1))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    with pytest.raises(UserError, match="in a circle"):
        read_file(bytes(data))
