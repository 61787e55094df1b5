"""What the data-set doctor found, in plain words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from clearer.core.console import print_table, say


@dataclass(frozen=True)
class Part:
    """One set: a folder of images or pairs, or a sub-folder such as ``train``.

    Args:
        name: the sub-folder's name; ``"all"`` if the folder has no parts.
        kind: ``train``, ``validation``, ``test`` or ``all``.
        folder: as given, for two folders that of the clean images.
        layout: ``clean``, ``pairs`` or ``side-by-side``; ``none`` if there are no images.
        count: images or pairs found, readable or not.
        gray, color: readable clean images of each kind.
        heights, widths: smallest, median and largest of the clean images (halves), in pixels.
        bytes: of all files.
        unreadable: (file name, reason).
        mismatched: what does not pair up, a sentence each.
        same: pairs whose two images are one and the same.
        dark: clean images that use no more than the lowest sixteenth of their levels.
        copies: groups of names with exactly the same clean pixels.
        near: groups of names that show the same clean image, exact copies among them.
    """

    name: str
    kind: str
    folder: str
    layout: str
    count: int
    gray: int = 0
    color: int = 0
    heights: tuple[int, int, int] | None = None
    widths: tuple[int, int, int] | None = None
    bytes: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()
    mismatched: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    copies: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Leak:
    """Pairs of names, one of part ``first`` and one of part ``second``, with the same clean image."""

    first: str
    second: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Findings:
    """What `clearer.data.doctor.examine` found.

    ``guessed`` tells that no layout was given. ``split`` maps parts to names; it is None if no split
    can be proposed, and ``why_no_split`` says why. A folder with parts is split further only if it
    has one train part and no validation part.
    """

    where: str
    guessed: bool
    parts: tuple[Part, ...]
    leaks: tuple[Leak, ...]
    split: dict[str, tuple[str, ...]] | None
    why_no_split: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the findings, and the advice drawn from them, in a form for JSON."""
        return {**dataclasses.asdict(self), "advice": advice(self)}


def advice(findings: Findings) -> list[str]:
    """Return what to do, one plain sentence each, the most pressing first."""
    several = len(findings.parts) > 1
    said = []
    for part in findings.parts:
        at = f"{part.name}: " if several else ""
        if not part.count:
            said.append(f"{at}No usable images in {part.folder}.")
        if part.unreadable:
            first = ": ".join(part.unreadable[0])
            said.append(f"{at}{_many(part.unreadable, 'file')} cannot be read ({first}). Replace or remove them.")
        if part.mismatched:
            said.append(
                f"{at}{len(part.mismatched)} cannot be paired ({part.mismatched[0]}). "
                "Add what is missing, or remove them."
            )
        if part.same:
            said.append(
                f"{at}{_many(part.same, 'pair')} of {part.count} show the same image twice, such as {part.same[0]}. "
                "Nothing can be learnt or measured from them; leave them out."
            )
        if part.dark:
            said.append(
                f"{at}{_many(part.dark, 'image')} of {part.count} use no more than a sixteenth of their levels, such "
                f"as {part.dark[0]}. If a camera's 12 bits lie in files of 16, multiply them by 16 first: images are "
                "learned from as 8 bits."
            )
        if part.gray and part.color:
            said.append(
                f"{at}{part.gray} gray and {part.color} color files are mixed. Convert or move the "
                f"{'gray' if part.gray <= part.color else 'color'} ones, or set data.convert=true."
            )
        if part.layout == "side-by-side" and findings.guessed:
            said.append(
                f"{at}Both halves of each file agree, so each seems to hold a pair side by side. Look at one: set "
                "data.layout=side-by-side, and data.clean_side to the half that is clean (left or right)."
            )
        if part.near:
            inside = sum(len(group) for group in part.near)
            said.append(
                f"{at}{inside} images are near-duplicates of others, in {_many(part.near, 'group')}, such as "
                f"{_few(part.near[0])}. "
                + (
                    "Split by clean image, not by file."
                    if part.kind in ("train", "all")
                    else "A mean over this part counts their scenes several times."
                )
            )
    for leak in findings.leaks:
        a, b = leak.pairs[0]
        said.append(
            f"{leak.first} and {leak.second} share clean images in {_many(leak.pairs, 'pair')} of files, such as "
            f"{leak.first}/{a} and {leak.second}/{b}. Remove one side, or set data.leaks=drop."
        )
    if findings.split is not None:
        counts = ", ".join(f"{len(names)} {part}" for part, names in findings.split.items())
        said.append(f"A split by clean image is proposed: {counts}.")
    elif findings.why_no_split and not several:
        said.append(f"No split is proposed: {findings.why_no_split}.")
    return said


def print_findings(findings: Findings, console: Console) -> None:
    """Print a table with a column for each part, then what to do."""
    guess = " (guessed)" if findings.guessed else ""
    parts = findings.parts
    rows = [
        ("layout", *(part.layout + guess for part in parts)),
        ("images or pairs", *(str(part.count) for part in parts)),
        ("gray / color", *(f"{part.gray} / {part.color}" for part in parts)),
        ("height: least, median, most", *(_numbers(part.heights) for part in parts)),
        ("width: least, median, most", *(_numbers(part.widths) for part in parts)),
        ("megabytes", *(f"{part.bytes / 1e6:.1f}" for part in parts)),
        ("unreadable files", *(str(len(part.unreadable)) for part in parts)),
        ("cannot be paired", *(str(len(part.mismatched)) for part in parts)),
        ("same image twice in a pair", *(str(len(part.same)) for part in parts)),
        ("nearly black", *(str(len(part.dark)) for part in parts)),
        ("exact copies", *(_grouped(part.copies) for part in parts)),
        ("near-duplicates", *(_grouped(part.near) for part in parts)),
    ]
    print_table(f"Images in {findings.where}", ("", *(part.name for part in parts)), rows, console)
    for sentence in advice(findings) or ["No problems found."]:
        say(f"- {sentence}", console)


def _numbers(spread: tuple[int, int, int] | None) -> str:
    return " ".join(str(n) for n in spread) if spread else "-"


def _grouped(found: tuple[tuple[str, ...], ...]) -> str:
    return f"{sum(len(group) for group in found)} in {_many(found, 'group')}" if found else "0"


def _many(things: tuple[Any, ...], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
