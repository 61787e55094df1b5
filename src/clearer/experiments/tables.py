"""The paper's results on BSD500 and Rain800: methods measured here beside the published figures.

Each method and protocol is measured into a file of its own, so that a repeated call measures only what
is new. The tables are drawn from tables.json alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.data.folders import find_items, short_name
from clearer.data.items import Item
from clearer.data.ranges import with_noticed_levels
from clearer.evaluation.evaluate import items_for, result_of
from clearer.evaluation.protocols import Protocol, parse_protocol
from clearer.experiments import published
from clearer.experiments.records import ResultTable, TableCell, TableRow, Tables
from clearer.experiments.table_measurements import ImageSet, Measurement, digest_of, measured
from clearer.experiments.tables_page import redraw
from clearer.methods.base import Method
from clearer.report.facts import seen_line

SIGMAS = (30.0, 50.0, 70.0)
NOTHING_DONE = [Method("degraded input", kind, lambda image, _: image) for kind in ("gaussian", "rain")]

Assigned = dict[str, dict[str, Method]]  # name of the row -> name of the protocol -> method
Results = dict[str, dict[Protocol, tuple[Method, Measurement]]]  # name of the row -> protocol -> what was measured


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
    number of channels. Methods of one name share a row. A slow method, measured on a sample of the images, enters
    a table of these images alone, beside the scores of all other methods on them and the published figures, which are
    of all images.

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
        leveled = with_noticed_levels(items_for(data, protocols[0]))
        images = ImageSet(
            str(data),
            leveled,
            digest_of([dataclasses.replace(item, span=leveled[0].span) for item in items]),
            limit,
            seed,
        )
        results: Results = {
            row: {
                p: (methods[p.name], measured(out / "measured", methods[p.name], p, images, console))
                for p in protocols
                if p.name in methods
            }
            for row, methods in assigned.items()
        }
        samples = {method.sample for row in results.values() for method, _ in row.values()} - {None}
        drawn: list[list[int]] = []
        for sample in (None, *sorted((n for n in samples if n is not None), reverse=True)):
            places = images.places(sample)
            if places not in drawn:
                drawn.append(places)
                found.append(_table(name, protocols, results, images, places, sample))
    result: Tables = {"seed": seed, "limit": limit, "left_out": left_out, "tables": found}
    write_json(out / "tables.json", result)
    redraw(out)
    return result


def _table(
    name: str, protocols: Sequence[Protocol], results: Results, images: ImageSet, places: list[int], sample: int | None
) -> ResultTable:
    """Return the table of the images at these places: the methods that were measured on all of them."""
    rows: list[TableRow] = []
    for row, by_protocol in results.items():
        cells = {
            protocol.name: cell
            for protocol, (method, kept) in by_protocol.items()
            if (cell := _cell(method, kept, images, places)) is not None
        }
        if cells:
            rows.append({"name": row, "source": "input" if row == NOTHING_DONE[0].name else "here", "cells": cells})
    table: ResultTable = {
        "name": name, "data": short_name(images.data), "images": len(places), "images_in_set": len(images.items),
        "protocols": [protocol.name for protocol in protocols],
        "rows": [rows[0], *_published(name, protocols), *rows[1:]],
        "mib_size": next(kept["mib_size"] for row in results.values() for _, kept in row.values()),  # the same for all
    }  # fmt: skip
    return table if sample is None else table | {"sample": len(places), "drawn": len(places) == sample}


def _cell(method: Method, kept: Measurement, images: ImageSet, places: list[int]) -> TableCell | None:
    """Return the means of a measurement over the images at these places; None if it lacks some of them."""
    at = {place: k for k, place in enumerate(images.places(method.sample))}
    if not at.keys() >= set(places):
        return None
    result = result_of(kept["protocol"], kept["ensemble"], [kept["per_image"][at[place]] for place in places])
    padded = kept.get("zero_padded")
    notes = _notes(method, [images.items[place] for place in places])
    return {
        "psnr": result.psnr, "ssim": result.ssim,
        "ssim_zero_padded": None if padded is None else sum(padded[at[place]] for place in places) / len(places),
        "images": len(places), "seconds_per_image": result.seconds / len(places),
        "megapixels_per_second": result.megapixels_per_second, "threads": kept["threads"], "mib": kept.get("mib"),
        "parameters": method.parameters, "macs_per_pixel": method.macs_per_pixel,
        "notes": notes, "setup": method.setup, "sha256": method.sha256,
    }  # fmt: skip


def _notes(method: Method, items: Sequence[Item]) -> str:
    """Return the notes of a method, after what it has seen of the images."""
    line = seen_line({"seen": None if method.seen is None else method.seen(items), "images": len(items)})
    return method.notes if line is None else f"**{line}**; {method.notes}".rstrip("; ")


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
