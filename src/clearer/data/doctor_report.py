"""The findings of the dataset doctor: as values, as advice, and as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from clearer.core.console import print_table, say
from clearer.core.errors import UserError
from clearer.core.text import few
from clearer.data.noisy import exposures_hint, scene_of_name
from clearer.data.ranges import Extremes, named, noticed_range
from clearer.noise.profile import NoiseProfile
from clearer.noise.words import in_levels, in_words

Spread = tuple[int, int, int]
"""Smallest, median and largest, in pixels."""


@dataclass(frozen=True)
class Part:
    """The findings for one part of a dataset: a folder of images or pairs, or a sub-folder such as ``train``.

    Args:
        name: name of the sub-folder; ``"all"`` if the folder has no parts.
        kind: ``train``, ``validation``, ``test`` or ``all``.
        folder: as given; of two folders, that of the clean images.
        layout: ``clean``, ``pairs`` or ``side-by-side``; ``none`` if there are no images.
        count: images or pairs found, readable or not.
        gray, color: number of readable clean images of each kind.
        heights, widths: of the clean images or halves.
        bytes: size of all files.
        unreadable: (file name, reason).
        mismatched: what cannot be paired, one sentence each.
        unequal: pairs whose images differ in size or color, one sentence each.
        same: pairs whose two images are the same.
        dark: clean images that use only the lowest sixteenth of the gray levels.
        gaps: images with pixels that have no value (NaN, GDAL_NODATA, fully transparent), and their share.
        levels: lowest and highest value of the files of each depth; they decide which levels are black and white.
        copies: groups of names with exactly equal clean images.
        near: groups of names with the same clean image, exact copies included.
        noise: of the images, or of the degraded ones of pairs, measured on a sample; None if there are none.
        input_psnr: mean PSNR of degraded against clean images of pairs in dB, measured on the same sample.
        rule: how the names of pairs match; empty for equal names.
        scales: a line, if clean and degraded images have different scales; otherwise empty.
    """

    name: str
    kind: str
    folder: str
    layout: str
    count: int
    gray: int = 0
    color: int = 0
    heights: Spread | None = None
    widths: Spread | None = None
    bytes: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()
    mismatched: tuple[str, ...] = ()
    unequal: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    gaps: tuple[tuple[str, float], ...] = ()
    levels: tuple[Extremes, ...] = ()
    copies: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()
    noise: NoiseProfile | None = None
    input_psnr: float | None = None
    rule: str = ""
    scales: str = ""


@dataclass(frozen=True)
class Leak:
    """Pairs of names, one of part ``first`` and one of part ``second``, with the same clean image."""

    first: str
    second: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Findings:
    """The findings of `clearer.data.doctor.examine`.

    Args:
        where: the folder, or both folders of pairs.
        guessed: whether the layout was guessed.
        parts: one for the whole, or one for each sub-folder.
        leaks: between parts.
        split: proposed names by part; None if no split can be proposed. A folder with parts is split further
            only if it has one train part and no validation part.
        why_no_split: the reason if ``split`` is None.
        fields: how fields of view were found in the names, if they were; see `clearer.data.fields.fields_of`.
        command: that trains on the pairs; empty if there are none.
    """

    where: str
    guessed: bool
    parts: tuple[Part, ...]
    leaks: tuple[Leak, ...]
    split: dict[str, tuple[str, ...]] | None
    why_no_split: str | None
    fields: str = ""
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the findings, and the advice drawn from them, ready for JSON."""
        found = {**dataclasses.asdict(self), "advice": advice(self)}
        for part, stated in zip(self.parts, found["parts"], strict=True):
            stated["levels"] = [
                {"depth": one.depth, "files": one.files, "low": one.low, "high": one.high} for one in part.levels
            ]
            stated["noise"] = None if part.noise is None else part.noise.to_dict()
        return found


