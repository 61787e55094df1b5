"""Choose the images for training, validation and test, and check that no image is in two of them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.core.spread import evenly
from clearer.core.text import few
from clearer.data.duplicates import PARTS, Fingerprint, Fingerprints, fingerprint, fingerprints, leaks, propose_split
from clearer.data.exclusions import without_excluded
from clearer.data.fields import fields_of
from clearer.data.folders import find_items, left_out, matching_note, part_folders
from clearer.data.items import Item, check_channels, check_sizes, in_folder
from clearer.data.noisy import is_noisy_only, split_noisy
from clearer.data.stacks import only_channel
from clearer.degradations.registry import DEGRADATIONS
from clearer.recipe.schema import DataSettings, Pairs

Say = Callable[[str], None]


@dataclass(frozen=True)
class Splits:
    """The images of a run; ``test`` may be empty."""

    train: list[Item]
    validation: list[Item]
    test: list[Item]

    def names(self) -> dict[str, list[str]]:
        """Return the file names of each part."""
        return {part: [item.name for item in items] for part, items in self.parts().items()}

    def parts(self) -> dict[str, list[Item]]:
        """Return the items of each part."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def resolve_splits(settings: DataSettings, *, channels: int, patch: int, seed: int, say: Say) -> Splits:
    """Find the images that a recipe names, split them if needed, and check them.

    A training image with the same clean image as a validation or test image is a leak, and so is a
    validation image with that of a test image. ``settings.leaks`` decides whether leaks are refused or dropped.

    Args:
        settings: the recipe's ``data``.
        channels: of the network.
        patch: side of the training patches in pixels.
        seed: of the split.
        say: called with one line for each kind of leak that is dropped.

    Raises:
        UserError: no images are named; a folder is missing, empty or does not fit (channels, sizes,
            partners); or there is a leak.
    """
    if is_noisy_only(settings):
        return _noisy_splits(settings, channels, patch, say)
    settings = _with_part_folders(settings)
    whole = settings.folder if settings.train is None else settings.train
    if whole is None:
        raise UserError("data: no images are named; give --data FOLDER, or --train, --validation and --test")
    for remark in _remarks(settings, whole):
        say(remark)
    prints = _Prints()
    train = _find_all(whole, settings) if isinstance(whole, list) else _find(whole, settings)
    validation = [] if settings.validation is None else _find(settings.validation, settings)
    if settings.only_validation is not None:
        if settings.validation is None:
            raise UserError("data.only_validation: names images of data.validation, which is not given")
        validation = _named(validation, settings.only_validation)
    test = [] if settings.test is None else _find(settings.test, settings)
    extra = _extra_clean(settings)
    train, validation, extra = without_excluded([train, validation, extra], settings.exclude, say)
    if settings.train is None or not validation:
        _check(train, settings, channels, patch)
        fractions = _fractions(settings, bool(validation), bool(test))
        fields, rule = fields_of(train, settings.group)
        if rule:
            say(f"data: {rule}: the images of a field stay in one part (data.group)")
        parts = propose_split(train, prints.of(train), fractions, seed, fields)
        train, validation, test = parts["train"], validation or parts["validation"], test or parts["test"]
    train = _evenly(train, settings.limit_train) + extra
    validation = _evenly(validation, settings.limit_validation)
    test = sorted(test, key=_name)
    measured = test[: settings.limit_test]
    for part in (train, validation, measured):
        _check(part, settings, channels, patch)
    # The whole test set may be measured later, so leaks into any of it count.
    splits = _without_leaks(Splits(train, validation, test), settings.leaks, prints, say)
    _say_shared_stacks(splits, say)
    return dataclasses.replace(splits, test=measured)


def unseen_images(
    folder: str, seen: Splits, settings: DataSettings, *, channels: int, patch: int, say: Say
) -> list[Item]:
    """Return the images of a folder that show nothing which training or validation images show.

    Args:
        folder: of test images, laid out as those of the recipe.
        seen: the images of a run.
        settings: the recipe's ``data``.
        channels: of the network.
        patch: side of the patches in pixels.
        say: called with a line where images are left out.

    Raises:
        UserError: the folder is missing or does not fit; or none of its images is new.
    """
    found = sorted(_find(folder, settings), key=_name)
    _check(found, settings, channels, patch)
    return without_seen(found, folder, seen, say)


