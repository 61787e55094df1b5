"""Which images of an evaluation a model has already seen: its figures on them say nothing about others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.runs.layout import RunFolder
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import located
from clearer.zoo.names import stored_name
from clearer.zoo.training_files import DIGITS, training_files
from clearer.zoo.weight_metadata import read_form

PARTS = ("train", "validation")


def seen_images(card: ModelCard, items: Sequence[Item], model: str | Path | None = None) -> dict[str, int]:
    """Return how many images a model was trained on, and how many chose its weights; by part, without zeros.

    A pretrained model tells by the name on its card, a run by what it noted. A run that began with either has seen the
    images of that one, too. Other weight files, and runs of earlier versions, do not tell.

    Args:
        card: of the model.
        items: what is measured; the clean and the degraded files are compared byte for byte, whatever their names: a
            run may have been trained on noisy images alone. A page of a stack counts if the run noted that page.
        model: the run folder or weight file, if there is one.

    Raises:
        UserError: a file cannot be read.
    """
    known = _known(card, model, set())
    if not known:
        return {}
    parts = [_part_of(item, known) for item in items]
    return {part: count for part in PARTS if (count := parts.count(part))}


def _part_of(item: Item, known: dict[str, str]) -> str | None:
    """Return the part that an image was of; ``train`` if one file of a pair was trained on."""
    page = "" if item.page is None else f"#{item.page + 1}"
    found = {known.get(_digest(path) + page) for path in (item.clean, item.degraded) if path is not None}
    return next((part for part in PARTS if part in found), None)


def _known(card: ModelCard, model: str | Path | None, before: set[str]) -> dict[str, str]:
    """Return the part of each file that a model has seen, by the digits of its digest; see `training_files`.

    Of the page of a stack, its number follows: ``#3`` is the third.
    """
    known = training_files([] if card.name is None else [stored_name(card.name)])
    if known:
        return known  # with those of the model that it began with
    if model is not None:
        path = Path(model)
        _add(known, _noted(RunFolder(path if path.is_dir() else path.parent)))
    if card.start is not None and card.start not in before:
        _add(known, _before(card.start, before | {card.start}))
    return known


def _before(start: str, before: set[str]) -> dict[str, str]:
    """Return the same of the model that a training began with; nothing of one that is gone."""
    if known := training_files([stored_name(start)]):
        return known
    try:
        return _known(read_form(located(start))[1], start, before)
    except UserError:
        return {}


def _noted(run: RunFolder) -> dict[str, str]:
    """Return the same of the images that a run has noted."""
    noted: dict[str, str] = {}
    if not run.digests.is_file():
        return noted
    names = run.read_images() if run.images.is_file() else {}
    for part, files in run.read_digests().items():
        if part not in PARTS:
            continue
        for name, file in files.items():
            for one in file.values():
                pages = one["pages"] if "pages" in one else _pages(name, names.get(part, []))
                digits = one["sha256"][:DIGITS]
                _add(noted, {digits: part, **{f"{digits}#{page}": part for page in pages}})
    return noted


def _pages(file: str, names: Sequence[str]) -> list[int]:
    """Return the pages of a stack among the images of a part, as a run of an earlier version noted them: by name.

    Of several stacks of one name, it does not say which has a page: all count as seen.
    """
    bases = {file, re.sub(r" \(\d+\)$", "", file)}  # see `clearer.pipeline.resumption.digests_of`
    parted = [name.rpartition("#") for name in names]
    return [int(page) for base, _, page in parted if base in bases and page.isdecimal()]


def _add(known: dict[str, str], others: dict[str, str]) -> None:
    """Add files; what a model was trained on counts as that, whatever else it did with it."""
    for digits, part in others.items():
        if part == "train" or digits not in known:
            known[digits] = part


def _digest(path: Path) -> str:
    try:
        facts = path.stat()
        return _read_digest(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


@lru_cache(maxsize=10_000)
def _read_digest(path: Path, size: int, changed: int) -> str:
    """Return the digits of a file; one that has not changed is read once, though tables ask for it in every row."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
