"""Read the files to restore from a list: a text file, CSV, TSV or JSON lines; a line at a time, however long it is."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Literal, NamedTuple

from clearer.bulk.keys import hash_of
from clearer.bulk.locations import joined
from clearer.core.addresses import is_remote, is_web
from clearer.core.errors import UserError, one_line, without_user

Naming = Literal["named", "planned", "content", "rival"]
STREAM = "-"
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_INPUT, _OUTPUT = "input", "output"
_EXAMPLE = '{"input": "a.png", "output": "b.png"}'


class Entry(NamedTuple):
    """A file to restore.

    Attributes:
        input: a path, or the address of a file elsewhere (``s3://bucket/a.png``).
        output: likewise.
        naming: "named": the user named the output, whose suffix says the format; "planned": the output is as it will
            be; "content": a suffix is appended if the content of the input, which nobody has looked at, calls for it;
            "rival": likewise, but with some suffix it would be the output of another file, so that it may get none.
        version: of the content, as the storage of a folder elsewhere lists it; None if it does not.
    """

    input: str
    output: str
    naming: Naming
    version: str | None = None


def read_entries(manifest: str, out: str | None, suffix: str | None = None) -> Iterator[Entry]:
    """Yield the entries of a list of files.

    A ``.csv`` or ``.tsv`` file has the columns input and output; without a head, they are the first two. A ``.jsonl``
    file has objects with these keys. Any other file, except for ``.json``, has a path a line. Paths are those of the
    working directory. In a ``.csv`` file, spaces after a comma are no part of a path that is not quoted.

    Args:
        manifest: the file, or "-" for standard input.
        out: folder of the outputs that the list does not name, or names relative to it; see `output_below`. None: the
            list must name each.
        suffix: of the format that outputs without a name are written in, if not that of the input.

    Raises:
        UserError: the list cannot be read, a line is none of a list, or an input has no place below ``out``.
    """
    for number, input, output in _rows(manifest):
        where = f"{_name(manifest)}, line {number}"
        if not input:
            raise UserError(f"{where}: no input; give a path")
        for name in filter(None, (input, output)):
            _check_name(name, where)
        if output is None and out is None:
            raise UserError(f"{where}: no output for {input}; name a folder with -o, or give an output in each line")
        if output is not None:
            yield Entry(input, output if out is None else joined(out, output), "named")
            continue
        assert out is not None
        try:
            yield Entry(input, joined(out, output_below(input, suffix)), "content")
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def _check_name(name: str, where: str) -> None:
    """Refuse what no file can be called: a zero byte, or half a character of UTF-16 as JSON may escape one."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise UserError(f"{where}: {name!a} is no name of a file; give a path") from None
    if "\0" in name:
        raise UserError(f"{where}: {name!a} is no name of a file; give a path")


def output_below(input: str, suffix: str | None = None) -> str:
    """Return the path of an output below its folder: that of the input, from the root of its disk or bucket on.

    User and password of an address are no part of it. In place of the query of a web address, which may hold a key, the
    name ends with 8 digits of its digest: two queries are two images.

    Args:
        input: a path or an address.
        suffix: of another format; it is appended, so that no two inputs share an output.

    Raises:
        UserError: the input lies above the working directory (``../a.png``).

    >>> output_below("https://host/a.png?key=b")
    'host/a-5f2ae059.png'
    >>> output_below("day1/a.tif"), output_below("/data/a.tif", ".png"), output_below("s3://lab/a.png")
    ('day1/a.tif', 'data/a.tif.png', 'lab/a.png')
    """
    place, query = _without_query(without_user(input)) if is_remote(input) else (Path(input).as_posix(), "")
    path = PurePosixPath(place.partition("://")[2] if is_remote(input) else place)
    parts = [part for part in path.parts if part not in (path.anchor, ".")]
    if ".." in parts:
        raise UserError(f"{input}: has no place below the output folder; write it without '..', or name its output")
    below = PurePosixPath(*parts)
    if query:
        below = below.with_name(f"{below.stem}-{hash_of(query) >> 32:08x}{below.suffix}")
    same = suffix is None or below.suffix.lower() == suffix
    return str(below if same else below.with_name(below.name + str(suffix)))


def _without_query(address: str) -> tuple[str, str]:
    """Return an address up to its query, and the rest; elsewhere than on web pages, it is all part of the name."""
    place = re.split(r"[?#]", address, maxsplit=1)[0] if is_web(address) else address
    return place, address.removeprefix(place)


def _rows(manifest: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield the number of the line, the input and the output of each entry."""
    kind = "" if manifest == STREAM else Path(manifest).suffix.lower()
    try:
        with _opened(manifest) as file:
            if kind in _SEPARATORS:
                yield from _from_columns(manifest, file, _SEPARATORS[kind])
            elif kind == ".json":
                raise UserError(f"{manifest}: a list in JSON has an object a line, {_EXAMPLE}; write it as .jsonl")
            elif kind in _JSON_LINES:
                yield from _from_json(manifest, file)
            else:
                lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(file, 1))
                for number, line in lines:
                    if "\0" in line:
                        raise UserError(f"{_name(manifest)}: not a text; name a list of files, one a line")
                    if line.strip():
                        yield number, line, None
    except FileNotFoundError:
        raise UserError(f"{manifest}: no such file; name a list of files") from None
    except UnicodeDecodeError:
        raise UserError(f"{_name(manifest)}: not a text; name a list of files, one a line") from None
    except (OSError, csv.Error) as error:
        raise UserError(f"{_name(manifest)}: cannot be read as a list of files ({one_line(error)})") from error


def _opened(manifest: str) -> IO[str]:
    # Names of files need not be UTF-8; a byte-order mark is no part of one.
    if manifest == STREAM:
        return open(sys.stdin.fileno(), encoding="utf-8-sig", errors="surrogateescape", closefd=False)
    newline = "" if Path(manifest).suffix.lower() in _SEPARATORS else None
    return Path(manifest).open(encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _from_columns(manifest: str, file: IO[str], separator: str) -> Iterator[tuple[int, str, str | None]]:
    rows = csv.reader(file, delimiter=separator, skipinitialspace=separator == ",")
    at, to = 0, 1
    for k, row in enumerate(rows):
        if k == 0 and _INPUT in (heads := [cell.strip().lower() for cell in row]):
            at, to = heads.index(_INPUT), heads.index(_OUTPUT) if _OUTPUT in heads else len(heads)
            continue
        if not any(row):
            continue
        if at >= len(row):
            raise UserError(f"{manifest}, line {rows.line_num}: no input; give the columns input and output")
        yield rows.line_num, row[at], (row[to] or None) if to < len(row) else None


def _from_json(manifest: str, file: IO[str]) -> Iterator[tuple[int, str, str | None]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise UserError(f"{manifest}, line {number}: not JSON ({one_line(error)})") from None
        if not isinstance(found, dict) or not isinstance(found.get(_INPUT), str):
            raise UserError(f"{manifest}, line {number}: write it as {_EXAMPLE}")
        output = found.get(_OUTPUT)
        if not isinstance(output, str | None):
            raise UserError(f"{manifest}, line {number}: output is {output!r}, not a path")
        yield number, found[_INPUT], output or None


def _name(manifest: str) -> str:
    return "standard input" if manifest == STREAM else manifest
