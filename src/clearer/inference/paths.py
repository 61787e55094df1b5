"""Restoring picture files and folders of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from clearer.data.pictures import SUFFIXES, Pixels, list_pictures, read_picture, write_picture
from clearer.errors import UserError
from clearer.inference.large import is_large, restore_large
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Overlap, Tiling


def restore_path(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tile: Tiling = "auto",
    overlap: Overlap = "auto",
) -> list[Path]:
    """Restore a file to a file, or the pictures directly in a folder to a folder; return what was written.

    Pictures are written with 8 bits. Gray files suit a colour model (they are repeated), and colour
    files without colour suit a gray one.

    Args:
        restorer: what restores.
        source: a picture file or a folder.
        target: for a folder, a folder; for a file, a file, or a folder (one that exists, or a name
            without a suffix) to put it in. Folders are made if missing. In a folder each file keeps
            its name; to one of a format that cannot be written .png is added.
        ensemble: use the x8 self-ensemble.
        progress: called with (files done, files in all) after each.
        tile: as of `Restorer.restore`. TIFF files of 32 million pixels and more that become TIFF files
            are restored by rows (`restore_large`), unless it is "none".
        overlap: as of `Restorer.restore`.

    Raises:
        UserError: the source cannot be read or has not the model's channels, the target cannot be
            written, or the target is the source. What was written before stays.
    """
    source, target = Path(source), Path(target)
    if source.is_dir():
        if target.exists() and target.samefile(source):
            raise UserError(f"{target}: is the source folder itself; choose another folder for the output")
        if target.exists() and not target.is_dir():
            raise UserError(f"{target}: a file, where a folder for the restored pictures is needed; choose another")
        sources = list_pictures(source)
        targets = [target / _writable_name(path) for path in sources]
    elif source.exists():
        into_folder = target.is_dir() or not target.suffix
        sources, targets = [source], [target / _writable_name(source) if into_folder else target]
        if targets[0].exists() and targets[0].samefile(source):
            raise UserError(f"{targets[0]}: is the source file itself; choose another place for the output")
        if not _can_write(targets[0]):
            raise UserError(f"{targets[0]}: cannot be written as {targets[0].suffix!r}; end the name in .png")
    else:
        raise UserError(f"{source}: no such file or folder; check the path")
    for done, (path, place) in enumerate(zip(sources, targets, strict=True), start=1):
        if tile != "none" and place.suffix.lower() in (".tif", ".tiff") and is_large(path):
            restore_large(restorer, path, place, ensemble, tile, overlap)
            if progress is not None:
                progress(done, len(sources))
            continue
        picture = _with_channels(read_picture(path), restorer.architecture.channels, path)
        try:
            restored = restorer.restore(picture, ensemble, tile, overlap)
        except UserError as error:  # it cannot know the file's name
            raise UserError(f"{path}: {str(error).removeprefix('picture: ')}") from error
        write_picture(place, restored)
        if progress is not None:
            progress(done, len(sources))
    return targets


def _writable_name(path: Path) -> str:
    # The old suffix stays in the name, so that no other file of the folder is met.
    return path.name if _can_write(path) else f"{path.name}.png"


def _can_write(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in SUFFIXES and Image.registered_extensions().get(suffix) in Image.SAVE


def _with_channels(picture: Pixels, channels: int, path: Path) -> Pixels:
    """Return (H, W, channels), if that loses nothing."""
    found = picture.shape[2]
    if found == channels:
        return picture
    if found == 1:
        return np.repeat(picture, channels, axis=2)
    if channels == 1 and bool((picture == picture[:, :, :1]).all()):
        return picture[:, :, :1]
    raise UserError(
        f"{path}: has {found} channels where the model takes {channels}; convert it or choose another model"
    )
