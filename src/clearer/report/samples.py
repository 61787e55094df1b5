"""A few images for the page: input, restored, truth, as PNG files beside their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from clearer.core.files import write_json
from clearer.data.items import Item, read_item
from clearer.evaluation.evaluate import degraded_by
from clearer.evaluation.metrics import psnr, ssim
from clearer.evaluation.protocols import parse_protocol
from clearer.images.pixels import center_crop
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import write_image
from clearer.inference.restorer import Restorer
from clearer.runs.layout import RunFolder

LARGEST = 512
"""Larger images are cut to their center: the page is to stay small."""


def write_samples(run: RunFolder, restorer: Restorer, items: list[Item], protocol_name: str) -> None:
    """Write samples/NAME-{input,restored,truth}.png and samples.json into the run folder."""
    protocol = parse_protocol(protocol_name)
    entries: list[dict[str, Any]] = []
    for k, item in enumerate(items):
        clean, degraded = read_item(item, protocol.channels)
        truth = center_crop(clean, LARGEST, LARGEST)
        degraded = None if degraded is None else center_crop(degraded, LARGEST, LARGEST)
        input_image = degraded_by(protocol, truth, degraded, 0, k)
        x = to_batch(input_image)
        t = to_batch(truth).float() / 255
        y = restorer(x).clamp(0, 1)
        x = x.clamp(0, 1)
        entry: dict[str, Any] = {"name": item.name}
        for kind, tensor in (("input", x), ("restored", y), ("truth", t)):
            file = run.samples / f"{k}-{Path(item.name).stem}-{kind}.png"
            image = to_array((tensor[0] * 255).round().to(torch.uint8))
            write_image(file, image)
            entry[kind] = file.relative_to(run.path).as_posix()
        for prefix, tensor in (("input_", x), ("", y)):
            entry[f"{prefix}psnr"] = float(psnr(tensor, t))
            entry[f"{prefix}ssim"] = float(ssim(tensor, t))
        entries.append(entry)
    write_json(run.sample_list, entries)
