"""Times of the pieces of networks on this machine, measured once each and kept; their sum predicts whole networks.

A piece is what one step of a network computes for one scale, such as a residual block at a width and a size: few are
different, and networks of a search share most. What a network costs besides (reading the array, pixel unshuffle,
estimating the level, writing the result) is measured once for each kind of image.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from clearer.core.cache_folder import cache_folder as cache_folder  # clearer.bulk.run takes it from here
from clearer.core.device import autocast
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.core.pressure import Watch
from clearer.inference.budget import ImageSize
from clearer.inference.fused_cpu import can_fuse, fused_step
from clearer.inference.latency import random_image, time_runs, wait_for
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.network.graph import Step
from clearer.network.modules import StepModule
from clearer.network.network import RestorationNetwork
from clearer.network.plan import plan_network

SECONDS, WARM = 0.1, 0.05
"""How long a piece is timed, and its warm-up."""
TURNED = 2**28
"""Bytes of features that take turns."""
ROUNDS = 10
"""Runs of a piece on a GPU between two waits: in a network, it does not wait between pieces either."""
PATH = 2
"""Version of the way in which networks are computed: times of another are measured again. 2: residual networks compute
their last convolution in bf16, too."""


class _Kept(TypedDict):
    """The times in a file, and the machine and versions that they are valid for."""

    valid_for: dict[str, Any]
    milliseconds: dict[str, float]


def device_name(device: torch.device) -> str:
    """Return the name of a device that a measurement is valid for."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        pass
    processor = f"{model or platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    return processor if device.type == "cpu" else f"{device.type} of {processor}"


