"""The names of output files in a folder, which stay the same whatever files are added to the input later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json

RECORD = ".clearer-names.json"
"""In an output folder, where names changed: which source each output was made from, both below their folders."""


@dataclass(frozen=True)
class OutputNames:
    """The outputs of sources in a folder; all paths are relative, with slashes.

    Attributes:
        folder: the output folder.
        chosen: source -> output.
        record: output -> source, of this call and of earlier ones.
        notes: remarks, one line each.
    """

    folder: Path
    chosen: Mapping[str, str]
    record: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def save(self) -> None:
        """Write the record, before the first output: a killed call must not leave outputs of unknown sources.

        Raises:
            UserError: it cannot be written.
        """
        if _read(self.folder) != self.record:
            write_json(self.folder / RECORD, dict(sorted(self.record.items())))


def choose_names(
    folder: Path, wanted: Mapping[str, str], skip_existing: bool, sources: Path | None = None
) -> OutputNames:
    """Choose an output for each source, so that no two sources share one, now or later.

    A source keeps the output that the record names. Others take the name that they want, those first that keep their
    own, then in the order given, unless another source has it: then the whole name of the source goes before the
    suffix, ``a.tif.png``. An existing output that the record does not name is that of the source of its very name,
    if there is one: all others are recorded.

    Args:
        folder: the output folder.
        wanted: source -> output that it should have if no other source has it.
        sources: the folder of the sources, where it may hold more than those wanted.
        skip_existing: existing outputs are kept: one without a record that two sources want, neither of its very name,
            belongs to none of them, since the other would never be restored.

    Raises:
        UserError: the record is damaged.
    """
    before = _read(folder)
    # An output that was removed, of a source that was removed, is free again.
    record = {output: source for output, source in before.items() if source in wanted or (folder / output).exists()}
    kept = {source: output for output, source in record.items() if _fits(output, source, wanted)}
    rivals = Counter(output for source, output in wanted.items() if source not in kept)
    unknown = {
        output
        for output, count in rivals.items()
        if skip_existing and count > 1 and not {output} & {*record, *wanted} and (folder / output).exists()
    }

    def is_free(name: str, source: str) -> bool:
        if name in record:
            return record[name] == source
        of_namesake = name != source and sources is not None and (sources / name).exists() and (folder / name).exists()
        return name not in unknown and not of_namesake

    chosen: dict[str, str] = {}
    for source, name in sorted(wanted.items(), key=lambda pair: pair[0] != pair[1]):  # stable: in the order given
        chosen[source] = kept.get(source) or next(n for n in _candidates(source, name) if is_free(n, source))
        record[chosen[source]] = source
    return OutputNames(folder, chosen, record, tuple(_note(folder, output, wanted) for output in sorted(unknown)))


def _read(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.exists():
        return {}
    found = read_json(path)
    if not isinstance(found, dict) or not all(isinstance(source, str) for source in found.values()):
        raise UserError(f"{path}: not a record of output names; remove it")
    return found


def _fits(output: str, source: str, wanted: Mapping[str, str]) -> bool:
    """Return whether a recorded output is one that this call would make: of the same folder and format."""
    if source not in wanted:
        return False
    plain, found = PurePosixPath(wanted[source]), PurePosixPath(output)
    return plain.parent == found.parent and plain.suffix.lower() == found.suffix.lower()


def _candidates(source: str, name: str) -> Iterator[str]:
    yield name
    place, suffix = PurePosixPath(name).with_name(PurePosixPath(source).name), PurePosixPath(name).suffix
    yield f"{place}{suffix}"
    number = 2
    while True:
        yield f"{place}-{number}{suffix}"
        number += 1


def _note(folder: Path, output: str, wanted: Mapping[str, str]) -> str:
    sources = [PurePosixPath(source).name for source, name in wanted.items() if name == output]
    return (
        f"{folder / output}: made from one of {', '.join(sources)}, which no record tells apart; "
        "each is restored to a name with its old suffix, and this file stays"
    )
