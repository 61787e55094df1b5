"""Measure what a search within budgets chose: whole networks, beside the scaled default, DnCNN and FFDNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from rich.console import Console

from clearer.core.console import say
from clearer.core.files import write_json
from clearer.core.pressure import Watch
from clearer.experiments.published_networks import PUBLISHED, time_published
from clearer.experiments.search_candidates import precision_of_search
from clearer.inference.budget import ImageSize
from clearer.inference.latency_table import device_name
from clearer.network.architecture import Architecture
from clearer.pipeline.latency import measure_latency
from clearer.recipe.schema import Recipe
from clearer.runs.budget_record import LatencyLine, read_latencies
from clearer.runs.layout import RunFolder
from clearer.training.run_device import choose_device

SECONDS = 2.0
"""How long a network is timed, at least 7 runs."""


def write_latencies(
    folder: RunFolder, recipe: Recipe, networks: Mapping[ImageSize, Sequence[Architecture]], console: Console
) -> list[LatencyLine]:
    """Write latencies.json: a line for each network at its size, and for DnCNN and FFDNet; return the lines.

    Lines that are there are kept, unless they were measured on another device.
    """
    device = choose_device(recipe.device)
    about = {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "precision": precision_of_search(folder, recipe),
    }
    # Another number of threads is no reason to measure a finished search again.
    same = {key: about[key] for key in ("device", "precision")}
    kept = [line for line in read_latencies(folder) if {key: line.get(key) for key in same} == same]
    known = {(line.get("architecture") or line.get("name"), *line["at"]) for line in kept}

    def add(name: dict[str, str], found: dict[str, Any], watch: Watch) -> None:
        if watch.busy and device.type == "cpu":
            found["busy"] = round(watch.share(), 3)
            say(
                f"{next(iter(name.values()))}: other programs kept this machine busy while it was timed; remove "
                f"{folder.latencies} and rerun the command when it is idle",
                console,
            )
        kept.append(cast(LatencyLine, {**name, **found, **about}))

    for size, of_size in networks.items():
        at, channels = [size.width, size.height], recipe.network.channels
        for network in dict.fromkeys(of_size):
            if (network.text, *at) not in known:
                say(f"{network.text}: its time is measured at {size}", console)
                watch = Watch()
                measured = measure_latency(
                    network, at=size, device=recipe.device, precision=str(about["precision"]), seconds=SECONDS
                )
                keys = ("at", "milliseconds", "quartiles", "macs_per_pixel")
                add({"architecture": network.text}, {key: measured[key] for key in keys}, watch)
        for published in PUBLISHED.get(channels, ()):
            if (published.name, *at) not in known:
                say(f"{published.name}: its time is measured at {size}", console)
                watch = Watch()
                found = time_published(published, channels, size, device, str(about["precision"]))
                times = {"milliseconds": found.milliseconds, "quartiles": list(found.quartiles)}
                add(
                    {"name": published.name},
                    {"at": at, **times, "macs_per_pixel": published.macs_per_pixel(channels)},
                    watch,
                )
    write_json(folder.latencies, kept)
    return kept
