"""The PSNR of denoisers on BSD68, or its color originals, at three levels of white noise."""

from __future__ import annotations

import math
import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from front_networks import Denoiser, restore_at

from clearer.core.files import read_json
from clearer.data.items import Item
from clearer.evaluation.evaluate import evaluate, items_for
from clearer.evaluation.protocols import parse_protocol
from clearer.evaluation.robustness import image_lists
from clearer.zoo.locate import located
from clearer.zoo.weight_metadata import read_architecture

LEVELS = (15, 25, 50)
RESULTS = Path(__file__).parents[1] / "docs" / "results"
RECORDED = {("DnCNN", "gray-awgn-50"): ("peers-bsd68-50.json", "DnCNN")}
"""Figures on the whole of BSD68 that docs/results holds: a file, and what the name of the line begins with."""


def protocol_at(channels: int, sigma: int) -> str:
    return f"{'gray' if channels == 1 else 'color'}-awgn-{sigma}"


def images_of(data: str) -> list[Item]:
    """Return the images of a folder, of a folder of that name in the data that CLEARER_SHARED names, or of ``cbsd68``.

    The images of ``cbsd68`` are those of BSDS500's val part that BSD68 shows in gray.
    """
    shared = Path(os.environ.get("CLEARER_SHARED", "")) / "data"
    folder = next((path for path in (Path(data), shared / data) if path.is_dir()), None)
    if folder is not None:
        return items_for(folder, parse_protocol("gray-awgn-25"))
    if data != "cbsd68" or not (shared / "bsds500").is_dir():
        sys.exit(f"{data}: no such folder, nor is it in data/ of the folder that CLEARER_SHARED names (docs/data.md)")
    paths = [shared / line for line in image_lists()["bsd68"]]
    return [Item(path.name, path) for path in sorted(paths, key=lambda path: path.name)]


def wanted(denoisers: Sequence[Denoiser]) -> Iterator[tuple[Denoiser, int, str]]:
    """Give what is to be measured: denoiser, level and precision; the slowest denoiser comes last."""
    for denoiser in sorted(denoisers, key=lambda one: one.kind == "classical"):
        for precision in ("fp32",) if denoiser.kind == "classical" else ("fp32", "bf16"):
            for sigma in LEVELS:
                yield denoiser, sigma, precision


def is_measured(row: Mapping[str, Any], denoiser: Denoiser, protocol: str, precision: str, images: int) -> bool:
    """Return whether a row holds this measurement, of the same weights."""
    same = (row["name"], row["protocol"], row["precision"]) == (denoiser.name, protocol, precision)
    return same and row["digest"] == denoiser.digest and row["images"] == images


def measured(
    denoiser: Denoiser, channels: int, sigma: int, precision: str, items: Sequence[Item]
) -> dict[str, Any] | None:
    """Measure one denoiser at one level; None where it has no weights for it."""
    protocol = protocol_at(channels, sigma)
    restore = restore_at(denoiser, channels, sigma, precision)
    if restore is None:
        return None
    found = evaluate(restore, items, protocol)
    return {
        "name": denoiser.name,
        "protocol": protocol,
        "precision": precision,
        "digest": denoiser.digest,
        "images": found.images,
        "psnr": round(found.psnr, 4),
        "input_psnr": round(found.input_psnr, 4),
        "each": [round(one["psnr"], 3) for one in found.per_image],
    }


def recorded(denoiser: Denoiser, protocol: str, precision: str, data: str, images: int) -> dict[str, Any] | None:
    """Return a figure on the whole set that was measured before, on the model's card or for another page."""
    if denoiser.kind == "ours":
        facts = on_card(denoiser, protocol, precision, data)
    elif (denoiser.name, protocol) in RECORDED and precision == "fp32":
        file, begin = RECORDED[denoiser.name, protocol]
        line = next(one for one in read_json(RESULTS / file)["lines"] if one["name"].startswith(begin))
        facts = {key: line[key] for key in ("images", "psnr", "input_psnr", "command")}
    else:
        facts = None
    if facts is None or facts["images"] != images:
        return None
    same = {"name": denoiser.name, "protocol": protocol, "precision": precision, "digest": denoiser.digest}
    return same | facts


def on_card(denoiser: Denoiser, protocol: str, precision: str, data: str) -> dict[str, Any] | None:
    """Return a figure of the card inside the weight file, which is of this very file."""
    for one in read_architecture(located(denoiser.source))[1].results:
        stated = (one.protocol, one.data, one.precision or "fp32", one.seed or 0, bool(one.ensemble))
        if stated == (protocol, data, precision, 0, False):
            psnr = {"psnr": round(one.psnr, 4), "input_psnr": round(one.input_psnr, 4)}
            return {"images": one.images, **psnr, "command": "the model card"}
    return None


def means(rows: Sequence[Mapping[str, Any]], channels: int, images: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Return by name, precision and level the mean PSNR on all images, and the number of images that were measured.

    A denoiser that was measured on the first images alone gets FFDNet's mean on all of them, plus the mean difference
    of the two on these: images differ by far more than two denoisers differ on one image. ``errors`` holds the standard
    error of this estimate. Without FFDNet there is none.
    """
    known = {(row["name"], row["precision"], row["protocol"]): row for row in rows}
    levels = {protocol_at(channels, sigma): str(sigma) for sigma in LEVELS}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (name, precision, protocol), row in known.items():
        base = known.get(("FFDNet", precision, protocol))
        if row["images"] < images and (base is None or base["images"] < images):
            continue
        of = found.setdefault(name, {}).setdefault(precision, {"images": row["images"]})
        if row["images"] >= images or base is None:
            of[levels[protocol]] = round(row["psnr"], 4)
            continue
        gains = [a - b for a, b in zip(row["each"], base["each"], strict=False)]
        of[levels[protocol]] = round(base["psnr"] + statistics.fmean(gains), 4)
        if len(gains) > 1:
            error = statistics.stdev(gains) * math.sqrt((1 - len(gains) / images) / len(gains))
            of.setdefault("errors", {})[levels[protocol]] = round(error, 4)
    return found
