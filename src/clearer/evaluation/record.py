"""The record that an evaluation saves: the result, the model, and the data."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.core.files import write_json, write_text
from clearer.evaluation.evaluate import Result
from clearer.network.baselines.build import Form, cost_of
from clearer.runs.schema import EvaluationRecord, ImageScore


def evaluation_record(
    result: Result,
    *,
    model: str,
    data: str,
    architecture: Form,
    device: str,
    precision: str,
    seed: int,
    clean_side: str | None = None,
    channel: str | None = None,
) -> EvaluationRecord:
    """Return the record of a result.

    Args:
        result: what `clearer.evaluation.evaluate.evaluate` returned.
        model: the weight file or run folder as it was given; "" for a model in memory.
        data: where the images are.
        architecture: of the model; its cost is counted.
        device, precision: those that the model ran with.
        seed: of the noise.
        clean_side: the clean half of pairs side by side; None for other images.
        channel: the one channel that was measured; None for all.
    """
    parameters, macs_per_pixel = cost_of(architecture)
    record: EvaluationRecord = {
        "model": model,
        "data": data,
        "architecture": str(architecture),
        "parameters": parameters,
        "macs_per_pixel": macs_per_pixel,
        "device": device,
        "precision": precision,
        "seed": seed,
        **result.to_dict(),
    }
    if clean_side is not None:
        record["clean_side"] = clean_side
    if channel is not None:
        record["channel"] = channel
    return record


def write_result(result: Mapping[str, Any], path: str | Path) -> None:
    """Write a record as JSON, and its table of images as CSV beside it, under the same name with the suffix ``.csv``.

    Args:
        result: an `EvaluationRecord`, or any mapping with ``per_image``.
        path: the JSON file.

    Raises:
        UserError: the file cannot be written, or ``path`` itself ends in .csv.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        raise UserError(f"{path}: name the JSON file here; the table is written beside it with the suffix .csv")
    text = io.StringIO()
    table = csv.DictWriter(text, list(ImageScore.__annotations__), lineterminator="\n")
    table.writeheader()
    table.writerows(result["per_image"])
    # The JSON file is last: where it exists, the evaluation is not repeated.
    write_text(path.with_suffix(".csv"), text.getvalue())
    write_json(path, result)
