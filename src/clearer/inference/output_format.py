"""The format of an output: what a file is written as, and how the output is called then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clearer.core.files import is_no_file
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.types import (
    FORMATS,
    HEAD,
    ImageFile,
    format_of_bytes,
    format_of_suffix,
    with_notes,
    without_becomes_png,
)
from clearer.inference.folder_files import VIDEO_SUFFIXES


def output_name(path: Path, format: str | None) -> str:
    """Return the name of the output file: that of the input, if its suffix fits the output's format."""
    if path.suffix.lower() in VIDEO_SUFFIXES or is_zarr(path):
        return path.name
    own = format_of_suffix(path)
    if format is not None:
        return path.name if own == format else f"{path.stem}{FORMATS[format].suffixes[0]}"
    found = written_format(path)
    if own == found or holds(path.suffix, found):
        return path.name
    # The name keeps the old suffix, so that it cannot equal that of another file in the folder.
    return f"{path.name}{FORMATS[found].suffixes[0]}"


def holds(suffix: str, format: str) -> bool:
    """Return whether a file of this suffix may hold a format of Netpbm: readers of PPM read PGM and PBM too."""
    return format in {".pgm": ("PBM",), ".ppm": ("PBM", "PGM"), ".pnm": ("PBM", "PGM", "PPM")}.get(suffix.lower(), ())


def written_format(path: Path) -> str:
    """Return the format that a file is written in again, by its content; PNG, if its own is not written."""
    if is_no_file(path):
        return format_of_suffix(path) or "PNG"
    try:
        with path.open("rb") as file:
            return format_of_bytes(file.read(HEAD)) or "PNG"
    except OSError:  # the reader reports it
        return format_of_suffix(path) or "PNG"


def with_format_notes(restored: ImageFile, found: str, written: str, source: Path | None, *, chosen: bool) -> ImageFile:
    """Return a restored image with a note if the suffix of its source says another format than that of its content.

    Args:
        restored: the image to write.
        found, written: its format before and now.
        source: the file, if there is one.
        chosen: whether the user chose the new format; otherwise, a note says that a kind that is only read becomes PNG.
    """
    if chosen:
        restored = replace(restored, notes=without_becomes_png(restored.notes))
    own = None if source is None else format_of_suffix(source)
    if source is None or own in (None, found) or holds(source.suffix, found):
        return restored
    if source.suffix.lower() == ".dib":  # the bitmap without the header of a BMP
        return restored
    return with_notes(restored, f"its content is not {own}, as its name says; it is written as {written}")
