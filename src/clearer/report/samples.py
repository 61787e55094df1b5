"""Sample images of a run: input, restored and ground truth as PNG files, with their scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clearer.core.files import write_json
from clearer.data.items import Item, without_values
from clearer.evaluation.metrics import psnr, ssim
from clearer.evaluation.pairs import degraded_by, read_with_gaps, unit_image
from clearer.evaluation.protocols import parse_protocol
from clearer.images.tensors import to_array, to_batch
from clearer.images.types import HiddenPixels
from clearer.images.view import write_image
from clearer.inference.restorer import Restorer
from clearer.runs.layout import RunFolder
from clearer.runs.schema import SampleEntry

DIM = 0.25
"""Where 99.9 % of the ground truth is below this, images are shown brighter: PNG files of 8 bits would be black."""
LARGEST = 512
"""Largest side in pixels; larger images are cropped to their center, to keep the page small."""
_LONGEST = 100
"""Bytes of an image's name in those of its samples."""


def write_samples(run: RunFolder, restorer: Restorer, items: list[Item], protocol_name: str) -> None:
    """Write samples/NAME-{input,restored,truth}.png and samples.json into a run folder.

    Args:
        run: the run folder.
        restorer: its model.
        items: the images, in the order that numbers their noise.
        protocol_name: how they are degraded.

    Raises:
        UserError: the protocol is unknown, or a file cannot be read or written.
    """
    protocol = parse_protocol(protocol_name)
    entries: list[SampleEntry] = []
    for k, item in enumerate(items):
        clean, degraded, known = read_with_gaps(item, protocol)
        if known is not None and not known.any():
            raise without_values([item])
        shown = _shown(clean.shape[:2], known)
        where = None if known is None else torch.from_numpy(known[shown].copy())
        truth = clean[shown]
        degraded = None if degraded is None else degraded[shown]
        input_image = degraded_by(protocol, truth, degraded, 0, k)
        x = to_batch(input_image)
        t = to_batch(unit_image(truth)).clamp(0, 1)
        y = restorer(x).clamp(0, 1)
        x = x.clamp(0, 1)
        files = {}
        gain = _gain(t)
        for kind, tensor in (("input", x), ("restored", y), ("truth", t)):
            file = sample_file(run, k, item, kind)
            write_image(file, to_array((tensor[0] * gain * 255).round().clamp(0, 255).to(torch.uint8)))
            files[kind] = file.relative_to(run.path).as_posix()
        entries.append({
            "name": item.name, "input": files["input"], "restored": files["restored"], "truth": files["truth"],
            "input_psnr": float(psnr(x, t, where)), "input_ssim": float(ssim(x, t, where)),
            "psnr": float(psnr(y, t, where)), "ssim": float(ssim(y, t, where)),
        })  # fmt: skip
        if gain > 1:
            entries[-1]["gain"] = gain
    write_json(run.sample_list, entries)


def _shown(size: tuple[int, ...], known: HiddenPixels | None) -> tuple[slice, slice]:
    """Return the part of an image that is shown: its center, or the first pixels with a value if that has none."""
    height, width = size
    top, left = max(0, height - LARGEST) // 2, max(0, width - LARGEST) // 2
    center = slice(top, top + LARGEST), slice(left, left + LARGEST)
    if known is None or known[center].any():
        return center
    row, column = (int(place[0]) for place in np.nonzero(known))
    top, left = (max(0, min(place, side - LARGEST)) for place, side in ((row, height), (column, width)))
    return slice(top, top + LARGEST), slice(left, left + LARGEST)


def are_samples_written(run: RunFolder) -> bool:
    """Return whether the sample images of a run are listed, and all of them are there."""
    if not run.sample_list.exists():
        return False
    kinds = ("input", "restored", "truth")
    named = (value for entry in run.read_samples() for key, value in entry.items() if key in kinds)
    return all((run.path / name).exists() for name in named if isinstance(name, str))


def sample_file(run: RunFolder, number: int, item: Item, kind: str) -> Path:
    """Return where a sample image is written; of a long name only the beginning is taken, as file systems have it."""
    stem = Path(item.name).stem.encode(errors="surrogateescape")[:_LONGEST].decode(errors="ignore")
    return run.samples / f"{number}-{stem}-{kind}.png"


def _gain(truth: Tensor) -> float:
    """Return by how much images are shown brighter."""
    bright = float(truth.flatten().kthvalue(max(1, round(0.999 * truth.numel()))).values)
    return 1.0 if bright >= DIM or bright <= 0 else 1 / bright
