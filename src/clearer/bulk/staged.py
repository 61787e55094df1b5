"""A single file elsewhere (s3://, gs://, https://): fetched to be restored, and put where its output belongs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.bulk.locations import exists, fetch, name_of, put, with_name
from clearer.core.addresses import address_in, are_same, is_remote
from clearer.core.errors import UserError, masked
from clearer.core.leftovers import temporary_folder
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.types import SUFFIXES
from clearer.inference.before_after import refuse_taken
from clearer.inference.folder_files import VIDEO_SUFFIXES
from clearer.inference.jobs import ZARR, plan_jobs
from clearer.inference.options import RestoreOptions
from clearer.inference.output_names import RECORD
from clearer.inference.zarr_elsewhere import is_zarr_elsewhere


def is_folder(place: str) -> bool:
    """Return whether a place is a folder of files.

    An address is one unless its name ends as that of an image, OME-Zarr or a video does.
    """
    if not is_remote(place):
        return Path(place).is_dir() and not is_zarr(place)
    return Path(name_of(place.rstrip("/"))).suffix.lower() not in (*SUFFIXES, *VIDEO_SUFFIXES, ZARR)


@dataclass(frozen=True)
class Places:
    """A source and an output on this machine, and what the user named instead of them."""

    source: str
    out: str
    named_by_user: tuple[str, str]

    def named(self, value: Any) -> Any:
        """Return a text, or the texts of a list or mapping, with the names that the user gave, secrets masked."""
        if isinstance(value, str):
            for here, name in zip((self.source, self.out), self.named_by_user, strict=True):
                if here != name:
                    value = value.replace(f"{here}/", f"{name.rstrip('/')}/").replace(here, name)
            return masked(value)
        if isinstance(value, dict):
            return {self.named(key): self.named(one) for key, one in value.items()}
        return [self.named(one) for one in value] if isinstance(value, list) else value


@contextmanager
def staged(source: str, out: str, options: RestoreOptions) -> Iterator[Places]:
    """Yield a source and an output on this machine; an output elsewhere is written there at the end.

    OME-Zarr stays where it is: it is read and written by blocks. With ``skip_existing``, an output that is elsewhere
    already has a stand-in here, so that it is skipped as one on this machine.

    Raises:
        UserError: the source cannot be fetched, or the output cannot be put; or from inside, about the place that
            the user named.
    """
    if (not is_remote(source) and not is_remote(out)) or is_zarr_elsewhere(source, out):
        yield Places(source, out, (source, out))
        return
    with temporary_folder("remote") as desk:
        here = desk / "in" / name_of(source) if is_remote(source) else Path(source)
        if is_remote(source):
            here.parent.mkdir()
            fetch(source, here)
        there = desk / "out" / name_of(out) if is_remote(out) else Path(out)
        if is_remote(out) and is_folder(out):
            there.mkdir(parents=True)  # a name such as v1.2 is that of a folder then, too
        places = Places(
            str(here) if is_remote(source) else source, str(there) if is_remote(out) else out, (source, out)
        )
        try:
            output = _output(str(here), places.out, out, options)
            if options.compare is not None:
                refuse_taken(options.compare, source, *([] if output is None else [output]))
            if output is not None and are_same(source, output):
                raise UserError(f"{output}: is the source file itself; choose another output")
            is_there = is_remote(out) and options.skip_existing and output is not None and exists(output)
            if is_there:
                _stand_in(str(here), there, options)
            yield places
        except UserError as error:
            raise UserError(places.named(str(error))) from error
        if is_remote(out) and not is_there:
            if is_folder(out):
                (there,) = (entry for entry in there.iterdir() if entry.name != RECORD)
                out = address_in(out, there.name)
            put(there, out)


def _output(here: str, there: str, out: str, options: RestoreOptions) -> str | None:
    """Return the place of the output as the user would name it; None: it goes to standard output."""
    (job,) = plan_jobs(here, there, options).jobs
    if job.target is None or not is_remote(out):
        return None if job.target is None else str(job.target)
    return address_in(out, job.target.name) if is_folder(out) else with_name(out, job.target.name)


def _stand_in(here: str, there: Path, options: RestoreOptions) -> None:
    """Write an empty output, which is skipped as one on this machine."""
    (job,) = plan_jobs(here, there, options).jobs
    assert job.target is not None
    job.target.parent.mkdir(parents=True, exist_ok=True)
    job.target.touch()
