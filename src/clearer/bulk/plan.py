"""BulkPlan: what is restored, with what, in how many shards; written once, and read by every worker."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clearer.bulk.manifest as lists
from clearer.bulk.stated import difference, to_restore
from clearer.bulk.walk import Faults, named_by_content, walked, walked_elsewhere
from clearer.core.addresses import is_remote
from clearer.core.errors import UserError
from clearer.core.files import read_json, shaped
from clearer.inference.options import RestoreOptions

AUTO = "auto"


@dataclass(frozen=True)
class BulkPlan:
    """A plan, the same for all workers.

    Attributes:
        id: of the list of files and the number of shards.
        source: the folder or the list that the files were taken from.
        out: the folder of the outputs; "" if the list names them all.
        files: their number.
        shards: shard k has files k, k + shards, k + 2 * shards and so on, so that large images next to each other
            are shared out.
        model: its name, the path of its weights, or "auto".
        weights: digest of them; outputs of two models are not mixed.
        precision: as `clearer.load` takes it.
        options: values of `clearer.inference.options.RestoreOptions` other than the default, ready for JSON; see
            `clearer.bulk.stated.stated`.
        run: of the latest call; files that failed in an earlier one are tried again.
        unreadable: folders that could not be read, and files that cannot be taken, a line each.
        notes: on the files of the folder that are left out, a line each.
    """

    id: str
    source: str
    out: str
    files: int
    shards: int
    model: str
    weights: str
    precision: str
    options: dict[str, Any]
    run: str
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> BulkPlan:
        """Read a plan.

        Raises:
            UserError: it is missing or damaged.
        """
        fields = dataclasses.fields(cls)
        needs = [field.name for field in fields if field.default_factory is dataclasses.MISSING]
        found: Any = shaped(read_json(path), path, cls, needs)
        return cls(**{field.name: found[field.name] for field in fields if field.name in found})

    def to_json(self) -> dict[str, Any]:
        """Return the plan, ready for JSON."""
        return dataclasses.asdict(self)

    def restore_options(self) -> RestoreOptions:
        """Return the options of the restoration."""
        return to_restore(self.options)

    def files_of(self, shard: int) -> int:
        """Return the number of files of a shard."""
        return len(range(shard, self.files, self.shards))

    def differs(self, other: BulkPlan) -> str | None:
        """Return what makes outputs of another plan unlike those of this one; None if nothing does."""
        if self.weights != other.weights:
            same = self.model == other.model
            return f"weights of {self.model}" if same else f"model: {other.model} before, {self.model} now"
        if self.precision != other.precision:
            return f"--precision: {other.precision} before, {self.precision} now"
        return difference(other.options, self.options)


def weights_of(model: str) -> str:
    """Return a digest of a model's weights; that of the package's version where each image gets another model.

    Raises:
        UserError: there is no such model.
    """
    from clearer.core.version import __version__
    from clearer.zoo.locate import located

    if model == AUTO and not Path(model).exists():
        return f"clearer {__version__}"
    with located(model).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def listed(source: str, out: str | None, options: RestoreOptions, faults: Faults) -> Iterator[lists.Entry]:
    """Yield the files of a source: those of a folder, here or elsewhere, or of a list.

    What a folder holds besides gets into ``faults``.

    Raises:
        UserError: the source cannot be read, or an output has no place.
    """
    from clearer.images.ome_zarr.tree import is_zarr
    from clearer.images.types import FORMATS, format_named
    from clearer.inference.zarr_elsewhere import is_zarr_address

    suffix = None if options.format is None else FORMATS[format_named(options.format)].suffixes[0]
    if is_zarr_address(source) or (source != lists.STREAM and is_zarr(source)):
        raise UserError(f"{source}: one image; restore it without workers and shards, or name it in a list")
    if is_remote(source):
        if out is None:
            raise UserError(f"{source}: name an output folder with -o")
        yield from walked_elsewhere(source, out, options, suffix, faults)
    elif source != lists.STREAM and Path(source).is_dir():
        if out is None:
            raise UserError(f"{source}: name an output folder with -o")
        yield from walked(source, out, options, suffix, faults)
    else:
        if options.recursive or options.pattern is not None:
            raise UserError(f"{source}: a list; --recursive and --pattern choose from folders: leave them out")
        for entry in lists.read_entries(source, out, suffix):
            yield named_by_content(entry, suffix)
