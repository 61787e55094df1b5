"""The table of licenses: what the metadata of packages say, and the conditions that users must know."""

from __future__ import annotations

import re
import runpy
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "make_licenses.py"))


@pytest.mark.parametrize(
    ("package", "license", "condition"),
    [
        ("any", "GPL-3.0-or-later", "copyleft"),
        ("any", "MIT", ""),
        ("any", "Proprietary", "read it"),
        ("bm3d", "not stated", "non-commercial use only"),
    ],
)
def test_conditions_are_those_of_the_license(package, license, condition):
    assert TOOL["condition_of"](package, license) == condition


def test_a_license_is_read_from_expression_classifier_or_text():
    assert TOOL["license_of"]("numpy").startswith("BSD-3-Clause") and "MIT" in TOOL["license_of"]("pyyaml")
    with pytest.raises(metadata.PackageNotFoundError):
        TOOL["license_of"]("no-such-package")


def test_the_page_has_all_that_is_always_needed_and_says_what_is_not_free():
    text = TOOL["PAGE"].read_text(encoding="utf-8")
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in text.splitlines() if row.startswith("| ")}
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in needed} <= rows.keys()
    assert "**non-commercial use only**" in rows["bm3d"]


def test_pinned_versions_are_ones_that_the_package_allows():
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split(" ")[0].split("==") for line in lines if line and not line.startswith("#"))
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    (own,) = [one for one in map(Requirement, extras["dev"]) if one.name == "clearer"]  # dev has these alone
    stated = [*project["dependencies"], *(one for name in ("dev", *own.extras) for one in extras[name])]
    wrong = []
    for requirement in map(Requirement, stated):
        version = pinned.get(requirement.name.lower())
        if version is not None and not requirement.specifier.contains(version):
            wrong.append(f"{requirement}: {version}")
    assert not wrong and {"numpy", "pillow", "pytest", "ruff"} <= pinned.keys() and "torch" not in pinned
