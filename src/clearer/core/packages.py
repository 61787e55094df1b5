"""The packages that this one needs, and those of its extras, as the metadata of the installation state them."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TypedDict

NAME = "clearer"

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w.-]+)["']""")


class Needs(TypedDict):
    """Names of packages: those that are always needed, and by extra those that it adds."""

    always: list[str]
    extras: dict[str, list[str]]


def needs() -> Needs:
    """Return what the installed package states that it needs.

    Without metadata, as where the sources are run as they lie, both are empty.
    """
    try:
        found = metadata.metadata(NAME)
    except metadata.PackageNotFoundError:
        return {"always": [], "extras": {}}
    return read_needs(found.get_all("Requires-Dist") or [], found.get_all("Provides-Extra") or [])


def read_needs(requirements: list[str], extras: list[str]) -> Needs:
    """Return the names in requirements; an extra that names extras of this package has their packages.

    >>> read_needs(["torch>=2.6", 'onnx; extra == "onnx"', 'clearer[onnx]; extra == "all"'], ["onnx", "all"])
    {'always': ['torch'], 'extras': {'onnx': ['onnx'], 'all': ['onnx']}}
    """
    always: list[str] = []
    own: dict[str, list[str]] = {extra: [] for extra in extras}
    below: dict[str, list[str]] = {extra: [] for extra in extras}
    for text in requirements:
        requirement, _, condition = text.partition(";")
        found, of = _REQUIREMENT.match(requirement.strip()), _EXTRA.search(condition)
        if found is None:
            continue
        if of is None:
            always.append(found["name"])
        elif found["name"] == NAME:
            below.setdefault(of[1], []).extend(part.strip() for part in (found["extras"] or "").split(","))
        else:
            own.setdefault(of[1], []).append(found["name"])

    def whole(extra: str, seen: tuple[str, ...] = ()) -> list[str]:
        further = [name for inner in below.get(extra, []) if inner not in seen for name in whole(inner, (*seen, extra))]
        return list(dict.fromkeys([*own.get(extra, []), *further]))

    return {"always": always, "extras": {extra: whole(extra) for extra in own}}


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
