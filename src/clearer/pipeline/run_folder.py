"""Open a run folder: one process at a time writes it, and it never mixes runs of different recipes or images."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from clearer.core.config import plain
from clearer.core.errors import UserError
from clearer.core.files import write_json, write_text
from clearer.core.leftovers import is_held, is_temporary
from clearer.core.version import __version__
from clearer.data.splits import Splits
from clearer.pipeline.resumption import check_images, in_words_of, train_longer, without_images
from clearer.recipe.former_settings import use_present_settings
from clearer.recipe.load import read_mapping, recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import RunRecord
from clearer.training import distributed
from clearer.training.job import RunContext
from clearer.training.run_device import device_name

# These settings may change when a run is resumed.
FREE = ("device", "checkpoint_minutes", "description")
NOT_STATED = object()


LOCK_SECONDS = 10.0
"""Time that a process which was just stopped, or whose parent was killed, has to write its checkpoint and end."""


@contextmanager
def opened_run(recipe: Recipe, context: RunContext, splits: Splits) -> Iterator[None]:
    """Create the folder of a run or open it to resume, and record the recipe, the images and the software.

    All processes of a run call this; the first one holds the folder until the block ends.

    Raises:
        UserError: the folder cannot be written, holds a run of another recipe or other images, or another
            process is writing it.
    """
    folder = context.folder
    with ExitStack() as held:

        def open_folder() -> None:
            held.enter_context(_locked(folder))
            _record(folder, recipe, splits, context.say)
            _record_run(recipe, context, splits)

        distributed.first(open_folder)
        yield


@contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    """Make the folder and lock it."""
    _refuse_foreign(folder)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder with --out") from error
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _refuse_foreign(folder: RunFolder) -> None:
    if folder.path.is_dir() and not folder.is_run:
        # A call that was killed while it wrote the recipe, its first file, leaves a temporary one.
        found = [entry for entry in folder.path.iterdir() if not is_temporary(entry.name)]
        foreign = sorted(entry.name for entry in found if entry not in (folder.lock, folder.budget))
        if foreign:
            raise UserError(f"{folder}: holds {foreign[0]} and is not a run; choose an empty or new folder with --out")


def _take(lock: int, folder: RunFolder) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while is_held(lock):  # None where there are no locks: the user sees to it that one process writes
        if time.monotonic() >= until:
            raise UserError(
                f"{folder}: another process is writing this run; wait until it ends, or choose another folder "
                "with --out"
            )
        time.sleep(0.1)


def _record(folder: RunFolder, recipe: Recipe, splits: Splits, say: Callable[[str], None]) -> None:
    """Write the recipe and the images, or check that they are those of the run; raised epochs continue it."""
    if not folder.is_run:
        write_text(folder.recipe, recipe.to_yaml())
        check_images(folder, splits)
        return
    (before, stated), now = _stored(folder), plain(recipe, whole=True)
    epochs = before["train"]["epochs"]
    longer = recipe.train.epochs > epochs
    if longer:
        before["train"]["epochs"] = recipe.train.epochs
    other_folders = _difference(before, now, stated, recipe)
    _refuse(folder, _difference(without_images(before), without_images(now), stated, recipe))
    if not check_images(folder, splits):
        _refuse(folder, other_folders)  # the same images elsewhere, for all that is known by their names
    if longer:
        train_longer(folder, recipe, epochs, say)
        write_text(folder.recipe, recipe.to_yaml())


def refuse_other_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Refuse a run that another recipe made; a folder without a recipe passes.

    Raises:
        UserError: the recipes differ in more than where and how the run is computed.
    """
    if folder.is_run:
        before, stated = _stored(folder)
        _refuse(folder, _difference(before, plain(recipe, whole=True), stated, recipe))


def _stored(folder: RunFolder) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of a run, those added since at their defaults, and the settings that its recipe states."""
    try:
        stated = read_mapping(folder.recipe)
        settings: dict[str, Any] = plain(recipe_from_dict(stated), whole=True)
        use_present_settings(stated)
        return settings, stated
    except UserError as error:
        text = str(error).removeprefix(f"{folder.recipe}: ")
        raise UserError(
            f"{folder.recipe}: damaged ({text}); put it back, or choose another folder with --out"
        ) from error


def _refuse(folder: RunFolder, difference: str | None) -> None:
    if difference:
        raise UserError(f"{folder}: holds a run of another recipe ({difference}); choose another folder with --out")


def _difference(before: dict[str, Any], now: dict[str, Any], stated: dict[str, Any], recipe: Recipe) -> str | None:
    """Return in words the first setting that differs; ``stated`` are those that the recipe of before states."""
    free = FREE if recipe.form is None else (*FREE, "search")  # a given network is not searched
    return _first_difference(in_words_of(now, before), now, stated, "", free)


def _first_difference(a: Any, b: Any, stated: Any, path: str, free: tuple[str, ...] = ()) -> str | None:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*b, *(k for k in a if k not in b)]:
            if key in free:
                continue
            inner = stated.get(key, NOT_STATED) if isinstance(stated, dict) else NOT_STATED
            found = _first_difference(a.get(key), b.get(key), inner, f"{path}.{key}" if path else key)
            if found:
                return found
        return None
    if a == b:
        return None
    if stated is NOT_STATED:  # a version without this setting wrote the recipe, or it was left out at its default
        return f"{path} was not stated{'' if a is None else f', which means {a!r}'}; now {b!r}"
    return f"{path} was {a!r}, now {b!r}"


def _record_run(recipe: Recipe, context: RunContext, splits: Splits) -> None:
    folder = context.folder
    if folder.train.finished:
        return  # finished stages were not run by this process
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record: RunRecord = {
        "recipe": recipe.name,
        "task": recipe.task,
        "created": folder.read_record().get("created", now) if folder.record.exists() else now,
        "clearer": __version__,
        "torch": torch.__version__,
        "device": device_name(context.device),
        "threads": torch.get_num_threads(),
        "precision": context.precision,
        "images": {part: len(names) for part, names in splits.names().items()},
    }
    write_json(folder.record, record)
