"""Measurements of a table: one method by one protocol, kept image by image, so that a stopped one resumes."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.console import progress_bar, say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json, write_text
from clearer.core.shape import check_shape
from clearer.data.items import Item, item_size
from clearer.evaluation.evaluate import check_fit, image_scores, result_of
from clearer.evaluation.metrics import luma601, zero_padded_ssim
from clearer.evaluation.protocols import Protocol
from clearer.experiments.method_memory import memory_of
from clearer.images.pixels import WHOLE
from clearer.methods.base import Method, as_restore
from clearer.runs.schema import ImageScore, ResultRecord

SAMPLE_SEED = 0
HUGE = 1_000_000
"""Images of more pixels are in no sample: a slow method would take hours for each."""


class MeasurementKey(TypedDict):
    """The settings that a measurement depends on. A kept measurement with another key is measured again.

    ``sample``: the number of images where it is a seeded sample of the set.
    """

    method: str
    sha256: str
    setup: str
    protocol: str
    set: str
    limit: int | None
    seed: int
    sample: NotRequired[int]


class Measurement(ResultRecord):
    """A kept measurement: the result of an evaluation, and what it depends on.

    ``zero_padded``: SSIM of each image as the paper's program measures it. ``mib``, ``mib_size``: see
    `clearer.experiments.method_memory.Memory`, on the image of `ImageSet.usual`. Measurements before 0.2 lack them;
    those with ``mib`` alone counted the memory of scoring, too.
    """

    key: MeasurementKey
    data: str
    threads: int
    zero_padded: NotRequired[list[float]]
    mib: NotRequired[float | None]
    mib_size: NotRequired[list[int]]


class KeptScore(TypedDict):
    """A line of an unfinished measurement: the place of an image in its set, and its scores."""

    place: int
    score: ImageScore
    zero_padded: float


@dataclass(frozen=True)
class ImageSet:
    """The images of a table.

    Args:
        data: the folder.
        items: sorted by name.
        digest: see `digest_of`.
        limit: number of images to measure, the first ones; None for all.
        seed: of the noise.
    """

    data: str
    items: Sequence[Item]
    digest: str
    limit: int | None = None
    seed: int = 0

    def places(self, sample: int | None) -> list[int]:
        """Return the places of the images to measure: all (None), or those of a seeded sample of at most so many.

        A smaller sample is a part of a larger one. Images of more than `HUGE` pixels are in none.
        """
        count = len(self.items[: self.limit])
        if sample is None:
            return list(range(count))
        order = random.Random(SAMPLE_SEED).sample(range(count), count)
        return sorted([place for place in order if math.prod(item_size(self.items[place])) <= HUGE][:sample])

    def usual(self) -> int:
        """Return the place of the image of median size: the memory of all methods is measured on it."""
        places = self.places(None)
        return sorted(places, key=lambda place: math.prod(item_size(self.items[place])))[(len(places) - 1) // 2]


def digest_of(items: Sequence[Item]) -> str:
    """Return a digest that changes when a file is added, removed, renamed or replaced by one of another size."""
    files = [path for item in items for path in (item.clean, item.degraded) if path is not None]
    lines = [f"{path.parent.name}/{path.name} {path.stat().st_size if path.exists() else 0}" for path in files]
    lines += [f"{span}" for span in sorted({item.span for item in items} - {WHOLE})]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def measured(folder: Path, method: Method, protocol: Protocol, images: ImageSet, console: Console) -> Measurement:
    """Return the measurement of a method by a protocol: the kept one if its key is the same, else a new one.

    A method with ``sample`` is measured on a sample of the images. Scores are kept image by image.

    Args:
        folder: of the kept measurements.
        method: it suits the protocol.
        protocol: see `clearer.evaluation.evaluate.evaluate`.
        images: the set.
        console: where a new result is printed.

    Raises:
        UserError: the images do not fit the protocol, or the method fails.
    """
    places = images.places(method.sample)
    if not places:
        raise UserError(
            f"{method.name}: measured on images of up to 1 megapixel, and {images.data} has none; leave it out"
        )
    key: MeasurementKey = {
        "method": method.name, "sha256": method.sha256, "setup": method.setup, "protocol": protocol.name,
        "set": images.digest, "limit": images.limit, "seed": images.seed,
    }  # fmt: skip
    if len(places) < len(images.items[: images.limit]):
        key["sample"] = len(places)
    path = folder / f"{_file_name(key)}.json"
    kept = read_shaped(path, Measurement) if path.is_file() else None
    if kept is None or kept["key"] != key:
        lines = _scored(path.with_suffix(".jsonl"), key, method, protocol, images, places)
        result = result_of(protocol.name, False, [line["score"] for line in lines])
        padded = [line["zero_padded"] for line in lines]
        facts = {"key": key, "data": images.data, "threads": torch.get_num_threads(), "zero_padded": padded}
        kept = cast(Measurement, {**facts, **result.to_dict()})
        write_json(path, kept)
        path.with_suffix(".jsonl").unlink(missing_ok=True)
        scores = f"{result.psnr:.2f} dB / {result.ssim:.4f} ({result.seconds:.1f} s)"
        say(f"{method.name}, {protocol.name}: {scores}", console)
    if "mib_size" not in kept:  # new, or kept by a version that measured memory otherwise
        place = images.usual()
        memory = memory_of(method, images.items[place], protocol, images.seed, place)
        kept = cast(Measurement, {**kept, **memory})
        write_json(path, kept)
    return kept


def _scored(
    path: Path, key: MeasurementKey, method: Method, protocol: Protocol, images: ImageSet, places: Sequence[int]
) -> list[KeptScore]:
    """Return the scores of the images; those that an earlier call kept are not measured again."""
    known = _kept_lines(path, key)
    missing = [place for place in places if place not in known]
    items = [images.items[place] for place in missing]
    check_fit(items, protocol)
    similar: list[float] = []

    def watch(clean: Tensor, _: Tensor, restored: Tensor, where: Tensor | None) -> None:
        pair = (luma601(restored), luma601(clean)) if protocol.luma else (restored, clean)
        similar.append(zero_padded_ssim(*pair, where).item())

    write_text(path, "".join(json.dumps(line) + "\n" for line in (key, *known.values())))
    scores = image_scores(
        as_restore(method, protocol.sigma),
        list(zip(missing, items, strict=True)),
        protocol,
        seed=images.seed,
        watch=[watch],
    )
    with progress_bar(f"{method.name}, {protocol.name}") as progress, path.open("a", encoding="utf-8") as file:
        for place, score in zip(missing, scores, strict=True):
            known[place] = {"place": place, "score": score, "zero_padded": similar[-1]}
            file.write(json.dumps(known[place]) + "\n")
            file.flush()
            progress(len(known), len(places))
    return [known[place] for place in places]


def _kept_lines(path: Path, key: MeasurementKey) -> dict[int, KeptScore]:
    """Return the lines of an unfinished measurement by place; none if its key is another. A cut line is left out."""
    found: dict[int, KeptScore] = {}
    if not path.is_file():
        return found
    first, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    try:
        if json.loads(first) != key:
            return found
        for line in lines:
            value = json.loads(line)
            check_shape(value, KeptScore)
            found[value["place"]] = value
    except ValueError:  # the line that was written when the process was killed
        pass
    return found


def _file_name(key: MeasurementKey) -> str:
    """Return a readable name, with a digest that distinguishes names whose readable part is the same."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", key["method"])[:60]
    part = f"-first{key['limit']}" if key["limit"] is not None else ""
    part += f"-seed{key['seed']}" if key["seed"] else ""
    unique = hashlib.sha256(f"{key['method']}\n{key['set']}".encode()).hexdigest()[:8]
    return f"{name}-{key['protocol']}{part}-{unique}"