def without_seen(found: list[Item], folder: str, seen: Splits, say: Say) -> list[Item]:
    """Return the images of a folder that show nothing which training or validation images show; see `unseen_images`.

    Raises:
        UserError: none of them is new.
    """
    known = {name for _, name in leaks(fingerprints([*seen.train, *seen.validation]), fingerprints(found))}
    unseen = [item for item in found if item.name not in known]
    if not unseen:
        raise UserError(f"{folder}: all {len(found)} images show what training or validation images show; give others")
    if known:
        say(f"{folder}: {len(known)} of {len(found)} images show what training or validation images show: left out")
    return unseen


def _noisy_splits(settings: DataSettings, channels: int, patch: int, say: Say) -> Splits:
    """Return the images of each part where there is no ground truth; see `split_noisy`."""
    for name in ("train_clean", "only_validation", "group"):
        if getattr(settings, name) is not None:
            raise UserError(f"data.{name}: {getattr(settings, name)!r} is for images with ground truth; leave it out")
    for line in _unused(settings):
        say(line)
    parts = split_noisy(settings)
    train, validation = without_excluded([parts["train"], parts["validation"]], settings.exclude, say)
    train = _evenly(train, settings.limit_train)
    validation = _evenly(validation, settings.limit_validation)
    test = sorted(parts["test"], key=_name)[: settings.limit_test]
    for part in (train, validation, test):
        check_channels(part, channels, settings.convert)
    check_sizes(train, patch)
    splits = Splits(train, validation, test)
    _say_shared_stacks(splits, say)
    return splits


def _say_shared_stacks(splits: Splits, say: Say) -> None:
    """Say it if pages of one stack are in several parts, as where fewer stacks than parts were given."""
    files = [{item.clean for item in part if item.page is not None} for part in splits.parts().values()]
    shared = sorted({path.name for one in files for other in files if one is not other for path in one & other})
    if shared:
        say(
            f"data: pages of {few(shared)} are in several parts: pages of one stack resemble each other, so figures on "
            "them are too good; give other stacks with --validation and --test"
        )


def _unused(settings: DataSettings) -> list[str]:
    """Return a line for each setting that was changed, and does nothing where there is no ground truth."""
    default, where = DataSettings(), f"not used with data.layout {settings.layout}"
    lines = []
    if settings.soft_share:
        lines.append(f"data.soft_share: {settings.soft_share:g} is {where}: only clean images are enlarged")
    if settings.leaks != default.leaks:
        lines.append(f"data.leaks: {settings.leaks} is {where}: the noise alone has to differ between the parts")
    if settings.fractions[2] != default.fractions[2]:
        lines.append(
            f"data.fractions: the share {settings.fractions[2]:g} of test images is {where}: these train, too; name "
            "pairs with --test to measure on them"
        )
    return lines


class _Prints:
    """Fingerprints of items, each of which is read once."""

    def __init__(self) -> None:
        self.known: dict[Item, Fingerprint] = {}

    def of(self, items: Sequence[Item]) -> Fingerprints:
        for item in items:
            if item not in self.known:
                self.known[item] = fingerprint(item)
        return Fingerprints.of([self.known[item] for item in items])


def _with_part_folders(settings: DataSettings) -> DataSettings:
    """Use the sub-folders named train, val and test, or similar, of a folder as the split."""
    folder = settings.folder
    if settings.train is not None or not isinstance(folder, str):
        return settings
    found = part_folders(folder)
    if not found["train"]:
        return settings
    for part, places in found.items():
        if len(places) > 1 and getattr(settings, part) is None:
            names = " and ".join(place.name for place in places)
            raise UserError(f"{folder}: both {names} look like {part} images; name one, as by --{part} {places[0]}")
    named = {part: str(places[0]) for part, places in found.items() if places and getattr(settings, part) is None}
    return dataclasses.replace(settings, **named)  # type: ignore[arg-type]