class LatencyTable:
    """Predicts milliseconds of `Restorer.restore` on a float32 image of one size.

    Args:
        size: of the image.
        device, precision: see `Restorer`.
        file: where the times are kept; None for memory alone. Other numbers of threads and other precisions are kept
            beside it, in files of their own.

    Raises:
        UserError: the device or the precision is not available.
    """

    def __init__(
        self, size: ImageSize, device: str = "auto", precision: str = "auto", file: Path | None = None
    ) -> None:
        self.size = size
        probe = Restorer(RestorationNetwork(Architecture.parse("P-P", width=1)), device=device, precision=precision)
        self.device, self.precision = probe.device, probe.precision
        self.valid_for = {
            "device": device_name(self.device),
            "threads": torch.get_num_threads() if self.device.type == "cpu" else None,
            "precision": self.precision,
            "torch": version("torch"),
            "path": PATH,
        }
        self.measured_elsewhere: dict[str, Any] | None = None
        self.file = None if file is None else self._own(file)
        self.times = self._kept()
        self.doubtful: set[str] = set()
        """Pieces measured while other programs kept the machine busy: they are not kept."""

    @property
    def changed(self) -> str | None:
        """What differs from the machine on which the kept times were measured, in words; None where nothing does."""
        if self.measured_elsewhere is None:
            return None
        # A table of an earlier version does not state what was added since.
        pairs = [(key, self.measured_elsewhere.get(key, "not stated"), now) for key, now in self.valid_for.items()]
        return "; ".join(f"{key} {before}, now {now}" for key, before, now in pairs if before != now)

    def milliseconds(self, architecture: Architecture) -> float:
        """Return the predicted time of a network; pieces that the table lacks are measured."""
        network: RestorationNetwork | None = None
        known, total = len(self.times) - len(self.doubtful), 0.0
        for piece in self._pieces(architecture):
            key = piece.key
            if key not in self.times:
                network = network or self._built(architecture)
                watch = Watch()
                self.times[key] = self._around(network) if piece.step is None else self._timed(network, piece)
                if watch.busy and self.device.type == "cpu":
                    self.doubtful.add(key)
            total += self.times[key]
        sure = {key: time for key, time in self.times.items() if key not in self.doubtful}
        if len(sure) > known and self.file is not None:
            write_json(self.file, {"valid_for": self.valid_for, "milliseconds": sure})
        return total

    def _own(self, file: Path) -> Path:
        """Return the file, or where it is of other settings of this machine, that of these settings beside it."""
        try:
            kept = read_shaped(file, _Kept)["valid_for"] if file.exists() else {}
        except UserError:
            return file
        settings = {key: self.valid_for[key] for key in ("threads", "precision")}
        if all(kept.get(key, value) == value for key, value in settings.items()):
            return file
        return file.with_stem("-".join([file.stem, *(f"{key}-{value}" for key, value in settings.items())]))

    def _kept(self) -> dict[str, float]:
        if self.file is None or not self.file.exists():
            return {}
        try:
            value = read_shaped(self.file, _Kept)
        except UserError:
            return {}  # damaged: measured again
        if value["valid_for"] == self.valid_for:
            return value["milliseconds"]
        self.measured_elsewhere = value["valid_for"]
        return {}

    def _pieces(self, architecture: Architecture) -> list[_Piece]:
        space = architecture.space
        height, width = (-(-side // space.multiple) * space.multiple for side in (self.size.height, self.size.width))
        folded = (height // space.unshuffle, width // space.unshuffle)
        around = (space.channels, space.unshuffle, space.condition, space.multiple, str(self.size))
        found = [_Piece(around, None, 0, {}, folded)]
        channels = {0: space.channels * space.unshuffle**2 + space.takes_level}
        for step in plan_network(architecture).steps:
            after: dict[int, int] = {}
            for target in range(step.scales):
                edges = step.into(target)
                after[target] = edges[-1].placed[-1].conv.target if edges[-1].layers else channels[edges[-1].source]
                if any(edge.layers for edge in edges):
                    what = (tuple(dataclasses.replace(edge, name="") for edge in edges), step.relu, folded)
                    found.append(_Piece((what, step.name == "last"), step, target, channels, folded))
            channels = after
        return found

    def _built(self, architecture: Architecture) -> RestorationNetwork:
        network = RestorationNetwork(architecture).eval().requires_grad_(False)
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _timed(self, network: RestorationNetwork, piece: _Piece) -> float:
        """Time one piece as the network computes it, on random features."""
        assert piece.step is not None
        fused = self.device.type == "cpu" and can_fuse()
        # The last convolution of a fused network that is not residual computes in fp32; see `fuse`.
        last = fused and piece.step.name == "last" and not network.architecture.residual
        narrow = self.precision == "bf16" and not last
        kind = torch.bfloat16 if narrow else torch.float32
        features = [
            torch.rand(1, count, *(side >> scale for side in piece.folded), device=self.device).to(
                kind, memory_format=torch.channels_last
            )
            for scale, count in sorted(piece.channels.items())
        ]
        # In a network the features of a step have left the caches meanwhile: copies take turns.
        size = sum(feature.nbytes for feature in features)
        copies = itertools.cycle(
            [
                [f.clone(memory_format=torch.preserve_format) for f in features]
                for _ in range(max(2, min(16, TURNED // size)))
            ]
        )
        with torch.inference_mode():
            if fused:
                run = fused_step(network, piece.step, kind)[piece.target]
                return time_runs(lambda: run(next(copies)), self.size, SECONDS, WARM).milliseconds
            module = network.get_submodule(piece.step.name)

            rounds = 1 if self.device.type == "cpu" else ROUNDS

            def compute() -> None:
                for seen in itertools.islice(copies, rounds):
                    module.into(piece.target, seen) if isinstance(module, StepModule) else module(seen[0])
                wait_for(self.device)

            with autocast(self.precision, self.device):
                return time_runs(compute, self.size, SECONDS, WARM).milliseconds / rounds

    def _around(self, network: RestorationNetwork) -> float:
        """Time a network of no layers: what `Restorer.restore` does besides."""
        channels = network.architecture.channels
        restorer = Restorer(network, device=str(self.device), precision=self.precision)

        def nothing(x: Tensor, *level: Tensor) -> Tensor:
            return network.on_multiples(x, lambda seen: seen[:, : channels * network.unshuffle**2], *level)

        restorer._run = nothing
        image = random_image(self.size, channels)
        return time_runs(lambda: restorer.restore(image), self.size, SECONDS, WARM).milliseconds


@dataclasses.dataclass(frozen=True)
class _Piece:
    """What a step computes for a scale; ``step`` is None for what a network costs besides its layers.

    Args:
        what: everything that its time depends on.
        channels: of the features before the step.
        folded: height and width of scale 0.
    """

    what: tuple[Any, ...]
    step: Step | None
    target: int
    channels: dict[int, int]
    folded: tuple[int, int]

    @property
    def key(self) -> str:
        """The same for equal pieces, on every machine."""
        return hashlib.sha256(repr(self.what).encode()).hexdigest()[:16]
