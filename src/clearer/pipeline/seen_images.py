"""Which images of an evaluation a model has already seen: its figures on them say nothing about others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.runs.layout import RunFolder
from clearer.zoo.locate import located
from clearer.zoo.training_files import DIGITS, training_files
from clearer.zoo.weight_metadata import read_form

PARTS = ("train", "validation")


def seen_images(model: str | Path, items: Sequence[Item]) -> dict[str, int]:
    """Return how many images a model was trained on, and how many chose its weights; by part, without zeros.

    Args:
        model: a run folder, or a pretrained model; a run that began with such a model has seen its images, too. Other
            weight files, and runs of earlier versions, do not tell.
        items: what is measured; the content of the clean files is compared, whatever their names. Pages of stacks do
            not count: their file may hold images of several parts.
    """
    card = read_form(located(model))[1]
    known = training_files(name for name in (card.name, card.start) if name is not None)
    folder = RunFolder(Path(model))
    if folder.digests.is_file():
        own = {
            part: {file["clean"]["sha256"][:DIGITS] for file in files.values() if "clean" in file}
            for part, files in folder.read_digests().items()
        }
        known = dict.fromkeys(own.get("validation", ()), "validation") | known
        known |= dict.fromkeys(own.get("train", ()), "train")
    if not known:
        return {}
    parts = [known.get(_digest(item.clean)[:DIGITS]) for item in items if item.page is None]
    return {part: count for part in PARTS if (count := parts.count(part))}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
