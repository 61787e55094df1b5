"""Figures 5 to 7 of the supplement: the same crop of one image, as each method restores it.

Restored images are kept, so that a repeated call restores only what is new. The figures are drawn from
figures57.json and the crops alone (`clearer.experiments.figures5_7_page`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clearer.core.errors import UserError, nearest
from clearer.core.files import write_json
from clearer.data.folders import find_items, find_pairs, short_name
from clearer.data.items import Item, item_size, read_item
from clearer.data.ranges import with_noticed_levels
from clearer.evaluation.pairs import degraded_by
from clearer.evaluation.protocols import Protocol, parse_protocol
from clearer.experiments.figures5_7_page import redraw
from clearer.experiments.records import ComparisonFigure, FigureRow, Figures57, RestoredCell
from clearer.experiments.restored_cache import as_bytes, measured, restored_once
from clearer.images.pixels import crop_to_multiple
from clearer.images.types import Uint8Pixels
from clearer.images.view import native_channels, write_image
from clearer.methods.base import ImageArray, Method
from clearer.report.comparison import detail_crop

SIGMAS = (30.0, 50.0, 70.0)
NOISE_SEED = 0
CROP = 96  # pixels, the side of the enlarged crop
WHOLE = 640  # pixels, the longest side of the whole image as it is kept

Crop = tuple[int, int, int]  # top, left, side in pixels


@dataclass(frozen=True)
class Part:
    """The figures of one task: its images by name, which numbers their noise, and a protocol for each row."""

    task: str
    data: str
    items: tuple[Item, ...]
    protocols: tuple[Protocol, ...]


def figures5_7(
    out: str | Path,
    methods: Sequence[Method],
    *,
    bsd500: str | Path | None = None,
    rain800: str | Path | None = None,
    images: int = 2,
    names: Sequence[str] = (),
    sigmas: Sequence[float] = SIGMAS,
    protocol: str = "clearer-gray",
    crop: Crop | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Figures57:
    """Restore images by each method and draw a comparison figure for each image.

    Images are degraded exactly as in `clearer.evaluate`. Methods of one name share a column, such as
    networks that were each trained for one noise level.

    Args:
        out: the folder for figures57.json, crops/, restored/ and the figures.
        methods: the methods to compare.
        bsd500: a folder of clean images to denoise.
        rain800: a folder of pairs to derain, in two sub-folders or side by side (clean half left).
        images: number of images of each folder, the first by name; not used if ``names`` are given.
        names: files of either folder, with or without their suffix.
        sigmas: noise levels in gray levels, one row each.
        protocol: the noise protocol without its level: ``clearer-gray``, ``gray-awgn`` or ``color-awgn``.
        crop: the enlarged square, after the protocol's own crop; the default is 96 pixels a side where the
            clean image has most detail.
        progress: called with the number of cells done and of all cells.

    Returns:
        The content of figures57.json.

    Raises:
        UserError: no images or methods are given; a name is unknown; an image does not fit its protocol
            or the crop; two methods of one name suit the same row; a method does not return a finite
            image of its input's shape; or a file cannot be read or written.
    """
    out = Path(out)
    parts = _parts(bsd500, rain800, sigmas, protocol)
    shown = _shown(parts, images, names)
    for part, k in shown:
        _check_fit(part.items[k], part.protocols, crop)
    columns = {part.task: _columns(methods, part.protocols) for part in parts}
    for part in parts:
        if not columns[part.task]:
            asked = ", ".join(protocol.name for protocol in part.protocols)
            raise UserError(f"methods: none is for {asked}; give one that is, or leave {part.data} out")
    total = sum(m is not None for part, _ in shown for row in columns[part.task].values() for m in row)
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    figures = [_figure(out, part, k, columns[part.task], crop, tick) for part, k in shown]
    used = {name for row in columns.values() for name in row}
    left_out = list(dict.fromkeys(method.name for method in methods if method.name not in used))
    result: Figures57 = {"noise_seed": NOISE_SEED, "left_out": left_out, "figures": figures}
    write_json(out / "figures57.json", result)
    redraw(out)
    return result


def _parts(bsd500: str | Path | None, rain800: str | Path | None, sigmas: Sequence[float], protocol: str) -> list[Part]:
    if bsd500 is None and rain800 is None:
        raise UserError("images: none are named; give --bsd500 FOLDER, --rain800 FOLDER or both")
    if not sigmas:
        raise UserError("sigma: no noise level is given; give at least one, such as 50")
    parts = []
    if bsd500 is not None:
        noises = tuple(parse_protocol(f"{protocol.removesuffix('-S')}-{sigma:g}") for sigma in dict.fromkeys(sigmas))
        parts.append(Part("denoise", short_name(bsd500), _by_name(find_items(bsd500, "clean")), noises))
    if rain800 is not None:
        parts.append(Part("derain", short_name(rain800), _by_name(find_pairs(rain800)), (parse_protocol("rain-rgb"),)))
    return parts


def _by_name(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(sorted(with_noticed_levels(items), key=lambda item: item.name))


def _shown(parts: Sequence[Part], images: int, names: Sequence[str]) -> list[tuple[Part, int]]:
    """Return the images to show, by their places in their folder."""
    if images < 1:
        raise UserError(f"images: {images} is less than 1; show at least 1 of each folder")
    everything = [(part, k) for part in parts for k in range(len(part.items))]
    if not names:
        return [(part, k) for part, k in everything if k < images]
    found = []
    for name in dict.fromkeys(names):
        alike = [(p, k) for p, k in everything if name in (p.items[k].name, Path(p.items[k].name).stem)]
        if not alike:
            known = [p.items[k].name for p, k in everything]
            raise UserError(f"image {name!r}: not in {', '.join(p.data for p in parts)}{nearest(name, known)}")
        found += [entry for entry in alike if entry not in found]
    return found


def _check_fit(item: Item, protocols: Sequence[Protocol], crop: Crop | None) -> None:
    """Refuse an image that cannot be shown, by file headers, before any work."""
    for protocol in protocols:
        files = [item.clean] if protocol.sigma is not None or item.degraded is None else [item.clean, item.degraded]
        if any(native_channels(path) < protocol.channels for path in files):
            raise UserError(f"{item.clean}: gray, but {protocol.name} needs color; give color images")
        height, width = (side - side % protocol.crop for side in item_size(item))
        if min(height, width) < 1:
            raise UserError(
                f"{item.clean}: smaller than the {protocol.crop} pixels that {protocol.name} crops to; remove it"
            )
        if crop is None:
            continue
        top, left, side = crop
        if top < 0 or left < 0 or side < 1 or top + side > height or left + side > width:
            raise UserError(
                f"--crop {top},{left},{side}: not within {item.name}, {width}x{height} pixels in {protocol.name}; "
                "give TOP,LEFT,SIDE in pixels"
            )


def _columns(methods: Sequence[Method], protocols: Sequence[Protocol]) -> dict[str, list[Method | None]]:
    """Return the method of each row (None if there is none) by name, without names that suit no row."""
    columns: dict[str, list[Method | None]] = {}
    for name in dict.fromkeys(method.name for method in methods):
        column: list[Method | None] = []
        for protocol in protocols:
            fitting = [method for method in methods if method.name == name and method.suits(protocol)]
            if len(fitting) > 1:
                raise UserError(f"method {name!r}: two of this name are for {protocol.name}; rename one")
            column.append(fitting[0] if fitting else None)
        if any(column):
            columns[name] = column
    return columns


def _figure(
    out: Path, part: Part, k: int, columns: dict[str, list[Method | None]], crop: Crop | None, tick: Callable[[], None]
) -> ComparisonFigure:
    item = part.items[k]
    stems = Counter(Path(other.name).stem for other in part.items)
    stem = Path(item.name).stem
    name = _file_name(f"{part.task}-{stem if stems[stem] == 1 else item.name}")
    clean, _ = _pair(item, part.protocols[0], k)
    side = min(CROP, *clean.shape[:2])
    top, left, side = crop or (*detail_crop(clean, side, side), side)

    def cut(image: Uint8Pixels, file: str) -> str:
        write_image(out / "crops" / f"{file}.png", image[top : top + side, left : left + side])
        return f"crops/{file}.png"

    rows: list[FigureRow] = []
    for index, protocol in enumerate(part.protocols):
        clean, degraded = _pair(item, protocol, k)
        clamped = degraded.clip(0, 1)
        own = measured(clamped, clean, protocol)
        crop_file = cut(as_bytes(clamped), f"{name}-{protocol.name}")
        cells: dict[str, RestoredCell | None] = {}
        for column, choices in columns.items():
            method = choices[index]
            if method is None:
                cells[column] = None
                continue
            file = _file_name(f"{name}-{protocol.name}-{column}")
            restored, scores = restored_once(method, clean, degraded, protocol, out / "restored", file)
            cells[column] = {"crop": cut(restored, file), "restored": f"restored/{file}.png", **scores}
            tick()
        rows.append({
            "protocol": protocol.name, "sigma": protocol.sigma, "input": {"crop": crop_file, **own}, "cells": cells
        })  # fmt: skip
    whole = f"crops/{name}-whole.png"
    write_image(out / whole, _small(clean))
    return {
        "name": name, "task": part.task, "data": part.data, "image": item.name, "place": k,
        "height": clean.shape[0], "width": clean.shape[1], "whole": whole, "truth": cut(clean, f"{name}-truth"),
        "crop": {"top": top, "left": left, "side": side}, "columns": list(columns), "notes": _notes(columns),
        "seen": [name for name, column in columns.items() if any(_has_seen(method, item) for method in column)],
        "rows": rows,
    }  # fmt: skip


def _has_seen(method: Method | None, item: Item) -> bool:
    """Return whether a method was trained on an image, or chosen by it, as far as it can tell."""
    return method is not None and method.seen is not None and bool(method.seen([item]))


def _notes(columns: dict[str, list[Method | None]]) -> dict[str, str]:
    """Return the notes of each column that has any."""
    found = {name: dict.fromkeys(m.notes for m in column if m and m.notes) for name, column in columns.items()}
    return {name: "; ".join(notes) for name, notes in found.items() if notes}


def _pair(item: Item, protocol: Protocol, k: int) -> tuple[Uint8Pixels, ImageArray]:
    """Return image ``k`` as `clearer.evaluate` degrades it: clean uint8, degraded float32, each (H, W, C)."""
    clean, degraded = read_item(item, protocol.channels)
    clean = crop_to_multiple(clean, protocol.crop)
    degraded = None if degraded is None else crop_to_multiple(degraded, protocol.crop)
    return clean, degraded_by(protocol, clean, degraded, NOISE_SEED, k)


def _small(image: Uint8Pixels) -> Uint8Pixels:
    height, width = image.shape[:2]
    zoom = min(1.0, WHOLE / max(height, width))
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    whole = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return np.asarray(whole.resize(size, Image.Resampling.LANCZOS)).reshape(size[1], size[0], -1)


def _file_name(text: str) -> str:
    """Return ``text`` as a file name; two texts never give the same name.

    >>> _file_name("denoise-3096-clearer-gray-50-BM3D")
    'denoise-3096-clearer-gray-50-BM3D'
    >>> _file_name("a/b") == _file_name("a b")
    False
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:120]
    return safe if safe == text else f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
