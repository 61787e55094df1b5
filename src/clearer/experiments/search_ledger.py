"""The ledger of a search: a line of JSON for each network and rung."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trained:
    """A line of the ledger: a network after a rung, and its cost in ``unit``, see `Budget.unit`."""

    rung: int
    architecture: str
    seed: int
    steps: int
    psnr: float
    seconds: float
    cost: float
    unit: str = ""


def read_ledger(path: Path) -> list[Trained]:
    """Return the lines of a ledger; one that a crash cut short does not count."""
    found = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(Trained(**json.loads(text)))
        except (ValueError, TypeError):
            continue
    return found


def add_to_ledger(path: Path, line: Trained) -> None:
    """Append a line, at once and whole."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(line)) + "\n")
