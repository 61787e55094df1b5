"""Which images train, which validate, which test; and that none of them shows up twice."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.duplicates import Fingerprints, fingerprints, leaks, propose_split
from clearer.data.folders import Folders, Item, check_channels, check_sizes, find_items, has_images, sub_folders
from clearer.degradations.registry import DEGRADATIONS
from clearer.recipe.schema import DataSettings, Pairs

PARTS = ("train", "validation", "test")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Splits:
    """The images of a run; ``test`` may be empty."""

    train: list[Item]
    validation: list[Item]
    test: list[Item]

    def names(self) -> dict[str, list[str]]:
        """Return the file names of each part."""
        return {part: [item.name for item in getattr(self, part)] for part in PARTS}


def resolve_splits(settings: DataSettings, *, channels: int, patch: int, seed: int, say: Say) -> Splits:
    """Find the images that a recipe names, split them where it does not, and check them.

    A training image that shows the same clean image as a validation or test image, or a
    validation image the same as a test image, is a leak: it is refused or dropped, as
    ``settings.leaks`` says.

    Raises:
        UserError: no images are named; a folder is missing, empty or holds what does not fit
            (channels, sizes, partners); a leak.
    """
    settings = _with_sub_folders(settings)
    whole = settings.folder if settings.train is None else settings.train
    if whole is None:
        raise UserError("data: no images are named; give --data FOLDER, or --train, --validation and --test")
    train = _find_all(whole, settings) if isinstance(whole, list) else _find(whole, settings)
    validation = [] if settings.validation is None else _find(settings.validation, settings)
    if settings.only_validation is not None:
        if settings.validation is None:
            raise UserError("data.only_validation: names images of data.validation, which is not given")
        validation = _named(validation, settings.only_validation)
    test = [] if settings.test is None else _find(settings.test, settings)
    if settings.train is None or not validation:
        _check(train, settings, channels, patch)
        shares = list(settings.fractions)
        if settings.train is not None or test:  # the share of what is not to be split off stays in training
            shares = [shares[0] + shares[2], shares[1], 0.0]
        if validation:
            shares = [shares[0] + shares[1], 0.0, shares[2]]
        parts = propose_split(train, fingerprints(train), fractions=(shares[0], shares[1], shares[2]), seed=seed)
        train, validation, test = parts["train"], validation or parts["validation"], test or parts["test"]
    train = _spread(train, settings.limit_train) + _clean_besides(settings)
    validation = _spread(validation, settings.limit_validation)
    test = sorted(test, key=_name)
    measured = test[: settings.limit_test]
    for part in (train, validation, measured):
        _check(part, settings, channels, patch)
    # The whole test set may be measured later: nothing of it may be learned from.
    return dataclasses.replace(_without_leaks(Splits(train, validation, test), settings.leaks, say), test=measured)


def _with_sub_folders(settings: DataSettings) -> DataSettings:
    """Take a folder of sub-folders named train, val and test, or like that, as the split that it is."""
    folder = settings.folder
    if (
        settings.train is not None
        or not isinstance(folder, str)
        or not Path(folder).is_dir()
        or has_images(Path(folder))
    ):
        return settings
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for inside in sub_folders(Path(folder)):
        for prefix, part in (("train", "train"), ("val", "validation"), ("test", "test")):
            if inside.name.lower().startswith(prefix):
                found[part].append(inside)
    if not found["train"]:
        return settings
    for part, places in found.items():
        if len(places) > 1 and getattr(settings, part) is None:
            names = " and ".join(place.name for place in places)
            raise UserError(f"{folder}: both {names} look like {part} images; say which, as by --{part} {places[0]}")
    named = {part: str(places[0]) for part, places in found.items() if places and getattr(settings, part) is None}
    return dataclasses.replace(settings, **named)  # type: ignore[arg-type]


def _name(item: Item) -> str:
    return item.name


def _spread(items: list[Item], limit: int | None) -> list[Item]:
    """Return so many images, spread evenly over the sorted list: neighbors by name are often alike."""
    items = sorted(items, key=_name)
    if limit is None or limit >= len(items):
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def _find(where: str | Pairs, settings: DataSettings) -> list[Item]:
    place = where if isinstance(where, str) else Folders(clean=where.clean, degraded=where.degraded)
    return find_items(place, settings.layout, settings.clean_side)


def _find_all(places: list[str], settings: DataSettings) -> list[Item]:
    """Return the items of several folders; names that would be there twice get their folder before them."""
    found = [(place, item) for place in places for item in _find(place, settings)]
    count = Counter(item.name for _, item in found)
    return [
        dataclasses.replace(item, name=f"{Path(place).as_posix()}/{item.name}") if count[item.name] > 1 else item
        for place, item in found
    ]


def _clean_besides(settings: DataSettings) -> list[Item]:
    """Return the clean images that train beside the others, each with its folder before its name."""
    if settings.train_clean is None:
        return []
    if settings.degradation.needs_pairs:
        kinds = " or ".join(kind for kind, one in DEGRADATIONS.all().items() if not one.needs_pairs)
        raise UserError(f"data.train_clean: nothing degrades these images; set data.degradation.kind to {kinds}")
    places = [settings.train_clean] if isinstance(settings.train_clean, str) else settings.train_clean
    return [
        dataclasses.replace(item, name=f"{Path(place).as_posix()}/{item.name}")
        for place in places
        for item in find_items(place, "clean")
    ]


def _named(items: list[Item], path: str) -> list[Item]:
    """Return the items that a text file names, a file name a line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.only_validation: {path} cannot be read as text ({error}); name a text file") from error
    wanted = {line.strip() for line in lines if line.strip()}
    missing = sorted(wanted - {item.name for item in items})
    if missing or not wanted:
        what = f"{missing[0]}, which is not in data.validation" if missing else "nothing"
        raise UserError(f"data.only_validation: {path} names {what}; name files of that folder, one a line")
    return [item for item in items if item.name in wanted]


