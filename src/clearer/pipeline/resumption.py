"""What may change when a run is resumed: how its folders are written, and more epochs; images may not."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.core.text import few
from clearer.data.items import Item
from clearer.data.splits import Splits
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.optimizers import learning_rate

PLACES = {"data": ("folder", "train", "validation", "test", "train_clean"), "train": ("start",)}
"""Settings that are paths."""

Say = Callable[[str], None]


def in_words_of(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return the settings ``before`` with paths as ``now`` has them where both are one: photos and ./photos."""
    before = copy.deepcopy(before)
    for part, keys in PLACES.items():
        for key in keys:
            if _whole(before[part].get(key)) == _whole(now[part].get(key)):
                before[part][key] = now[part].get(key)
    return before


def without_images(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's settings without the paths of its images."""
    settings = copy.deepcopy(settings)
    for key in PLACES["data"]:
        settings["data"][key] = None
    return settings


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return os.path.realpath(value) if isinstance(value, str) else value


def digests_of(splits: Splits) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of each file, by part and name: of ``clean``, and of ``degraded`` if it has its own.

    Of stacks, also the pages that are in the part: names do not tell where several folders hold a stack of one name.
    """
    known: dict[Path, dict[str, Any]] = {}

    def digest(path: Path) -> dict[str, Any]:
        if path not in known:
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                    known[path] = {"size": os.fstat(file.fileno()).st_size, "sha256": found}
            except OSError as error:
                raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
        return known[path]

    def files(items: list[Item]) -> dict[str, Any]:
        both = {"clean": items[-1].clean, "degraded": items[-1].degraded}
        pages = sorted({item.page + 1 for item in items if item.page is not None})
        return {kind: digest(path) | ({"pages": pages} if pages else {}) for kind, path in both.items() if path}

    found: dict[str, dict[str, list[Item]]] = {}
    for part, items in splits.parts().items():
        of_part = found.setdefault(part, {})
        for name, item in _by_name(items):
            of_part.setdefault(name, []).append(item)
    return {part: {name: files(items) for name, items in of_part.items()} for part, of_part in found.items()}


def _by_name(items: Sequence[Item]) -> Iterator[tuple[str, Item]]:
    """Yield the items by the names of their files; of equal names in several folders, all but the last get a number."""
    last = {_file_name(item): item.clean for item in items}
    numbers: dict[str, dict[Path, int]] = {}
    for item in items:
        name = _file_name(item)
        if item.clean == last[name]:  # as earlier versions recorded
            yield name, item
        else:
            known = numbers.setdefault(name, {})
            yield f"{name} ({known.setdefault(item.clean, len(known) + 1)})", item


def _file_name(item: Item) -> str:
    return item.name if item.page is None else item.name.rpartition("#")[0]


def _are_equal(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> bool:
    """Return whether two records of a file are equal; earlier versions recorded no pages."""
    if before is None or now is None or before.keys() != now.keys():
        return before == now
    return all(one == {key: now[kind].get(key) for key in one} for kind, one in before.items())


def _content(file: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of a recorded file, whatever pages of it are in a part."""
    return {kind: one["sha256"] for kind, one in file.items()}


def check_images(folder: RunFolder, splits: Splits) -> bool:
    """Record the names and digests of the images of each part, or check that they are as when the run began.

    Returns:
        Whether their content was compared: runs of earlier versions recorded their names only.

    Raises:
        UserError: the images have changed.
    """
    found = digests_of(splits)
    if not folder.images.exists():
        write_json(folder.images, splits.names())
    elif (earlier := folder.read_images()) != splits.names():
        if _are_renamed_folders(folder, earlier, splits, found):
            write_json(folder.images, splits.names())
            write_json(folder.digests, found)
            return True
        raise UserError(
            f"{folder}: the images have changed since this run began ({_differences(folder, earlier, splits, found)}); "
            "put the earlier files back, or choose another folder with --out"
        )
    if not folder.digests.exists():
        write_json(folder.digests, found)
        return False
    before = folder.read_digests()
    changed = [
        name
        for part, files in found.items()
        for name, now in files.items()
        if not _are_equal(before.get(part, {}).get(name, now), now)
    ]
    if changed:
        raise UserError(
            f"{folder}: {len(changed)} of its images have changed since this run began ({few(changed)}); "
            "put the earlier files back, or choose another folder with --out"
        )
    if before != found:  # files that an earlier version did not record
        write_json(folder.digests, found)
    return True


def _are_renamed_folders(
    folder: RunFolder, earlier: dict[str, list[str]], splits: Splits, found: dict[str, dict[str, Any]]
) -> bool:
    """Return whether all files are as before, in their order, and only the folders before their names differ."""
    if not folder.digests.exists():
        return False
    recorded = folder.read_digests()
    for part, items in splits.parts().items():
        before = earlier.get(part, [])
        if len(before) != len(items):
            return False
        for name, item in zip(before, items, strict=True):
            file = name if item.page is None else name.rpartition("#")[0]
            known = recorded.get(part, {}).get(file)
            if Path(name).name != Path(item.name).name or not _are_equal(known, found[part][_file_name(item)]):
                return False
    return True


def _differences(
    folder: RunFolder, earlier: dict[str, list[str]], splits: Splits, found: dict[str, dict[str, Any]]
) -> str:
    """Return in words which images are missing, new, changed or in another part."""
    before, now = (
        {name: part for part, names in parts.items() for name in names} for parts in (earlier, splits.names())
    )
    recorded = folder.read_digests() if folder.digests.exists() else {}
    old, new = (
        {name: _content(file) for files in parts.values() for name, file in files.items()}
        for parts in (recorded, found)
    )
    kinds = {
        "missing": [name for name in before if name not in now],
        "new": [name for name in now if name not in before],
        "changed": [name for name in new if name in old and old[name] != new[name]],
    }
    if not any(kinds.values()):
        kinds["in another part"] = [name for name in now if now[name] != before[name]]
    said = [f"{len(names)} {kind}: {few(sorted(names))}" for kind, names in kinds.items() if names]
    return "; ".join(said) or f"the order or the parts in {folder.images.name}"


def train_longer(folder: RunFolder, recipe: Recipe, before: int, say: Say) -> None:
    """Prepare a run, finished or not, to train for more epochs than the ``before`` of its recipe; say how.

    Results of a finished training move to ``after-N-epochs``, since they are of other weights.

    Raises:
        UserError: a finished training has no checkpoint left.
    """
    stage, epochs = folder.train, recipe.train.epochs
    if stage.finished and not stage.begun:
        raise UserError(
            f"{folder}: its training has ended and has no checkpoint left, so it cannot be continued; "
            f"train on from its weights with --start {folder} --out ANOTHER"
        )
    done = min(len(stage.read_metrics("step", strict=False)), before)
    if done:
        first, last = (learning_rate(recipe.train.optimizer, epoch, epochs) for epoch in (done, epochs - 1))
        say(
            f"train.epochs: raised from {before} to {epochs}; epochs {done + 1} to {epochs} follow the learning rate "
            f"of a run of {epochs} epochs, from {first:.3g} to {last:.3g}"
        )
    if stage.finished:
        earlier = folder.path / f"after-{before}-epochs"
        earlier.mkdir(exist_ok=True)
        # The result is last: until it has moved, a killed call does the same again.
        for path in (folder.evaluation, folder.samples, folder.sample_list, folder.ranking, stage.result):
            if path.exists():
                path.replace(earlier / path.name)