def _fractions(settings: DataSettings, has_validation: bool, has_test: bool) -> tuple[float, float, float]:
    """Return the fractions to split by: the fraction of a part that is not split off stays in training."""
    train, validation, test = settings.fractions
    if settings.train is not None or has_test:
        train, test = train + test, 0.0
    if has_validation:
        train, validation = train + validation, 0.0
    return train, validation, test


def _name(item: Item) -> str:
    return item.name


def _evenly(items: list[Item], limit: int | None) -> list[Item]:
    """Return at most ``limit`` items, evenly spread over the sorted names, whose neighbors are often alike."""
    return evenly(sorted(items, key=_name), limit)


def _find(where: str | Pairs, settings: DataSettings) -> list[Item]:
    items = find_items(where, settings.layout, settings.clean_side)
    return items if settings.channel is None else only_channel(items, settings.channel)


def _remarks(settings: DataSettings, whole: str | Pairs | list[str]) -> list[str]:
    """Return lines about images that are left out, and about names of pairs that match by a rule."""
    lines = []
    for place in dict.fromkeys([*(whole if isinstance(whole, list) else [whole]), settings.validation, settings.test]):
        if place is None:
            continue
        lines += left_out(place)
        note = matching_note(place, settings.layout)
        lines += [] if note is None else [note]
    return lines


def _find_all(places: list[str], settings: DataSettings) -> list[Item]:
    """Return the items of several folders; a name that occurs in more than one gets its folder in front."""
    found = [(place, item) for place in places for item in _find(place, settings)]
    count = Counter(item.name for _, item in found)
    return [in_folder(item, place) if count[item.name] > 1 else item for place, item in found]


def _extra_clean(settings: DataSettings) -> list[Item]:
    """Return the clean images that train along with the others, each with its folder in front of its name."""
    if settings.train_clean is None:
        return []
    if settings.degradation.needs_pairs:
        kinds = " or ".join(kind for kind, one in DEGRADATIONS.all().items() if not one.needs_pairs)
        raise UserError(f"data.train_clean: nothing degrades these images; set data.degradation.kind to {kinds}")
    places = [settings.train_clean] if isinstance(settings.train_clean, str) else settings.train_clean
    return [in_folder(item, place) for place in places for item in find_items(place, "clean")]


def _named(items: list[Item], path: str) -> list[Item]:
    """Return the items that a text file names, one file name a line."""
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
    check_channels(items, channels, settings.convert)
    check_sizes(items, patch)
    single = next((item for item in items if not item.is_pair), None)
    if settings.degradation.needs_pairs and single is not None:
        raise UserError(
            f"{single.clean.parent}: holds clean images only and the recipe has no degradation; give pairs, "
            "or set data.degradation.kind=gaussian, or data.layout=side-by-side if each file holds both halves"
        )


def _without_leaks(splits: Splits, policy: str, known: _Prints, say: Say) -> Splits:
    kept = splits.parts()
    prints = {part: known.of(items) for part, items in kept.items() if items}
    for part, other in (("validation", "test"), ("train", "test"), ("train", "validation")):
        if part not in prints or other not in prints:
            continue
        found = leaks(prints[part], prints[other])
        if not found:
            continue
        first, second = found[0]
        dropped = {name for name, _ in found}  # one may match several of the other part
        what = (
            f"{len(dropped)} {part} image(s) show the same clean image as a {other} image, such as {first} and {second}"
        )
        if policy == "refuse":
            raise UserError(f"data: {what}; move them, or set data.leaks=drop to leave them out of {part}")
        kept[part] = [item for item in kept[part] if item.name not in dropped]
        say(f"{what}: {len(dropped)} left out of {part}")
    for part in PARTS[:2]:
        if not kept[part]:
            raise UserError(f"data.{part}: no image is left once leaking ones are dropped; add other images")
    return Splits(kept["train"], kept["validation"], kept["test"])
