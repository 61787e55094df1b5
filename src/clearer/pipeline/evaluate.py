"""Evaluate a trained network and save the scores as a table."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack, cast

from clearer.core.errors import UserError
from clearer.core.files import with_former_keys
from clearer.data.folders import Folders, pairs_of
from clearer.data.items import Item
from clearer.data.ranges import with_noticed_levels
from clearer.data.scales import scale_note
from clearer.data.side_by_side import refuse_single_images
from clearer.data.stacks import only_channel
from clearer.evaluation.evaluate import evaluate as evaluate_images
from clearer.evaluation.evaluate import items_for
from clearer.evaluation.protocols import Protocol, parse_protocol
from clearer.evaluation.record import evaluation_record, write_result
from clearer.images.pixels import WHOLE, Span
from clearer.inference.baseline import BaselineRestorer, load_measurable
from clearer.inference.equal_channels import in_equal_channels
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EvaluationRecord
from clearer.zoo.seen_images import seen_images


class Machine(TypedDict, total=False):
    """The device and the precision that a network runs with."""

    device: str
    precision: str


class Measuring(Machine, total=False):
    """The machine, and how images are read: levels of black and white, the clean half, the channel."""

    span: Span | None
    clean_side: str | None
    channel: str | None


def evaluate(
    model: str | Path | Restorer,
    data: str | Path | Folders,
    protocol: str,
    *,
    limit: int | None = None,
    ensemble: bool = False,
    seed: int = 0,
    layout: str = "auto",
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **machine: Unpack[Measuring],
) -> EvaluationRecord:
    """Measure a trained network on a folder of images by a protocol.

    Args:
        model: a weight file, a run folder, a pretrained model, or a restorer, which has its own device and precision.
        data: a folder, or two `Folders` of pairs.
        protocol: such as ``"gray-awgn-50"``; see `clearer.evaluation.protocols`. A color network measured on gray
            images sees three equal channels, and the mean of its three counts.
        limit: measure only the first ``limit`` images.
        ensemble: restore by the x8 self-ensemble.
        seed: of the degradation; keep 0 for comparable results.
        layout: see `clearer.data.folders.find_items`.
        out: a JSON file to write; the table of all images goes beside it as CSV.
        progress: called with (images done, number of images) after each image.
        machine: ``device`` and ``precision``, see `clearer.load`; by default ``"auto"`` and ``"fp32"``; and ``span``,
            the levels that are black and white. By default those of the model, in files of 16 bits and floating point,
            else those of a camera of 12 or 14 bits where they are noticed in files of 16, as `restore` does. And
            ``clean_side``, "left" or "right", of pairs side by side, which one folder then holds; by default that of a
            run folder's recipe. And ``channel``, see `clearer.data.stacks.only_channel`; by default all are measured.

    Returns:
        The means over the images, the scores of each image, and what was measured, as a dict.

    Raises:
        UserError: the model, the protocol and the images do not fit together, or a file cannot be
            read or written.
    """
    if out is not None:
        _check_place(Path(out))
    measured_by = parse_protocol(protocol)
    machine = {"device": "auto", "precision": "fp32", **machine}
    if isinstance(model, Restorer):
        restorer: Restorer | BaselineRestorer = model.at_depth("float")
    else:
        restorer = load_measurable(model, machine["device"], machine["precision"])
    architecture, channels = restorer.architecture, restorer.channels
    gray_by_color = channels == 3 and measured_by.channels == 1
    if channels != measured_by.channels and not gray_by_color:
        raise UserError(
            f"{'model' if isinstance(model, Restorer) else model}: takes {channels} channel(s) where "
            f"{protocol} has {measured_by.channels}; choose a protocol or a model that fits"
        )
    side = machine.get("clean_side")
    if side and measured_by.needs_pairs and layout == "auto" and pairs_of(data) is None:
        layout = "side-by-side"  # as stated, whether or not the halves look alike
    side = side or (_clean_side_of(model) if measured_by.needs_pairs else "left")
    items = _as_stated(_items(data, measured_by, layout, side), machine, restorer)
    run = in_equal_channels(restorer) if gray_by_color else restorer
    measured = evaluate_images(run, items, measured_by, limit=limit, ensemble=ensemble, seed=seed, progress=progress)
    result = evaluation_record(
        measured,
        model="" if isinstance(model, Restorer) else str(model),
        data=f"{data.clean}, {data.degraded}" if isinstance(data, Folders) else str(data),
        architecture=architecture,
        device=str(restorer.device),
        precision=restorer.precision,
        seed=seed,
        clean_side=items[0].side,
        channel=machine.get("channel"),
    )
    if seen := seen_images(restorer.card, items[:limit], None if isinstance(model, Restorer) else model):
        result["seen"] = seen
    if measured_by.needs_pairs and (note := scale_note(items[:limit])):
        result["scales"] = note
    if out is not None:
        write_result(result, out)
    return cast(EvaluationRecord, with_former_keys(result))


def _items(data: str | Path | Folders, protocol: Protocol, layout: str, side: str) -> list[Item]:
    """Return the images that a user names; single ones are not cut into halves for pairs, unless that is stated."""
    if protocol.needs_pairs:
        refuse_single_images(
            data,
            layout,
            "give --clean and --degraded, or --clean-side left or right if each file is a pair side by side all the "
            "same",
        )
    return items_for(data, protocol, layout, side)


def _as_stated(items: list[Item], how: Measuring, restorer: Restorer | BaselineRestorer) -> list[Item]:
    """Return the images of the stated channel, black and white at the stated levels, or else at those of the model."""
    if (side := how.get("clean_side")) and not any(item.side for item in items):
        raise UserError(f"--clean-side {side}: the images are no pairs side by side; leave it out")
    if (channel := how.get("channel")) is not None:
        items = only_channel(items, channel, "--channel")
    if how.get("span") is None:
        return with_noticed_levels(items, restorer.card.span)
    span = RestoreOptions(span=how["span"]).span or WHOLE  # checked
    return [replace(item, span=span) for item in items]


def _clean_side_of(model: str | Path | Restorer) -> str:
    """Return the clean half of the pairs side by side that a run, or that of a weight file, trained on, else "left"."""
    if isinstance(model, Restorer):
        return "left"
    run = next((run for run in map(RunFolder, (Path(model), Path(model).parent)) if run.is_run), None)
    if run is None:
        return "left"
    try:
        return run.read_recipe().data.clean_side
    except UserError as error:
        raise UserError(f"{error}; or state --clean-side, which is all that is read of it here") from error


def default_place(
    model: str | Path,
    data: str | Path | Folders,
    protocol: str,
    *,
    limit: int | None = None,
    ensemble: bool = False,
    seed: int = 0,
    precision: str = "fp32",
    clean_side: str | None = None,
    span: Span | None = None,
    channel: str | None = None,
) -> Path:
    """Return the default file of a result: in the model's run folder, else in ``evaluation/`` of the current folder.

    Every option that changes the figures is part of the name, so that a partial result never replaces a full one.

    >>> str(default_place("peers/ffdnet.safetensors", "sets/photos", "gray-awgn-50", limit=10))
    'evaluation/peers-ffdnet-gray-awgn-50-sets-photos-first10.json'
    """
    model = Path(model)
    name = f"{protocol}-{_named_images(data)}"
    name += f"-first{limit}" if limit is not None else ""
    name += "-ensemble" if ensemble else ""
    name += f"-seed{seed}" if seed else ""
    name += f"-{precision}" if precision != "fp32" else ""
    name += f"-{clean_side}" if clean_side is not None else ""
    name += f"-range{span[0]:g}to{span[1]:g}" if span is not None else ""
    name += f"-channel-{_plain(channel)}" if channel is not None else ""
    if model.is_dir():
        return RunFolder(model).evaluation_result(name)
    run = RunFolder(model.parent)
    if run.is_run:
        # A run holds more than one weight file; the chosen one needs no mention.
        stem = "" if model == run.weights else f"{model.stem}-"
        return run.evaluation_result(stem + name)
    return Path("evaluation") / f"{_named(model.with_suffix(''))}-{name}.json"


def _named_images(data: str | Path | Folders) -> str:
    """Return a name of the images: of pairs in two folders, both folders and the patterns of their file names.

    >>> _named_images(Folders("set/clean", "set/blurred", None, "*_in"))
    'set-clean-blurred-degraded-_in'
    >>> _named_images(Folders("set/clean", "lab/blurred"))
    'set-clean-lab-blurred'
    """
    if not isinstance(data, Folders):
        return _named(Path(data))
    clean, degraded = Path(data.clean), Path(data.degraded)
    folders = [_named(clean), degraded.name if degraded.parent == clean.parent else _named(degraded)]
    patterns = {"clean": data.clean_pattern, "degraded": data.degraded_pattern}
    return "-".join([*folders, *(f"{side}-{_plain(one, '*')}" for side, one in patterns.items() if one)])


def _plain(text: str, before: str = "") -> str:
    """Return a text without the characters that some file names cannot have.

    A digest follows if more is left out than ``before``, with which such texts begin: "*_in" and "_in*" differ.
    """
    kept = re.sub(r"[^\w.-]+", "", text)
    return kept if text == before + kept else f"{kept}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _named(path: Path) -> str:
    """Return the last two parts of a path: the last alone is often ``test`` or ``model``."""
    parts = [part for part in path.parts if part not in (path.anchor, "..")]
    return "-".join(parts[-2:]) or path.resolve().name or "images"


def _check_place(path: Path) -> None:
    """Check that the result can be written, before hours of measuring."""
    if path.suffix.lower() == ".csv":
        raise UserError(f"{path}: name the JSON file here; the table is written beside it with the suffix .csv")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a JSON file for the result")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"{path}: a file stands where a folder is needed ({above.name}); choose another place")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"{path}: cannot be written (no permission); choose another place for the output")
