"""The paper's results on BSD500 and Rain800: methods measured here beside the published figures.

Each method and protocol is measured into a file of its own, so that a repeated call measures only what
is new. The tables are drawn from tables.json alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.console import progress_bar, say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.data.folders import find_items
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.metrics import luma601, zero_padded_ssim
from clearer.evaluation.protocols import Protocol, parse_protocol
from clearer.experiments import published
from clearer.experiments.records import ResultTable, TableCell, TableRow, Tables
from clearer.experiments.tables_page import redraw
from clearer.methods.base import Method, as_restore
from clearer.runs.schema import ResultRecord

SIGMAS = (30.0, 50.0, 70.0)
NOTHING_DONE = [Method("degraded input", kind, lambda image, _: image) for kind in ("gaussian", "rain")]

Assigned = dict[str, dict[str, Method]]  # name of the row -> name of the protocol -> method


class MeasurementKey(TypedDict):
    """The settings that a measurement depends on. A kept measurement with another key is measured again."""

    method: str
    sha256: str
    setup: str
    protocol: str
    set: str
    limit: int | None
    seed: int


class Measurement(ResultRecord):
    """A kept measurement: the result of an evaluation, and what it depends on."""

    key: MeasurementKey
    data: str
    threads: int
    ssim_zero_padded: NotRequired[float]


def tables(
    out: str | Path,
    methods: Sequence[Method],
    *,
    data_noise: str | Path | None = None,
    data_rain: str | Path | None = None,
    sigmas: Sequence[float] = SIGMAS,
    rain_y: bool = False,
    limit: int | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> Tables:
    """Measure methods on BSD500 by ``clearer-gray-S`` and on Rain800 by ``rain-rgb``.

    Writes measured/*.json (one for each method and protocol, reused by the next call), tables.json and
    tables.md into ``out``. A method enters only the protocols it is meant for, by noise level and by
    number of channels. Methods of one name share a row.

    Args:
        out: the folder of the experiment.
        methods: the methods to measure.
        data_noise: the clean test images of BSD500.
        data_rain: the test pairs of Rain800, side by side (clean half left) or in two folders.
        sigmas: noise levels in gray levels, one column each.
        rain_y: also measure on Y of BT.601, in a table of its own.
        limit: measure only the first N images of each set; the tables state it.
        seed: noise seed; keep 0 for comparable results.
        console: where each result is printed when it is known; the default is standard error.

    Returns:
        The content of tables.json.

    Raises:
        UserError: no set is given; two methods of one name suit the same protocol; or see
            `clearer.evaluation.evaluate.evaluate`.
    """
    out, console = Path(out), console or Console(stderr=True)
    parts = _parts(data_noise, data_rain, sigmas, rain_y)
    plan = [(*part, find_items(part[1]), _assigned(methods, part[2])) for part in parts]
    used = [method for *_, rows in plan for row in rows.values() for method in row.values()]
    left_out = [_meant_for(method) for method in methods if not any(method is other for other in used)]
    if left_out:
        say(f"left out, not meant for these protocols: {', '.join(left_out)}", console)
    found: list[ResultTable] = []
    for name, data, protocols, items, assigned in plan:
        digest = _digest_of_set([path for item in items for path in (item.clean, item.degraded) if path is not None])
        rows: list[TableRow] = []
        for row, by_protocol in assigned.items():
            cells = {
                protocol: _measured(out / "measured", method, protocol, data, digest, limit, seed, console)
                for protocol, method in by_protocol.items()
            }
            rows.append({"name": row, "source": "input" if row == NOTHING_DONE[0].name else "here", "cells": cells})
        found.append({
            "name": name, "data": Path(data).name, "images": rows[0]["cells"][protocols[0].name]["images"],
            "images_in_set": len(items), "protocols": [protocol.name for protocol in protocols],
            "rows": [rows[0], *_published(name, protocols), *rows[1:]],
        })  # fmt: skip
    result: Tables = {"seed": seed, "limit": limit, "left_out": left_out, "tables": found}
    write_json(out / "tables.json", result)
    redraw(out)
    return result


def _parts(
    data_noise: str | Path | None, data_rain: str | Path | None, sigmas: Sequence[float], rain_y: bool
) -> list[tuple[str, str | Path, list[Protocol]]]:
    parts: list[tuple[str, str | Path, list[Protocol]]] = []
    if data_noise is not None:
        protocols = [parse_protocol(f"clearer-gray-{sigma:g}") for sigma in dict.fromkeys(sigmas)]
        if not protocols:
            raise UserError("sigma: no noise level is given; give at least one, such as 50")
        parts.append(("bsd500", data_noise, protocols))
    if data_rain is not None:
        names = ("rain-rgb", "rain-y") if rain_y else ("rain-rgb",)
        parts += [("rain800" + name.removeprefix("rain"), data_rain, [parse_protocol(name)]) for name in names]
    if not parts:
        raise UserError("images: none are named; give --bsd500 FOLDER, --rain800 FOLDER or both")
    return parts


def _assigned(methods: Sequence[Method], protocols: Sequence[Protocol]) -> Assigned:
    """Return the method of each cell, the degraded input in the first row."""
    rows: Assigned = {}
    for method in [*NOTHING_DONE, *methods]:
        for protocol in protocols:
            if not method.suits(protocol):
                continue
            row = rows.setdefault(method.name, {})
            if protocol.name in row:
                raise UserError(
                    f"method {method.name!r}: two of this name are for {protocol.name}; rename one with NAME=PATH"
                )
            row[protocol.name] = method
    return rows


def _meant_for(method: Method) -> str:
    """Return a method's name and its range of use, such as ``DnCNN (sigma 30)``.

    >>> _meant_for(Method("x", "gaussian", lambda image, sigma: image, channels=3, sigmas=(5, 50)))
    'x (sigma 5 to 50, color)'
    """
    levels = "any sigma" if method.degradation == "gaussian" else method.degradation
    if method.sigmas is not None:
        levels = "sigma " + " to ".join(f"{sigma:g}" for sigma in dict.fromkeys(method.sigmas))
    kind = {1: ", gray", 3: ", color"}.get(method.channels or 0, "")
    return f"{method.name} ({levels}{kind})"


def _digest_of_set(files: Sequence[Path]) -> str:
    """Return a digest that changes when a file is added, removed, renamed or replaced by one of another size."""
    text = "\n".join(f"{path.parent.name}/{path.name} {path.stat().st_size if path.exists() else 0}" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()


def _measured(
    folder: Path,
    method: Method,
    protocol: str,
    data: str | Path,
    digest: str,
    limit: int | None,
    seed: int,
    console: Console,
) -> TableCell:
    """Return one cell: the kept one if its key is the same, else a new measurement."""
    key: MeasurementKey = {
        "method": method.name, "sha256": method.sha256, "setup": method.setup,
        "protocol": protocol, "set": digest, "limit": limit, "seed": seed,
    }  # fmt: skip
    path = folder / f"{_file_name(key)}.json"
    kept = read_shaped(path, Measurement) if path.is_file() else None
    if kept is None or kept["key"] != key:
        measured_by, similar = parse_protocol(protocol), list[float]()

        def observe(clean: Tensor, _: Tensor, restored: Tensor) -> None:
            pair = (luma601(restored), luma601(clean)) if measured_by.luma else (restored, clean)
            similar.append(zero_padded_ssim(*pair).item())

        how: dict[str, Any] = {"limit": limit, "seed": seed, "observe": observe}
        with progress_bar(f"{method.name}, {protocol}") as progress:
            result = evaluate(as_restore(method, measured_by.sigma), data, measured_by, progress=progress, **how)
        kept = {
            "key": key, "data": str(data), "threads": torch.get_num_threads(),
            "ssim_zero_padded": math.fsum(similar) / len(similar), **result.to_dict(),
        }  # fmt: skip
        write_json(path, kept)
        say(f"{method.name}, {protocol}: {result.psnr:.2f} dB / {result.ssim:.4f} ({result.seconds:.1f} s)", console)
    return {
        "psnr": kept["psnr"], "ssim": kept["ssim"], "ssim_zero_padded": kept.get("ssim_zero_padded"),
        "images": kept["images"],
        "seconds_per_image": kept["seconds"] / kept["images"],
        "megapixels_per_second": kept["megapixels_per_second"], "threads": kept["threads"],
        "parameters": method.parameters, "macs_per_pixel": method.macs_per_pixel,
        "notes": method.notes, "setup": method.setup, "sha256": method.sha256,
    }  # fmt: skip


def _file_name(key: MeasurementKey) -> str:
    """Return a readable name, with a digest that distinguishes names whose readable part is the same."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", key["method"])[:60]
    part = f"-first{key['limit']}" if key["limit"] is not None else ""
    part += f"-seed{key['seed']}" if key["seed"] else ""
    unique = hashlib.sha256(f"{key['method']}\n{key['set']}".encode()).hexdigest()[:8]
    return f"{name}-{key['protocol']}{part}-{unique}"


def _published(name: str, protocols: Sequence[Protocol]) -> list[TableRow]:
    """Return the published rows for these protocols; nothing is published on Y of Rain800."""
    cells: dict[str, dict[str, tuple[float, float | None]]] = {}
    if name == "bsd500":
        for row, values in published.BSD500.items():
            known = {p.name: values[int(p.sigma)] for p in protocols if p.sigma and p.sigma in values}
            cells |= {row: known} if known else {}
    elif name == "rain800-rgb":
        cells = {row: {"rain-rgb": values} for row, values in published.RAIN800.items()}
    return [
        {"name": row, "source": "published", "cells": {p: {"psnr": v[0], "ssim": v[1]} for p, v in values.items()}}
        for row, values in cells.items()
    ]
