"""The wheel: it holds the models of the fast and the standard tier, and has at most 15 MiB."""

from __future__ import annotations

import io
import tomllib
import zipfile
from pathlib import Path

import pytest

import clearer
from clearer.zoo.locate import find_models
from clearer.zoo.names import PACKAGED_MODELS, ModelName

PACKAGE = Path(clearer.__file__).parent
LARGEST = 15 * 2**20
METADATA = 40_000
"""Bytes of the wheel beside the package: RECORD, the license and README.md have 34,000."""


def packaged() -> list[Path]:
    """Return the files of the package that `pip wheel` takes: modules, and the data that pyproject.toml names."""
    settings = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())
    patterns = ["**/*.py", *settings["tool"]["setuptools"]["package-data"]["clearer"]]
    return sorted({path for pattern in patterns for path in PACKAGE.glob(pattern)})


def test_the_wheel_has_at_most_15_mib() -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
        for path in packaged():
            file.write(path, path.relative_to(PACKAGE.parent))
    assert len(wheel.getvalue()) + METADATA <= LARGEST, f"{len(wheel.getvalue()) / 2**20:.2f} MiB: see --mantissa"


def test_the_wheel_holds_the_fast_and_the_standard_tier() -> None:
    held = {path.stem for path in packaged() if path.suffix == ".safetensors"}
    known = find_models()
    assert held == {name for name, file in known.items() if file.source == "package"}
    assert all(ModelName.parse(name).is_packaged for name in held)
    outside = [name for name, file in known.items() if file.source == "checkout"]
    assert not any(ModelName.parse(name).is_packaged for name in outside)


def test_the_page_on_the_architecture_counts_the_models() -> None:
    fast = sum(name.endswith("-fast") for name in PACKAGED_MODELS)
    words = {4: "four", 5: "five", 6: "six", 9: "Nine", 10: "Ten", 11: "Eleven"}
    text = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"**{words[len(PACKAGED_MODELS)]} models ship inside the package**" in text
    assert f"one for each of {words[len(PACKAGED_MODELS) - fast]} tasks, and {words[fast]} of a faster tier" in text


@pytest.mark.parametrize("name", ["denoise-gray", "denoise-color", "denoise-photo", "dejpeg", "derain"])
def test_each_task_has_its_standard_tier_in_the_package(name: str) -> None:
    assert find_models()[name].source == "package"
