"""Write docs/licenses.md: the license of each package that clearer needs, always or by an extra, from its metadata.

python tools/make_licenses.py
"""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path

from clearer.core.packages import NAME, read_needs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "licenses.md"
PERMISSIVE = ("MIT", "BSD", "APACHE", "ISC", "PSF", "PYTHON", "HPND", "MIT-CMU", "ZLIB", "CC0", "0BSD", "UNLICENSE")
COPYLEFT = ("GPL", "MPL", "EPL", "CDDL", "EUPL")
KNOWN = {"bm3d": "non-commercial use only"}
"""Licenses whose conditions the metadata do not state in words that can be compared."""
IN_FILES = {"bioimageio.core": "MIT"}
"""Licenses that a file of the package states, and its metadata do not."""


def license_of(package: str) -> str:
    """Return the license that the metadata of an installed package state: expression, classifiers or first line.

    Raises:
        metadata.PackageNotFoundError: it is not installed.
    """
    found = metadata.metadata(package)
    if package in IN_FILES:
        return IN_FILES[package]
    if found.get("License-Expression"):
        return str(found["License-Expression"])
    classifiers = found.get_all("Classifier") or []
    stated = [text.split(" :: ")[-1] for text in classifiers if text.startswith("License :: ") and " :: " in text[11:]]
    return ", ".join(stated) or (found.get("License") or "not stated").strip().splitlines()[0][:80]


def condition_of(package: str, license: str) -> str:
    """Return what a user must know of a license: nothing for permissive ones.

    >>> condition_of("numpy", "BSD-3-Clause"), condition_of("x", "LGPL-3.0-or-later"), condition_of("x", "not stated")
    ('', 'copyleft', 'read it')
    """
    upper = license.upper()
    if package.lower() in KNOWN:
        return KNOWN[package.lower()]
    if any(word in upper for word in COPYLEFT):
        return "copyleft"
    return "" if any(word in upper for word in PERMISSIVE) else "read it"


def page() -> str:
    """Return the page."""
    found = metadata.metadata(NAME)
    needs = read_needs(found.get_all("Requires-Dist") or [], found.get_all("Provides-Extra") or [])
    users: dict[str, list[str]] = {name: ["always"] for name in needs["always"]}
    for extra, names in needs["extras"].items():
        for name in names:
            if extra != "dev" or name not in users:
                users.setdefault(name, []).append(extra)
    rows = []
    for name in sorted(users, key=str.lower):
        try:
            license = license_of(name)
        except metadata.PackageNotFoundError:
            license = "not installed where this page was written"
        note = condition_of(name, license)
        rows.append(f"| {name} | {', '.join(users[name])} | {license} | {f'**{note}**' if note else ''} |")
    return "\n".join([*HEAD, *rows, ""])


HEAD = (
    "# Licenses of dependencies",
    "",
    "`clearer` and its models: Apache-2.0. The two sample images in `src/clearer/deploy/samples` are CC0, from "
    "scikit-image. The packages that it needs have licenses of their own; `python tools/make_licenses.py` reads them "
    "from the installed metadata. The table has what `clearer` names itself, always or by an extra; `make sbom` lists "
    "what these need in turn.",
    "",
    "**The license of `bm3d` (extra `classical`) allows non-commercial use only.** It is needed for comparisons with "
    "BM3D and for nothing else. The wheels of `av` (extra `video`) and `pillow-heif` (extra `heif`) contain libraries "
    "and codecs under licenses of their own, some of them copyleft.",
    "",
    "| package | needed | license | condition |",
    "| --- | --- | --- | --- |",
)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(page(), encoding="utf-8")
