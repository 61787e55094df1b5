"""Measure a trained network by the protocol `robustness` and save the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.evaluation import robustness as protocol
from clearer.evaluation.robustness import RowScore
from clearer.evaluation.self_ensemble import self_ensemble
from clearer.inference.restorer import Restorer, load
from clearer.network.cost import macs_per_pixel, parameters
from clearer.pipeline.evaluate import Machine


class RobustnessRecord(TypedDict):
    """What `clearer evaluate --protocol robustness` saves. ``dead`` names the rows on which the model does nothing."""

    protocol: str
    model: str
    architecture: str
    parameters: int
    macs_per_pixel: float
    device: str
    precision: str
    ensemble: bool
    seed: int
    seconds: float
    rows: list[RowScore]
    dead: list[str]
    saved: NotRequired[str]


def measure_robustness(
    model: str | Path | Restorer,
    data: str | Path | None = None,
    *,
    limit: int | None = None,
    ensemble: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **machine: Unpack[Machine],
) -> RobustnessRecord:
    """Measure a denoiser on every row of the robustness table; see `clearer.evaluation.robustness`.

    Args:
        model: a weight file, a run folder, a pretrained model, or a restorer, which has its own device and precision.
        data: the folder with the test images; by default ``data`` in the folder that CLEARER_SHARED names.
        limit: measure only the first ``limit`` images of each set, without the figures of FFDNet.
        ensemble: restore by the x8 self-ensemble.
        seed: of the degradations; those of FFDNet are recorded for 0.
        out: a JSON file to write.
        progress: called with (images done, number of images) after each image.
        machine: ``device`` and ``precision``, see `clearer.load`; by default ``"auto"`` and ``"fp32"``.

    Raises:
        UserError: images are missing, the model cannot be loaded, or the file cannot be written.
    """
    folder = protocol.data_folder(data)
    if limit is not None and limit < 1:
        raise UserError(f"limit: {limit} is less than 1; leave it out to measure all images")
    settings: Machine = {"device": "auto", "precision": "fp32", **machine}
    restorer = model if isinstance(model, Restorer) else load(model, settings["device"], settings["precision"])
    restorer = restorer.at_depth("float")
    architecture = restorer.architecture
    sets = protocol.read_sets(folder, limit)
    began = time.perf_counter()
    rows = protocol.measure(
        (lambda x: self_ensemble(restorer, x)) if ensemble else restorer,
        sets,
        architecture.channels,
        seed=seed,
        progress=progress,
    )
    seconds = time.perf_counter() - began
    recorded = protocol.recorded_baseline(architecture.channels)
    rows = protocol.with_baseline(rows, recorded, architecture.channels, seed)
    record = RobustnessRecord(
        protocol=protocol.NAME,
        model="" if isinstance(model, Restorer) else str(model),
        architecture=str(architecture),
        parameters=parameters(architecture),
        macs_per_pixel=macs_per_pixel(architecture),
        device=str(restorer.device),
        precision=restorer.precision,
        ensemble=ensemble,
        seed=seed,
        seconds=round(seconds, 1),
        rows=rows,
        dead=[row["name"] for row in rows if row["dead"]],
    )
    if out is not None:
        write_json(out, record)
    return record
