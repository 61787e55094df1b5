"""Records of the files of a shard, a line of JSON each, and the marker that says that all are done."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from clearer.bulk.keys import key_of, place_key
from clearer.core.errors import UserError, masked


@dataclass(frozen=True)
class Record:
    """What became of a file.

    Attributes:
        index: its number in the list of files.
        input, output: its places.
        planned: the output as the list has it, without the suffix that the content called for.
        seconds: that the worker spent on it, reading and writing beside its neighbors included.
        bytes: of the output.
        sha256: of the output.
        error: why it could not be restored, in one line.
        skipped: an output was there, and ``--skip-existing`` left it.
        notes: what could not be kept, a line each.
        sigma: the noise level that the network was told by estimate, in gray levels.
        precision: that the network was run in.
        model: that was chosen for the file; None where the call names the model, or the file is copied as it is.
        version: of the input, see `clearer.bulk.keys.version_of`: one that was replaced is not done.
        keys: `key` and `place`, where the places in the record lack what is secret in their addresses.
    """

    index: int
    input: str
    output: str
    planned: str
    seconds: float = 0.0
    bytes: int | None = None
    sha256: str | None = None
    error: str | None = None
    skipped: bool = False
    notes: tuple[str, ...] = ()
    sigma: float | None = None
    precision: str | None = None
    model: str | None = None
    version: str | None = None
    keys: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        # What is said of a file may name its address.
        object.__setattr__(self, "error", None if self.error is None else masked(self.error))
        object.__setattr__(self, "notes", tuple(map(masked, self.notes)))

    @property
    def key(self) -> int:
        """The number of the input with its planned output."""
        return key_of(self.input, self.planned) if self.keys is None else self.keys[0]

    @property
    def place(self) -> int:
        """The number of the output's place."""
        return place_key(self.output) if self.keys is None else self.keys[1]

    def to_json(self) -> dict[str, Any]:
        """Return what is known, ready for JSON; without what is secret in addresses."""
        places = (self.input, self.output, self.planned)
        input, output, planned = map(masked, places)
        if (input, output, planned) != places:
            keys = (self.key, self.place)
            return replace(self, input=input, output=output, planned=planned, keys=keys).to_json()
        found = {key: value for key, value in self.__dict__.items() if value is not None and value != ()}
        if self.planned == self.output:
            del found["planned"]
        if not self.skipped:
            del found["skipped"]
        return found | {"seconds": round(self.seconds, 4)}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Record:
        """Return the record that `to_json` gave."""
        known = {key: value for key, value in found.items() if key in cls.__dataclass_fields__}
        known |= {key: tuple(known[key]) for key in ("notes", "keys") if key in known}
        return cls(**{"planned": found["output"], **known})


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file; a line that was being written when its worker died is left out."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                yield Record.from_json(json.loads(line))


class RecordLog:
    """The records of a shard, to be added to by the one worker that has claimed it."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file: IO[bytes] = path.open("ab+")
        end = self._file.seek(0, os.SEEK_END)
        if end:
            self._file.seek(max(0, end - (1 << 16)))
            tail = self._file.read()
            if not tail.endswith(b"\n"):  # of a worker that was killed
                self._file.truncate(end - len(tail) + tail.rfind(b"\n") + 1)

    def add(self, record: Record) -> None:
        """Add a record; it outlives this process from now on."""
        try:
            self._file.write(json.dumps(record.to_json()).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"{self._file.name}: cannot be written ({error.strerror}); free some space") from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # said by `add`
            self._file.close()
