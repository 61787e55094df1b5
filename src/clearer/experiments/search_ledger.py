"""Add lines to the ledger of a search, by whichever process trained."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from clearer.experiments.search_claims import CLAIMS, claimed
from clearer.runs.ledger import Trained


def add_to_ledger(path: Path, line: Trained) -> None:
    """Append a line, whole, while no other process does; a line that a crash cut short before it is ended."""
    text = json.dumps(dataclasses.asdict(line), allow_nan=False) + "\n"
    with claimed(path.parent / CLAIMS / "ledger"), path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, 2)
            text = text if file.read(1) == b"\n" else "\n" + text
        file.write(text.encode())
