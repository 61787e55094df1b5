"""The images that pretrained models were trained on, by the digests of their files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources

FILE = "training_files.json"
"""``{"groups": [{"models", "train", "validation"}]}``, as tools/make_training_files.py writes it: the models of a group
saw the same files, each of which stands as the first `DIGITS` digits of its SHA-256."""
DIGITS = 12


def training_files(names: Iterable[str]) -> dict[str, str]:
    """Return the part, ``train`` or ``validation``, of each file that any of these models saw, by its digits.

    Training counts, where one was trained on what chose the weights of another. Names that are no pretrained model's
    have none.
    """
    wanted = set(names)
    seen = [group for group in _groups() if wanted & set(group["models"])]
    known = {digits: "validation" for group in seen for digits in group["validation"]}
    return known | {digits: "train" for group in seen for digits in group["train"]}


@cache
def _groups() -> list[dict[str, list[str]]]:
    text = resources.files("clearer.zoo").joinpath(FILE).read_text(encoding="utf-8")
    groups: list[dict[str, list[str]]] = json.loads(text)["groups"]
    return groups
