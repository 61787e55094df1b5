"""Restore picture files: one, or a folder of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.data.pictures import SUFFIXES, list_pictures, read_header, read_picture, write_picture
from clearer.errors import UserError
from clearer.inference.restorer import Restorer


@dataclass(frozen=True)
class RestoredFile:
    """A file that was restored; ``seconds`` are of the network alone."""

    source: Path
    target: Path
    height: int
    width: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**dataclasses.asdict(self), "source": str(self.source), "target": str(self.target)}


def restore_files(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    *,
    ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[RestoredFile]:
    """Restore a picture into a file, or all pictures of a folder into another, under their own names.

    All pictures are read before the first is restored, so that a folder with a bad one in it is
    refused before anything is written.

    Args:
        source: a picture or a folder of pictures.
        target: a file (or a folder that is there, to keep the name); for a folder, a folder.
        ensemble: as of `Restorer.restore`.
        progress: called with (pictures done, pictures in all) after each.

    Raises:
        UserError: a picture cannot be read or has not the model's channels, the target cannot be
            written, or it is the source itself.
    """
    jobs = _jobs(Path(source), Path(target))
    channels = restorer.architecture.channels
    for path, place in jobs:
        if place.exists() and place.samefile(path):
            raise UserError(f"{place}: is the input itself; choose another place for the output")
        found = read_header(path).channels
        if found != channels:
            raise UserError(
                f"{path}: {_kind(found)}, where the model takes {_kind(channels)} pictures; "
                "convert it first or choose another model"
            )
    if len(jobs) > 1:
        for path, _ in jobs:
            read_picture(path)
    restored = []
    for path, place in jobs:
        picture = read_picture(path)
        start = time.perf_counter()
        result = restorer.restore(picture, ensemble)
        seconds = time.perf_counter() - start
        write_picture(place, result)
        restored.append(RestoredFile(path, place, picture.shape[0], picture.shape[1], seconds))
        if progress is not None:
            progress(len(restored), len(jobs))
    return restored


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    if source.is_dir():
        if target.exists() and not target.is_dir():
            raise UserError(f"{target}: is a file, where a folder of pictures is to be restored; name a folder")
        return [(path, target / path.name) for path in list_pictures(source)]
    if not source.exists():
        raise UserError(f"{source}: no such picture or folder; check the path")
    place = target / source.name if target.is_dir() else target
    if place.suffix.lower() not in SUFFIXES:
        # Before the network runs; write_picture would say it after.
        raise UserError(f"{place}: cannot be written as {place.suffix!r}; end the name in {', '.join(SUFFIXES)}")
    return [(source, place)]


def _kind(channels: int) -> str:
    return {1: "gray", 3: "colour"}.get(channels, f"{channels}-channel")
