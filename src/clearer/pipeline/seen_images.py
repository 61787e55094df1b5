"""Which images of an evaluation a run has already seen: its figures on them say nothing about others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.runs.layout import RunFolder

PARTS = ("train", "validation")


def seen_images(model: str | Path, items: Sequence[Item]) -> dict[str, int]:
    """Return how many images a run was trained on, and how many chose its weights; by part, without zeros.

    Args:
        model: a run folder; others, and runs of earlier versions, do not tell.
        items: what is measured; the content of the clean files is compared, whatever their names. Pages of stacks do
            not count: their file may hold images of several parts.
    """
    folder = RunFolder(Path(model))
    if not folder.digests.is_file():
        return {}
    known: dict[int, dict[str, str]] = {}
    for part in PARTS:
        for file in folder.read_digests().get(part, {}).values():
            if "clean" in file:
                known.setdefault(file["clean"]["size"], {})[file["clean"]["sha256"]] = part
    files = [item.clean for item in items if item.page is None]
    parts = [alike.get(_digest(file)) for file in files if (alike := known.get(_size(file)))]
    return {part: count for part in PARTS if (count := parts.count(part))}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
