"""The robustness table of a denoiser as Markdown, and in words what it fails on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from clearer.core.shape import check_shape


class CardRow(TypedDict):
    """A row of the table as a model card stores it. PSNR in dB; ``ffdnet_psnr`` is None where FFDNet was not run."""

    name: str
    input_psnr: float
    psnr: float
    ffdnet_psnr: float | None
    dead: bool


Rows = Sequence[Mapping[str, Any]]

INTRODUCTION = (
    "Mean PSNR in dB by the protocol `robustness`, on images that no shipped model was trained on. FFDNet stands "
    "beside the model with whichever level of 5, 10, ..., 75 scores best on the row."
)


def rows_for_card(rows: Rows) -> list[dict[str, Any]]:
    """Return the rows as a model card stores them: what the table shows, rounded."""
    return [
        {
            "name": row["name"],
            **{key: None if row[key] is None else round(row[key], 2) for key in ("input_psnr", "psnr", "ffdnet_psnr")},
            "dead": bool(row["dead"]),
        }
        for row in rows
    ]


def rows_of(stated: Mapping[str, Any]) -> Rows:
    """Return the rows that a card states as its ``robustness``; none if they do not have the shape of `CardRow`."""
    rows = stated.get("rows")
    try:
        check_shape(rows, list[CardRow])
    except ValueError:
        return ()
    return rows or ()


def table_lines(rows: Rows) -> list[str]:
    """Return a table with a line for each degradation, and a sentence on the rows on which the model is dead.

    Args:
        rows: of `clearer.evaluation.robustness`, or as a card stores them; names are ``SET:DEGRADATION``.
    """
    by_set: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        of, _, degradation = row["name"].partition(":")
        by_set.setdefault(of, {})[degradation] = row
    degradations = list(dict.fromkeys(row["name"].partition(":")[2] for row in rows))
    head = ["degradation", *(cell for of in by_set for cell in (f"{of}: input", "restored", "FFDNet"))]
    lines = [
        f"| {degradation} | " + " | ".join(_cells(found.get(degradation)) for found in by_set.values()) + " |"
        for degradation in degradations
    ]
    return ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1), *lines, "", *failures(rows)]


def failures(rows: Rows) -> list[str]:
    """Return in words where the model does nothing, and by how much it stays behind FFDNet elsewhere."""
    dead = [row["name"] for row in rows if row["dead"]]
    compared = [row for row in rows if row["ffdnet_psnr"] is not None and not row["name"].endswith(":clean")]
    behind = [row for row in compared if row["psnr"] < row["ffdnet_psnr"] - 0.005]
    meaning = "it gains less than 0.5 dB where FFDNet gains 2 dB or more"
    said = [f"Dead on {len(dead)} of {len(rows)} rows ({meaning}): {', '.join(dead)}." if dead else "No row is dead."]
    if compared:
        said += [f"Behind FFDNet on {len(behind)} of {len(compared)} rows that are not clean."]
    return [" ".join(said)]


def _cells(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return " |  | "
    baseline = "" if row["ffdnet_psnr"] is None else f"{row['ffdnet_psnr']:.2f}"
    return f"{row['input_psnr']:.2f} | {row['psnr']:.2f}{' (dead)' if row['dead'] else ''} | {baseline}"
