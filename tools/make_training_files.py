"""List the images that the pretrained models were trained on, for `clearer.zoo.training_files`.

    python tools/make_training_files.py

It reads the recipes of models/ and of their stages, and the images in folders beside the repository (docs/data.md).
A model that began with another saw the images of that one, too. The images without the 68 of BSD68 are those of
docs/val_without_bsd68.txt. The first color models saw a part of the photographs of today (`FEWER`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from clearer.data.items import Item
from clearer.data.splits import resolve_splits
from clearer.recipe.load import load_stored_recipe
from clearer.recipe.schema import Recipe
from clearer.zoo.training_files import DIGITS, FILE

MODELS = Path("models")
LIST = Path("docs/val_without_bsd68.txt")
FEWER = {"denoise-color": 104, "denoise-color-fast": 104}
"""Number of photographs of CID22, those of the smallest files, where it is not all (see the cards)."""
PLACE = Path("src/clearer/zoo") / FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    names = sorted(path.parent.name for path in MODELS.glob("*/recipe.yaml"))
    seen = {name: files_of(name) for name in names}
    groups: dict[str, list[str]] = {}
    for name, parts in seen.items():
        groups.setdefault(json.dumps(parts), []).append(name)
    lines = [json.dumps({"models": models, **json.loads(parts)}) for parts, models in groups.items()]
    PLACE.write_text('{"groups": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")
    for name, parts in seen.items():
        print(f"{name}: {len(parts['train'])} training and {len(parts['validation'])} validation files")


def files_of(name: str) -> dict[str, list[str]]:
    """Return the digits of the files of a model, by part: those of all its stages and of the models it began with."""
    found: dict[str, set[str]] = {"train": set(), "validation": set()}
    for recipe in recipes_of(name):
        splits = resolve_splits(
            recipe.data, channels=recipe.network.channels, patch=recipe.train.patch, seed=recipe.seed, say=print
        )
        found["train"] |= {digits(item) for item in seen_of(splits.train, FEWER.get(name))}
        found["validation"] |= {digits(item) for item in splits.validation}
        start = str(recipe.train.start)
        if (MODELS / start / "recipe.yaml").is_file():
            for part, files in files_of(start).items():
                found[part] |= set(files)
    return {part: sorted(files) for part, files in found.items()}


def recipes_of(name: str) -> Iterator[Recipe]:
    for path in sorted((MODELS / name).glob("**/recipe.yaml")):
        without_bsd68 = "without_bsd68" in path.read_text(encoding="utf-8")
        yield load_stored_recipe(path, {"data.only_validation": str(LIST)} if without_bsd68 else {})


def seen_of(items: list[Item], fewer: int | None) -> list[Item]:
    """Return the training images without the photographs of CID22 that came later."""
    photographs = sorted((i for i in items if "cid22" in str(i.clean)), key=lambda item: item.clean.stat().st_size)
    later = {item.clean for item in photographs[fewer:]} if fewer is not None else set()
    return [item for item in items if item.clean not in later]


def digits(item: Item) -> str:
    return hashlib.sha256(item.clean.read_bytes()).hexdigest()[:DIGITS]


if __name__ == "__main__":
    main()
