"""Sample images of a run without ground truth: noisy, restored and what was removed, as PNG files."""

from __future__ import annotations

import torch

from clearer.core.files import write_json
from clearer.data.items import Item, read_item
from clearer.images.pixels import center_crop
from clearer.images.tensors import as_levels, to_array, to_batch, unit_of
from clearer.images.view import write_image
from clearer.inference.restorer import Restorer
from clearer.report.samples import LARGEST, sample_file
from clearer.runs.layout import RunFolder
from clearer.runs.schema import SampleEntry

SPREAD = 6.0
"""Standard deviations of the removed noise from black to white; mid-gray is no change."""


def write_noisy_samples(run: RunFolder, restorer: Restorer, items: list[Item], channels: int) -> None:
    """Write samples/NAME-{input,restored,removed}.png and samples.json into a run folder.

    Raises:
        UserError: a file cannot be read or written.
    """
    entries: list[SampleEntry] = []
    for k, item in enumerate(items):
        image = center_crop(read_item(item, channels, None)[0], LARGEST, LARGEST)
        noisy = unit_of(as_levels(to_batch(image).numpy()), item.span)
        restored = restorer(noisy).float().cpu()
        removed = noisy - restored
        scaled = removed / (SPREAD * max(float(removed.std()), 1e-6)) + 0.5
        entry: SampleEntry = {"name": item.name}
        for kind, tensor in (("input", noisy), ("restored", restored), ("removed", scaled)):
            file = sample_file(run, k, item, kind)
            write_image(file, to_array((tensor[0].clamp(0, 1) * 255).round().to(torch.uint8)))
            entry[kind] = file.relative_to(run.path).as_posix()  # type: ignore[literal-required]
        entries.append(entry)
    write_json(run.sample_list, entries)
