"""Examine a dataset: what it contains, what is wrong with it, and how to split it."""

from __future__ import annotations

import dataclasses
import shlex
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clearer.core.errors import UserError
from clearer.data.doctor_noise import NoiseSample
from clearer.data.doctor_report import Findings, Leak, Part, Spread
from clearer.data.duplicates import Fingerprint, Fingerprints, groups, leaks, propose_split
from clearer.data.fields import fields_of
from clearer.data.folders import Source, find_items, has_images, match_pairs, pairs_of, part_folders
from clearer.data.items import Item
from clearer.data.ranges import LevelTally, probable_range
from clearer.data.scales import scale_note
from clearer.data.side_by_side import looks_side_by_side
from clearer.data.stacks import pages_of
from clearer.images.pixels import LARGEST_UNIT, WHOLE, Span, span_above, to_unit
from clearer.images.types import AnyPixels, HiddenPixels
from clearer.images.view import read_with_hidden
from clearer.recipe.schema import Pairs

DARK = 16
"""Highest 8-bit gray level of a nearly black image: 12 bits stored in 16 reach no further."""
SAME = 1 / 255
"""Mean absolute difference below which both images of a pair are the same, as a share of the brightness that the
clean image spans. Of dim images, where a few gray levels are the whole signal, one level is a difference."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Set:
    """One part of the dataset, not yet read: where it is, its items, and what cannot be paired."""

    name: str
    kind: str
    folder: str
    items: Sequence[Item]
    layout: str
    unpaired: Sequence[str] = ()
    rule: str = ""


def examine(
    where: Source, layout: str = "auto", clean_side: str = "left", progress: Progress | None = None
) -> Findings:
    """Read every image of a dataset and report on it. Broken files are findings, not errors.

    ``layout="auto"`` takes a folder as side by side if the halves of its files agree; see
    `clearer.data.side_by_side.looks_side_by_side`. Sub-folders are examined only if the folder has
    no images of its own, and they hold the two sides of pairs or have names that begin with train, val or test.

    Args:
        where, layout, clean_side: see `clearer.data.folders.find_items`.
        progress: called with the number of images read and of all.

    Raises:
        UserError: there is nothing to examine.
    """
    sets = _find_sets(where, layout, clean_side)
    if clean_side != "left" and all(one.layout != "side-by-side" for one in sets):
        raise UserError(
            f"--clean-side {clean_side}: no image seems to be a pair side by side; leave it out, or state "
            "--layout side-by-side"
        )
    total = sum(len(one.items) for one in sets)
    parts: list[Part] = []
    prints: list[Fingerprints] = []
    for one in sets:
        tally = _Tally(list(one.unpaired), sample=NoiseSample.of(one.items))
        before = sum(part.count for part in parts)
        for done, item in enumerate(one.items, before + 1):
            tally.add(item)
            if progress is not None:
                progress(done, total)
        prints.append(Fingerprints.of(tally.prints))
        parts.append(_part(one, tally, prints[-1]))
    split, why_no_split = _split(parts, [one.items for one in sets], prints)
    return Findings(
        where=f"{where.clean}, {where.degraded}" if isinstance(where, Pairs) else str(where),
        guessed=layout == "auto",
        parts=tuple(parts),
        leaks=tuple(_leaks(parts, prints)),
        split=split,
        why_no_split=why_no_split,
        fields=fields_of(sets[0].items)[1] if len(sets) == 1 else "",
        command=_training_command(where, clean_side, [part for part in parts if part.kind in ("train", "all")]),
    )


def _find_sets(where: Source, layout: str, clean_side: str) -> list[_Set]:
    """Return the parts of a dataset: its sub-folders named train, val or test, or the whole as one part."""
    if not isinstance(where, Pairs):
        named = [(kind, folder) for kind, folders in part_folders(where).items() for folder in folders]
        if named and pairs_of(where) is None:
            alone = len(named) == 1
            return [_find_set(folder.name, kind, folder, layout, clean_side, alone) for kind, folder in named]
    return [_find_set("all", "all", where, layout, clean_side, alone=True)]


def _find_set(name: str, kind: str, source: Source, layout: str, clean_side: str, alone: bool) -> _Set:
    """Find the items of one part. Only a part that is not alone may be empty."""
    folder = source.clean if isinstance(source, Pairs) else str(source)
    pairs = pairs_of(source, layout)
    if pairs is not None:
        matching = match_pairs(pairs)
        unpaired = [f"{name} has no degraded partner" for name in matching.only_clean]
        unpaired += [f"{name} has no clean partner" for name in matching.only_degraded]
        unpaired += [f"{name} belongs to two files that differ only in suffix" for name in matching.twice]
        try:
            items = pages_of(matching.items)
        except UserError as error:
            items, unpaired = list(matching.items), [*unpaired, str(error)]
        return _Set(name, kind, folder, items, "pairs", unpaired, matching.rule)
    if not alone and not isinstance(source, Pairs) and not has_images(source):
        return _Set(name, kind, folder, [], "none")
    # As "clean": the checks for halves would stop at the first odd width, which is a finding here.
    items = find_items(source, "clean" if layout in ("auto", "side-by-side") else layout, clean_side)
    if layout == "side-by-side" or (layout == "auto" and looks_side_by_side(items)):
        items = [dataclasses.replace(item, side=clean_side) for item in items]
        return _Set(name, kind, folder, items, "side-by-side")
    return _Set(name, kind, folder, items, "clean")


@dataclass
class _Tally:
    """The findings in the images of one part, filled item by item."""

    mismatched: list[str]
    sample: NoiseSample
    prints: list[Fingerprint] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    brightest: list[tuple[str, np.dtype, float]] = field(default_factory=list)
    levels: LevelTally = field(default_factory=LevelTally)
    sizes: dict[Path, int] = field(default_factory=dict)
    gaps: list[tuple[str, float]] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Read the image or both images of an item."""
        paths = [path for path in (item.clean, item.degraded) if path is not None]
        found = [one for path in paths if (one := self._read(path, item.page)) is not None]
        if len(found) != (1 if item.degraded is None else 2):
            return
        images = [image for image, _ in found]
        hidden = [where if where is not None else np.zeros(image.shape[:2], bool) for image, where in found]
        if item.side is not None:
            width = images[0].shape[1]
            if width % 2:
                self.mismatched.append(f"{item.name} has odd width {width}, so it is not two halves")
                return
            images, hidden = (
                halves if item.side == "left" else halves[::-1]
                for halves in ([both[0][:, : width // 2], both[0][:, width // 2 :]] for both in (images, hidden))
            )
        clean = images[0]
        if len(images) == 2:
            degraded = images[1]
            if clean.shape != degraded.shape:
                self.unequal.append(f"{item.name} is {_shape(clean)} but its degraded partner is {_shape(degraded)}")
                return
            if _same(clean, degraded):
                self.same.append(item.name)
        self.sample.add(item, images[-1], clean if len(images) == 2 else None, np.logical_or.reduce(hidden))
        self.brightest.append((item.name, clean.dtype, float(clean.max())))
        self.prints.append(Fingerprint.of(item.name, clean))
        self.shapes.append(clean.shape)

    def dark(self, span: Span) -> tuple[str, ...]:
        """Return the clean images that are nearly black, where deep files have this range."""

        def level(dtype: np.dtype, value: float) -> float:
            if dtype == np.uint8:
                return value
            white = 65535.0 if dtype.kind == "u" else 1.0
            low, high = (0.0, white) if span == WHOLE else span
            return 255 * (value - low) / (high - low)

        return tuple(name for name, dtype, value in self.brightest if level(dtype, value) <= DARK + 0.5)

    def _read(self, path: Path, page: int | None) -> tuple[AnyPixels, HiddenPixels | None] | None:
        """Return the image with the values of its file, and where (H, W) it has none.

        Returns None after noting why the file cannot be read.
        """
        try:
            self.sizes[path] = path.stat().st_size if path.exists() else 0
            image, hidden = read_with_hidden(path, None, None, None, page)
            if hidden is not None:
                self.gaps.append((path.name if page is None else f"{path.name}#{page + 1}", float(hidden.mean())))
            if not np.isfinite(image).all():
                raise UserError("it holds values that are infinite; replace them first")
            self.levels.add(path, image)
            return image, hidden
        except UserError as error:
            self.unreadable.append((f"{path.parent.name}/{path.name}", str(error).removeprefix(f"{path}: ")))
            return None


def _part(found: _Set, tally: _Tally, prints: Fingerprints) -> Part:
    channels = [shape[2] for shape in tally.shapes]
    levels = tally.levels.found()
    span = probable_range(levels)
    return Part(
        name=found.name,
        kind=found.kind,
        folder=found.folder,
        layout=found.layout,
        count=len(found.items),
        gray=channels.count(1),
        color=channels.count(3),
        heights=_min_median_max([shape[0] for shape in tally.shapes]),
        widths=_min_median_max([shape[1] for shape in tally.shapes]),
        bytes=sum(tally.sizes.values()),
        unreadable=tuple(tally.unreadable),
        mismatched=tuple(tally.mismatched),
        unequal=tuple(tally.unequal),
        same=tuple(tally.same),
        dark=tally.dark(span),
        gaps=tuple(tally.gaps),
        levels=tuple(levels.values()),
        copies=_together(prints.names, prints.digests),
        near=_together(prints.names, groups(prints)),
        noise=tally.sample.profile(span),
        input_psnr=tally.sample.input_psnr(span),
        rule=found.rule,
        scales=_scales(found.items, tally, span),
    )


def _scales(items: Sequence[Item], tally: _Tally, span: Span) -> str:
    """Return a line if the pairs of a part that can be read have different scales, else nothing."""
    read = {one.name for one in tally.prints} - set(tally.same)
    return scale_note([dataclasses.replace(item, span=span) for item in items if item.name in read]) or ""


def _training_command(where: Source, clean_side: str, parts: Sequence[Part]) -> str:
    """Return the command that trains on the pairs of a dataset; empty if it has none to train on."""
    if not any(part.layout in ("pairs", "side-by-side") and len(part.same) < part.count for part in parts):
        return ""
    if isinstance(where, Pairs):
        folders = ["--data", where.clean] if where.clean == where.degraded else []
        words = folders or ["--degraded", where.degraded, "--clean", where.clean]
        patterns = {"--clean-pattern": where.clean_pattern, "--degraded-pattern": where.degraded_pattern}
        words += [word for name, pattern in patterns.items() if pattern is not None for word in (name, pattern)]
    else:
        words = ["--data", str(where)]
        if any(part.layout == "side-by-side" for part in parts):
            words += ["--set", "data.layout=side-by-side"]
            words += ["--set", f"data.clean_side={clean_side}"] if clean_side != "left" else []
    return shlex.join(["clearer", "fit", "pairs", *words, "-o", "runs/pairs"])


def _in_units(image: AnyPixels) -> AnyPixels:
    """Return floats that are levels of a camera as units of [0, 1]; all else as it is."""
    least, most = float(image.min()), float(image.max())
    if image.dtype.kind != "f" or -1 <= least <= most <= LARGEST_UNIT:
        return image
    low, high = span_above(least, most)
    return (image - np.float32(low)) / np.float32(high - low)


def _same(clean: AnyPixels, degraded: AnyPixels) -> bool:
    """Return whether two images of one shape differ by less than can be seen in the brightness they span."""
    first, second = (to_unit(_in_units(image)) for image in (clean, degraded))
    low, high = np.quantile(first[::2, ::2], (0.001, 0.999))
    difference = float(np.abs(first - second).mean())
    return difference == 0 or difference < SAME * float(high - low)


def _shape(image: AnyPixels) -> str:
    return f"{image.shape[1]}x{image.shape[0]} {'gray' if image.shape[2] == 1 else 'color'}"


def _min_median_max(values: Sequence[int]) -> Spread | None:
    return (min(values), statistics.median_low(values), max(values)) if values else None


def _together(names: Sequence[str], labels: Sequence[object]) -> tuple[tuple[str, ...], ...]:
    """Return the names that share a label, for each label of more than one name."""
    members: dict[object, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        members.setdefault(label, []).append(name)
    return tuple(tuple(m) for m in members.values() if len(m) > 1)


def _leaks(parts: Sequence[Part], prints: Sequence[Fingerprints]) -> list[Leak]:
    found = []
    for i, first in enumerate(parts):
        for j in range(i + 1, len(parts)):
            if pairs := leaks(prints[i], prints[j]):
                found.append(Leak(first.name, parts[j].name, tuple(pairs)))
    return found


def _split(
    parts: Sequence[Part], items: Sequence[Sequence[Item]], prints: Sequence[Fingerprints]
) -> tuple[dict[str, tuple[str, ...]] | None, str | None]:
    """Return a proposed split as names by part, or why there is none."""
    kinds = [part.kind for part in parts]
    if kinds == ["all"]:
        chosen, fractions = 0, (0.8, 0.1, 0.1)
    elif "validation" in kinds:
        return None, "there is a validation part already"
    elif kinds.count("train") != 1:
        return None, "there is not exactly one train part"
    else:
        chosen, fractions = kinds.index("train"), (0.9, 0.1, 0.0)
    try:
        split = propose_split(items[chosen], prints[chosen], fractions, fields=fields_of(items[chosen])[0])
    except UserError as error:
        return None, str(error)
    return {part: tuple(item.name for item in its) for part, its in split.items() if its}, None
