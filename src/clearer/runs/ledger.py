"""The ledger of a search within budgets: a line of JSON for each network after a rung, in RUN/budget/ledger.jsonl."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.core.parse import parse_json
from clearer.core.shape import check_shape


@dataclass(frozen=True)
class Trained:
    """A line of the ledger, also of result.json: a network after a rung.

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

    @classmethod
    def read(cls, value: Any, where: str = "") -> Trained:
        """Return the line of a JSON value; keys of a later version are left out.

        Args:
            value: see above.
            where: its place in a larger value, for the message.

        Raises:
            ValueError: it is not such a line.
        """
        fields = dataclasses.fields(cls)
        check_shape(value, cls, where, [field.name for field in fields if field.default is dataclasses.MISSING])
        return cls(**{field.name: value[field.name] for field in fields if field.name in value})


def read_ledger(path: Path) -> list[Trained]:
    """Return the lines of a ledger, the first of each network, seed, rung and unit; one cut short does not count."""
    found: dict[tuple[int, str, int, str], Trained] = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            line = Trained.read(parse_json(text))
        except ValueError:
            continue
        found.setdefault((line.rung, line.architecture, line.seed, line.unit), line)
    return list(found.values())
