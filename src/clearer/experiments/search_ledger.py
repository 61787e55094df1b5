"""The ledger of a search: a line of JSON for each network and rung, added by whichever process trained it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from clearer.core.parse import parse_json
from clearer.core.shape import check_shape
from clearer.experiments.search_claims import CLAIMS, claimed


@dataclass(frozen=True)
class Trained:
    """A line of the ledger: a network after a rung.

    Args:
        rung: its number.
        architecture: the text form.
        seed, steps: of the training.
        psnr: of the averaged weights on the validation images, in dB; 0 if the training failed.
        seconds: of the training so far.
        cost: in ``unit``, as predicted.
        unit: see `Budget.unit`; empty in early ledgers.
        failed: why the training ended early; such a network is out.
    """

    rung: int
    architecture: str
    seed: int
    steps: int
    psnr: float
    seconds: float
    cost: float
    unit: str = ""
    failed: str = ""


def read_ledger(path: Path) -> list[Trained]:
    """Return the lines of a ledger, the first of each network, seed, rung and unit; one cut short does not count."""
    found: dict[tuple[int, str, int, str], Trained] = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            value = parse_json(text)
            check_shape(value, Trained)
            line = Trained(**value)
            found.setdefault((line.rung, line.architecture, line.seed, line.unit), line)
        except (ValueError, TypeError):
            continue
    return list(found.values())


def add_to_ledger(path: Path, line: Trained) -> None:
    """Append a line, whole, while no other process does; a line that a crash cut short before it is ended."""
    text = json.dumps(dataclasses.asdict(line), allow_nan=False) + "\n"
    with claimed(path.parent / CLAIMS / "ledger"), path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, 2)
            text = text if file.read(1) == b"\n" else "\n" + text
        file.write(text.encode())