def advice(findings: Findings) -> list[str]:
    """Return what to do, one sentence or two for each finding, the most pressing first."""
    several = len(findings.parts) > 1
    said = []
    for part in findings.parts:
        at = f"{part.name}: " if several else ""
        said += [at + sentence for sentence in (*_faults(part), *_hints(part, findings.guessed))]
    for leak in findings.leaks:
        a, b = leak.pairs[0]
        said.append(
            f"{leak.first} and {leak.second} share clean images in {_many(leak.pairs, 'pair')} of files, such as "
            f"{leak.first}/{a} and {leak.second}/{b}. Remove one side, or set data.leaks=drop."
        )
    if findings.split is not None:
        counts = ", ".join(f"{len(names)} {part}" for part, names in findings.split.items())
        by = f"field ({findings.fields}) and clean image" if findings.fields else "clean image"
        said.append(f"A split by {by} is proposed: {counts}.")
    elif findings.why_no_split and not several:
        said.append(f"No split is proposed: {findings.why_no_split}.")
    if findings.command:
        faulty = any(part.mismatched or part.unequal or part.unreadable for part in findings.parts)
        said.append(f"To train on the pairs{', once all fit' if faulty else ''}: {findings.command}")
    return said


def _faults(part: Part) -> Iterator[str]:
    """Yield what is wrong with the files of a part."""
    if not part.count:
        yield f"No usable images in {part.folder}."
    if part.unreadable:
        first = ": ".join(part.unreadable[0])
        yield f"{_many(part.unreadable, 'file')} cannot be read ({first}). Replace or remove them."
    if part.mismatched:
        yield (
            f"{len(part.mismatched)} cannot be paired ({part.mismatched[0]}). Add what is missing, remove them, or say "
            "how names match with --clean-pattern '*_gt' --degraded-pattern '*_in'."
        )
    if part.unequal:
        yield (
            f"{_many(part.unequal, 'pair')} of {part.count} with images of unequal size or color ({part.unequal[0]}). "
            "Crop or convert both images alike, or remove them."
        )
    if part.rule and part.count:
        yield f"{_many(range(part.count), 'pair')} matched by {part.rule}."
    if part.same:
        yield (
            f"{_many(part.same, 'pair')} of {part.count} show the same image twice, such as {part.same[0]}. "
            "Nothing can be learned or measured from them; remove them."
        )
    if part.scales:
        yield f"{part.scales}."
    said: list[str] = []
    noticed = None
    try:
        noticed = noticed_range({one.depth: one for one in part.levels}, said.append)
    except UserError as error:
        said.append(str(error))
    for line in said:
        text = line.removeprefix("data: ")
        yield f"{text[0].upper()}{text[1:]}." if line != text else f"{text}."
    if part.gaps:
        name, share = max(part.gaps, key=lambda gap: gap[1])
        yield (
            f"{_many(part.gaps, 'image')} of {part.count} have pixels without a value, at most {share:.1%} in {name} "
            "(none is stored, or they are fully transparent). Training takes patches without them."
        )
    if part.dark and noticed is None:
        yield (
            f"{_many(part.dark, 'image')} of {part.count} use at most a sixteenth of the gray levels, such as "
            f"{part.dark[0]}. For 12 bits of a camera in 16-bit files, set data.range=[0,4095]."
        )


def _hints(part: Part, guessed: bool) -> Iterator[str]:
    """Yield what the settings of a run should take into account."""
    if part.gray and part.color:
        fewer = "gray" if part.gray <= part.color else "color"
        yield (
            f"{part.gray} gray and {part.color} color files are mixed. Convert or move the {fewer} ones, or set "
            "data.convert=true."
        )
    if part.layout == "side-by-side" and guessed:
        yield (
            "Both halves of each file agree, so each seems to hold a pair side by side. Look at one: set "
            "data.layout=side-by-side, and data.clean_side to the clean half (left or right)."
        )
    if part.noise is not None:
        yield from _noise_hints(part, part.noise)
    if part.input_psnr is not None:
        yield f"The degraded images have {part.input_psnr:.2f} dB of PSNR against the clean ones on average."
    exposures = next((group for group in part.near if len({scene_of_name(name) for name in group} - {None}) == 1), None)
    if exposures and part.layout == "clean" and part.noise is not None and part.noise.kind != "clean":
        yield f"{exposures_hint(exposures)}."
    if part.near:
        inside = sum(len(group) for group in part.near)
        todo = (
            "Split by clean image, not by file."
            if part.kind in ("train", "all")
            else "A mean over this part counts their scenes several times."
        )
        yield (
            f"{inside} images are near-duplicates of others, in {_many(part.near, 'group')}, such as "
            f"{few(part.near[0])}. {todo}"
        )


