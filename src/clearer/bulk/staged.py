"""A single file elsewhere (s3://, gs://, https://): fetched to be restored, and put where its output belongs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearer.bulk.locations import fetch, name_of, put
from clearer.core.addresses import is_remote
from clearer.core.errors import UserError
from clearer.core.leftovers import temporary_folder
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.types import SUFFIXES
from clearer.inference.jobs import VIDEO_SUFFIXES, ZARR
from clearer.inference.zarr_elsewhere import is_zarr_elsewhere


def is_folder(place: str) -> bool:
    """Return whether a place is a folder of files.

    An address is one unless its name ends as that of an image, OME-Zarr or a video does.
    """
    if not is_remote(place):
        return Path(place).is_dir() and not is_zarr(place)
    return Path(name_of(place.rstrip("/"))).suffix.lower() not in (*SUFFIXES, *VIDEO_SUFFIXES, ZARR)


@contextmanager
def staged(source: str, out: str) -> Iterator[tuple[str, str]]:
    """Yield a source and an output on this machine; an output elsewhere is written there at the end.

    OME-Zarr stays where it is: it is read and written by blocks.

    Raises:
        UserError: the source cannot be fetched, or the output cannot be put; or from inside, about the place that
            the user named.
    """
    if (not is_remote(source) and not is_remote(out)) or is_zarr_elsewhere(source, out):
        yield source, out
        return
    with temporary_folder("remote") as desk:
        here = desk / "in" / name_of(source) if is_remote(source) else Path(source)
        if is_remote(source):
            here.parent.mkdir()
            fetch(source, here)
        there = desk / "out" / name_of(out) if is_remote(out) else Path(out)
        try:
            yield str(here) if is_remote(source) else source, str(there) if is_remote(out) else out
        except UserError as error:
            raise UserError(str(error).replace(str(here), source).replace(str(there), out)) from error
        if is_remote(out):
            if is_folder(out):
                out = f"{out.rstrip('/')}/{next(there.iterdir()).name}"
                there = next(there.iterdir())
            put(there, out)