def _check(items: list[Item], settings: DataSettings, channels: int, patch: int) -> None:
    if not items:
        return
    check_channels(items, channels, settings.convert)
    check_sizes(items, patch)
    paired = [item.side is not None or item.degraded is not None for item in items]
    if settings.degradation.needs_pairs and not all(paired):
        place = Path(items[paired.index(False)].clean).parent
        raise UserError(
            f"{place}: holds clean images only and the recipe has no degradation; give pairs, "
            "or set data.degradation.kind=gaussian, or data.layout=side-by-side if each file holds both halves"
        )


def _without_leaks(splits: Splits, policy: str, say: Say) -> Splits:
    prints: dict[str, Fingerprints] = {
        part: fingerprints(getattr(splits, part)) for part in PARTS if getattr(splits, part)
    }
    kept: dict[str, list[Item]] = {part: list(getattr(splits, part)) for part in PARTS}
    for part, other in (("validation", "test"), ("train", "test"), ("train", "validation")):
        if part not in prints or other not in prints:
            continue
        found = leaks(prints[part], prints[other])
        if not found:
            continue
        first, second = found[0]
        dropped = {name for name, _ in found}  # one may be there several times on the other side
        what = (
            f"{len(dropped)} {part} image(s) show the same clean image as a {other} image, "
            f"such as {first} and {second}"
        )
        if policy == "refuse":
            raise UserError(f"data: {what}; move them, or set data.leaks=drop to leave them out of {part}")
        kept[part] = [item for item in kept[part] if item.name not in dropped]
        say(f"{what}: {len(dropped)} left out of {part}")
    for part in ("train", "validation"):
        if not kept[part]:
            raise UserError(f"data.{part}: no image is left once leaking ones are dropped; add other images")
    return Splits(**kept)