def _noise_hints(part: Part, noise: NoiseProfile) -> Iterator[str]:
    """Yield what was measured of the noise; of single images, also how to train on them."""
    which = "the degraded images" if part.layout in ("pairs", "side-by-side") else "the images"
    first, *others = in_words(noise)
    yield f"Noise of {which}, measured on {noise.images}: {first[:1].lower()}{first[1:]}"
    yield from others
    if part.layout != "clean":
        return
    if noise.kind == "clean":
        yield "They can serve as clean images, to which a recipe adds its degradation."
    else:
        yield f"As clean images they would teach a network to keep this. {noise.recommendation}"


def print_findings(findings: Findings, console: Console) -> None:
    """Print a table with a column for each part, then the advice."""
    parts = findings.parts
    rows = [
        ("layout", *(_layout(part, findings.guessed) for part in parts)),
        ("images or pairs", *(str(part.count) for part in parts)),
        ("gray / color", *(f"{part.gray} / {part.color}" for part in parts)),
        ("height: min, median, max", *(_numbers(part.heights) for part in parts)),
        ("width: min, median, max", *(_numbers(part.widths) for part in parts)),
        ("levels", *(_levels(part.levels) for part in parts)),
        ("megabytes", *(f"{part.bytes / 1e6:.1f}" for part in parts)),
        ("unreadable files", *(str(len(part.unreadable)) for part in parts)),
        ("cannot be paired", *(str(len(part.mismatched)) for part in parts)),
        ("pairs of unequal images", *(str(len(part.unequal)) for part in parts)),
        ("same image twice in a pair", *(str(len(part.same)) for part in parts)),
        ("nearly black", *(str(len(part.dark)) for part in parts)),
        ("noise", *(_short(part.noise) for part in parts)),
        ("PSNR of degraded images", *(_decibels(part.input_psnr) for part in parts)),
        ("exact copies", *(_grouped(part.copies) for part in parts)),
        ("near-duplicates", *(_grouped(part.near) for part in parts)),
    ]
    print_table(f"Images in {findings.where}", ("", *(part.name for part in parts)), rows, console)
    for sentence in advice(findings) or ["No problems found."]:
        say(f"- {sentence}", console)


def _layout(part: Part, guessed: bool) -> str:
    """Return the layout in words. Whether single images are clean is not guessed: their noise is measured."""
    if part.layout == "clean" and guessed:
        return "single images"
    return f"{part.layout}{' (guessed)' if guessed else ''}"


def _short(noise: NoiseProfile | None) -> str:
    if noise is None:
        return "-"
    kind = "correlation unknown" if noise.kind == "independent" and not noise.is_known else noise.kind
    return f"{in_levels(noise, noise.level)}, {kind}"


def _decibels(psnr: float | None) -> str:
    return "-" if psnr is None else f"{psnr:.2f} dB"


def _levels(found: Sequence[Extremes]) -> str:
    return "; ".join(f"{named(one.depth)}: {one.low:g} to {one.high:g}" for one in found) or "-"


def _numbers(spread: Spread | None) -> str:
    return " ".join(str(n) for n in spread) if spread else "-"


def _grouped(found: tuple[tuple[str, ...], ...]) -> str:
    return f"{sum(len(group) for group in found)} in {_many(found, 'group')}" if found else "0"


def _many(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
