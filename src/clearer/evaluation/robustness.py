"""The protocol `robustness`: one denoiser on many degradations, beside FFDNet at the level that scores best.

Images: 24 photographs of CID22 and the 68 of BSD68 in color, named in ``data/lists/robustness.txt``, on which no
shipped model trains. Of each the center is measured: 192x192 pixels of a photograph, 128x128 of BSD68, so that a
model takes a minute or two. `clearer.evaluation.robustness_rows.ROWS` states the degradations. Figures are means of
PSNR over the images of a set, after clamping to [0, 1].

FFDNet color (gray for gray models) stands beside them with the level of 5, 10, ..., 75 and the weights (for clipped
noise or not) that score best on the row's ground truth: an oracle that no blind model has. Its figures are recorded;
see `recorded_baseline`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.files import read_json
from clearer.data.exclusions import ROBUSTNESS, read_list
from clearer.evaluation.metrics import psnr
from clearer.evaluation.robustness_rows import ROWS, Row
from clearer.images.pixels import center_crop
from clearer.images.view import read_image

NAME = "robustness"
LEVELS = tuple(range(5, 80, 5))
"""The levels from which FFDNet's best is chosen."""
DEAD_GAIN, BASELINE_GAIN = 0.5, 2.0
"""A model is dead on a row on which it gains less than the first, in dB, and FFDNet at least the second."""
RECORDED_SEED = 0
"""The seed of the degradations for which FFDNet's figures are recorded."""
SAME_INPUT = 0.02
"""Recorded figures apply if the degraded images measure the same within this many dB."""
_ROUNDING = 1e-6
BASELINE = Path(__file__).parent / "baselines" / "robustness-ffdnet.json"


@dataclass(frozen=True)
class ImageSet:
    """A set of test images: its name in the table, its folder, and the side of the center crop in pixels."""

    name: str
    folder: str
    side: int


SETS = (ImageSet("photos", "photos_cid22", 192), ImageSet("bsd68", "bsds500/val", 128))


class RowScore(TypedDict):
    """A row of the table. PSNR in dB; the figures of FFDNet are None where none apply."""

    name: str
    images: int
    input_psnr: float
    psnr: float
    ffdnet_psnr: float | None
    ffdnet_level: int | None
    dead: bool


class BaselineRow(TypedDict):
    """FFDNet's figures on a row, and what identifies the row's images."""

    name: str
    digest: str
    input_psnr: float
    psnr: float
    level: int
    weights: str


def image_lists() -> dict[str, list[str]]:
    """Return the paths of the images of each set, relative to the data folder, in the order of the list."""
    lines = read_list(ROBUSTNESS)
    return {one.name: [line for line in lines if line.startswith(f"{one.folder}/")] for one in SETS}


def data_folder(given: str | Path | None) -> Path:
    """Return the folder with the images: the given one, or ``data`` in the folder that CLEARER_SHARED names.

    Raises:
        UserError: neither is given, or an image is not there.
    """
    shared = os.environ.get("CLEARER_SHARED")
    needed = f"a folder with {' and '.join(f'{one.folder}/' for one in SETS)} (docs/data.md)"
    if given is None and not shared:
        raise UserError(f"protocol robustness: no images are named; give --data FOLDER, {needed}")
    folder = Path(given) if given is not None else Path(str(shared)) / "data"
    for line in (line for lines in image_lists().values() for line in lines):
        if not (folder / line).is_file():
            raise UserError(f"{folder}: {line} is not there; the protocol robustness needs {needed}")
    return folder


def read_sets(folder: Path, limit: int | None = None) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """Return the center crops (side, side, 3) of each set, the first ``limit`` of each."""
    lists = image_lists()
    return {
        one.name: [center_crop(read_image(folder / line, 3), one.side, one.side) for line in lists[one.name][:limit]]
        for one in SETS
    }


def rows_for(channels: int) -> tuple[Row, ...]:
    """Return the rows on which models of 1 or 3 channels are measured."""
    return tuple(row for row in ROWS if channels == 3 or row.gray)


def measure(
    restore: Callable[[Tensor], Tensor],
    sets: Mapping[str, Sequence[npt.NDArray[np.uint8]]],
    channels: int,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[RowScore]:
    """Measure a function on all rows of all sets, without FFDNet's figures.

    Args:
        restore: (1, channels, H, W) float32 on the CPU -> the same shape, on any device, not clamped.
        sets: see `read_sets`.
        channels: 1 or 3.
        seed: of the degradations.
        progress: called with (images done, number of images) after each image.
    """
    rows = rows_for(channels)
    done, total = 0, len(rows) * sum(map(len, sets.values()))
    found: list[RowScore] = []
    with torch.inference_mode():
        for name, images in sets.items():
            for row in rows:
                before, after = [], []
                for k, image in enumerate(images):
                    clean, degraded = row.pair(image, channels, seed, k)
                    restored = restore(degraded).float().cpu()
                    if not bool(torch.isfinite(restored).all()):
                        raise UserError(f"{name}:{row.name}: restored values are not finite; train the network again")
                    before.append(psnr(degraded.clamp(0, 1), clean).item())
                    after.append(psnr(restored.clamp(0, 1), clean).item())
                    done += 1
                    if progress is not None:
                        progress(done, total)
                found.append(_score(f"{name}:{row.name}", before, after))
    return found


def _score(name: str, before: list[float], after: list[float]) -> RowScore:
    count = len(before)
    return RowScore(
        name=name,
        images=count,
        input_psnr=math.fsum(before) / count,
        psnr=math.fsum(after) / count,
        ffdnet_psnr=None,
        ffdnet_level=None,
        dead=False,
    )


def with_baseline(
    scores: Sequence[RowScore], baseline: Mapping[str, BaselineRow], channels: int, seed: int = 0
) -> list[RowScore]:
    """Return the scores with FFDNet's recorded figures, where these are of the same degraded images.

    Those of another ``seed`` measure nearly the same, so that the figures of the images cannot tell.
    """
    if seed != RECORDED_SEED:
        return list(scores)
    digests = {f"{one.name}:{row.name}": row_digest(one, row) for one in SETS for row in rows_for(channels)}
    found = []
    for score in scores:
        recorded = baseline.get(score["name"])
        if recorded and _same_images(score, recorded, digests):
            gained, by_ffdnet = (one["psnr"] - one["input_psnr"] for one in (score, recorded))
            dead = gained < DEAD_GAIN - _ROUNDING and by_ffdnet >= BASELINE_GAIN - _ROUNDING
            score = {**score, "ffdnet_psnr": recorded["psnr"], "ffdnet_level": recorded["level"], "dead": dead}
        found.append(score)
    return found


def _same_images(score: RowScore, recorded: BaselineRow, digests: Mapping[str, str]) -> bool:
    whole = len(image_lists()[score["name"].partition(":")[0]]) == score["images"]
    alike = abs(recorded["input_psnr"] - score["input_psnr"]) <= SAME_INPUT
    return whole and alike and recorded["digest"] == digests.get(score["name"])


def row_digest(one: ImageSet, row: Row) -> str:
    """Return a digest of a row's degradation, images and crop."""
    whole = [dataclasses.astuple(one), image_lists()[one.name], row.digest()]
    return hashlib.sha256(repr(whole).encode()).hexdigest()[:16]


@cache
def recorded_baseline(channels: int) -> dict[str, BaselineRow]:
    """Return FFDNet's figures by row, as ``benchmarks/robustness/ffdnet_rows.py`` recorded them for seed 0."""
    value: dict[str, Any] = read_json(BASELINE)
    return {row["name"]: row for row in value["gray" if channels == 1 else "color"]}
