"""The folder of a run: what it holds, that one process at a time writes it, and that recipes do not mix."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from clearer.core.device import choose_precision
from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json, write_text
from clearer.core.version import __version__
from clearer.data.splits import Splits
from clearer.recipe.load import recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.run_device import choose_device, device_name

# Where a run is computed, and how often it is saved, may change between resumptions.
FREE = ("device", "checkpoint_minutes", "description")


@contextmanager
def opened_run(folder: Path, recipe: Recipe) -> Iterator[None]:
    """Make or take up the folder of a run, for this process alone.

    Raises:
        UserError: it cannot be written, holds another recipe's run, or another process is writing it.
    """
    _refuse_foreign(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(RunFolder(folder).lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder with --out") from error
    try:
        _take(lock, folder)
        _check_recipe(folder, recipe)
        yield
    finally:
        os.close(lock)


def _refuse_foreign(folder: Path) -> None:
    if folder.is_dir() and not RunFolder(folder).is_run:
        foreign = sorted(entry.name for entry in folder.iterdir() if entry != RunFolder(folder).lock)
        if foreign:
            raise UserError(f"{folder}: holds {foreign[0]} and is not a run; choose an empty or new folder with --out")


def _take(lock: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(
            f"{folder}: another process is writing this run; wait for it, or choose another --out"
        ) from None


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    path = RunFolder(folder).recipe
    if not path.exists():
        write_text(path, recipe.to_yaml())
    else:
        refuse_other_recipe(folder, recipe)


def refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    """Refuse a run folder that was made by another recipe; a folder without one is let pass.

    Raises:
        UserError: the recipes differ, in more than where and how the run is computed.
    """
    path = RunFolder(folder).recipe
    if not path.exists():
        return
    # Built anew, so that a setting that came later has its default in an older run.
    before = recipe_from_dict(yaml.safe_load(path.read_text(encoding="utf-8"))).to_dict()
    free = FREE if recipe.given is None else (*FREE, "search")  # of an architecture given by hand, nothing is searched
    difference = _first_difference(before, recipe.to_dict(), "", free)
    if difference:
        raise UserError(f"{folder}: holds a run of another recipe ({difference}); choose another folder with --out")


def _first_difference(a: Any, b: Any, path: str, free: tuple[str, ...] = ()) -> str | None:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*b, *(k for k in a if k not in b)]:
            if key in free:
                continue
            found = _first_difference(a.get(key), b.get(key), f"{path}.{key}" if path else key)
            if found:
                return found
        return None
    return None if a == b else f"{path} was {a!r}, now {b!r}"


def record_images(folder: Path, splits: Splits) -> None:
    """Write which image went where, or check that it is as when the run began.

    Raises:
        UserError: the images have changed since.
    """
    path = RunFolder(folder).images
    if not path.exists():
        write_json(path, splits.names())
    elif read_json(path) != splits.names():
        raise UserError(f"{folder}: the images have changed since this run began; choose another folder with --out")


def record_run(folder: Path, recipe: Recipe, splits: Splits) -> None:
    """Write run.json: what ran, with what, on what."""
    path = RunFolder(folder).record
    if RunFolder(folder).train.finished:
        return  # what is finished was not made by this process
    device = choose_device(recipe.device)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    write_json(
        path,
        {
            "recipe": recipe.name,
            "task": recipe.task,
            "created": read_json(path)["created"] if path.exists() else now,
            "clearer": __version__,
            "torch": torch.__version__,
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "precision": choose_precision(recipe.precision, device),
            "images": {part: len(names) for part, names in splits.names().items()},
        },
    )
