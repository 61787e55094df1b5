"""Match the clean and the degraded images of pairs by their names, by the first rule that fits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.images.types import SUFFIXES

CLEAN_WORDS = frozenset(
    "clean target targets gt truth groundtruth ref reference original norain hq hr high sharp".split()  # noqa: SIM905
)
DEGRADED_WORDS = frozenset(
    "input inputs noisy noise rainy rain degraded blur blurry hazy lq lr low".split()  # noqa: SIM905
)
_SEPARATORS = re.compile(r"[_\-. ]+")
_PARTS = re.compile(r"\d+|[^\W\d_]+|[\W_]+")

Key = Callable[[Path], str]
"""What two partners have in common in their names."""


@dataclass(frozen=True)
class Matching:
    """Clean and degraded images matched by their names.

    Attributes:
        items: the pairs.
        only_clean, only_degraded: names of files without a partner.
        twice: folder and stem of files that differ only in their suffix.
        rule: how names match, in words; empty for equal names.
    """

    items: tuple[Item, ...]
    only_clean: tuple[str, ...]
    only_degraded: tuple[str, ...]
    twice: tuple[str, ...]
    rule: str = ""


def matched(clean: Sequence[Path], degraded: Sequence[Path], patterns: tuple[str | None, str | None]) -> Matching:
    """Match files by the first rule that leaves none alone: equal stems, stems without regard to case, stems without
    the words that tell the sides apart, or stems without what all of a side begin and end with; if each leaves some, by
    the one of the first three that matches most.

    Args:
        clean, degraded: the files.
        patterns: how names of clean and of degraded files are made, where ``*`` is what partners have in common; if one
            is given, they are the only rule.
    """
    if any(patterns):
        keys = tuple(by_pattern(pattern or "*") for pattern in patterns)
        return _by(clean, degraded, keys[0], keys[1], f"patterns {patterns[0] or '*'} and {patterns[1] or '*'}")
    words = CLEAN_WORDS | DEGRADED_WORDS
    used = sorted({word for path in (*clean, *degraded) for word in _words(path) & words})
    rules = [
        _by(clean, degraded, _stem, _stem, ""),
        _by(clean, degraded, _caseless, _caseless, "names without regard to case"),
        _by(
            clean,
            degraded,
            lambda path: _without(path, CLEAN_WORDS),
            lambda path: _without(path, DEGRADED_WORDS),
            f"names without the words {', '.join(used)}",
        ),
    ]
    around = _around(clean), _around(degraded)
    if all(around) and any(pattern != "*" for pattern in around):
        keys = tuple(by_pattern(pattern) for pattern in around)
        last = _by(clean, degraded, keys[0], keys[1], f"patterns {around[0]} and {around[1]}")
        if len(last.items) == len(clean) == len(degraded) and not last.twice:
            rules.append(last)
    whole = (one for one in rules if not (one.only_clean or one.only_degraded or one.twice))
    return next(whole, max(rules, key=lambda one: len(one.items) - len(one.twice)))


def _around(files: Sequence[Path]) -> str:
    """Return the pattern of what all stems of a side begin and end with, such as ``*x2``; "" of fewer than 2 files.

    Numbers and words are not cut: of s10 and s11 it is ``s*``.
    """
    parts = [_PARTS.findall(path.stem) for path in files]
    if len(files) < 2 or any(set("*?[") & set(path.stem) for path in files):
        return ""
    begin = _in_common(parts)
    end = _in_common([part[begin:][::-1] for part in parts])
    first = parts[0]
    return f"{''.join(first[:begin])}*{''.join(first[len(first) - end :])}"


def _in_common(parts: Sequence[Sequence[str]]) -> int:
    """Return with how many equal parts all begin; one part of each is left."""
    most = min(len(part) for part in parts) - 1
    return next((k for k in range(most) if len({part[k].casefold() for part in parts}) > 1), max(most, 0))


def by_pattern(pattern: str) -> Key:
    """Return the part of a name that ``*`` stands for; names that do not fit are alone.

    Raises:
        UserError: the pattern has no ``*``.
    """
    if "*" not in pattern:
        raise UserError(f"pattern {pattern}: has no * for what clean and degraded names have in common, as in '*_gt'")
    form = re.compile(re.escape(pattern).replace(r"\*", "(.*)"), re.IGNORECASE | re.DOTALL)
    states_suffix = Path(pattern).suffix.lower() in SUFFIXES

    def key(path: Path) -> str:
        found = form.fullmatch(path.name if states_suffix else path.stem)
        return "\0".join(found.groups()).casefold() if found else f"\0{path.name}"

    return key


def fits(path: Path, pattern: str | None) -> bool:
    """Return whether a file fits a pattern."""
    return pattern is not None and not by_pattern(pattern)(path).startswith("\0" + path.name)


def sides(files: Sequence[Path]) -> tuple[list[Path], list[Path]] | None:
    """Return the clean and the degraded files of one folder that holds both, by the words in their names.

    None if a file has words of neither side or of both, or if there is no pair.
    """
    clean = [path for path in files if _words(path) & CLEAN_WORDS and not _words(path) & DEGRADED_WORDS]
    degraded = [path for path in files if _words(path) & DEGRADED_WORDS and not _words(path) & CLEAN_WORDS]
    if not clean or len(clean) + len(degraded) < len(files):
        return None
    partners = {_without(path, DEGRADED_WORDS) for path in degraded}
    return (clean, degraded) if any(_without(path, CLEAN_WORDS) in partners for path in clean) else None


def _by(clean: Sequence[Path], degraded: Sequence[Path], of_clean: Key, of_degraded: Key, rule: str) -> Matching:
    left, right = [of_clean(path) for path in clean], [of_degraded(path) for path in degraded]
    twice = [
        f"{files[0].parent.name}/{name}"
        for files, keys in ((clean, left), (degraded, right))
        for name, count in sorted(Counter(keys).items())
        if count > 1
    ]
    partners, stems = dict(zip(right, degraded, strict=True)), set(left)
    pairs = [(path, partners[key]) for path, key in zip(clean, left, strict=True) if key in partners]
    return Matching(
        items=tuple(Item(name=path.name, clean=path, degraded=partner) for path, partner in pairs),
        only_clean=tuple(path.name for path, key in zip(clean, left, strict=True) if key not in partners),
        only_degraded=tuple(path.name for path, key in zip(degraded, right, strict=True) if key not in stems),
        twice=tuple(twice),
        rule=rule,
    )


def _stem(path: Path) -> str:
    return path.stem


def _caseless(path: Path) -> str:
    return path.stem.casefold()


def _words(path: Path) -> set[str]:
    return set(_SEPARATORS.split(path.stem.casefold()))


def _without(path: Path, words: frozenset[str]) -> str:
    """Return the parts of a stem, without regard to case, except those words."""
    parts = _SEPARATORS.split(path.stem.casefold())
    return "_".join(part for part in parts if part not in words) or "\0" + path.stem
