"""The rows of the robustness table: degradations of which a denoiser is measured on each, with all settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.degradations.base import Degradation, image_seed
from clearer.degradations.registry import degradation_from_dict
from clearer.images.pixels import gray_of, luma_of
from clearer.images.tensors import to_array, to_batch

Settings = Mapping[str, Any]
_HALVED = {"kind": "resize", "factor": 2, "down": "bicubic", "up": "bicubic"}
CAMERA_ISO = (400, 1600, 6400, 25600)
CAMERA_JPEG = 90


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        name: as the table states it, such as ``"white-25"``.
        steps: settings of degradations, as under ``data.degradation`` of a recipe, one after another.
        stored: clip to [0, 1] and round to 8 bits in the end, as image files do.
        gray: how the row is made for gray models: of the gray image, as luma of the color images, or not at all.
        truth: settings of degradations that make the ground truth: what a denoiser is not asked to undo.
        of_gray: color models get the gray image in all three channels, with the noise of one channel.
    """

    name: str
    steps: tuple[Settings, ...]
    stored: bool = True
    gray: Literal["gray", "luma", ""] = "gray"
    of_gray: bool = False
    truth: tuple[Settings, ...] = ()

    @cached_property
    def degradations(self) -> tuple[Degradation, ...]:
        """The degradations, one after another."""
        return tuple(degradation_from_dict(step) for step in self.steps)

    def pair(self, clean: npt.NDArray[np.uint8], channels: int, seed: int, k: int) -> tuple[Tensor, Tensor]:
        """Return the clean and the degraded image, each (1, channels, H, W) float32.

        Args:
            clean: (H, W, 3), after the crop.
            channels: of the model; 1 only where ``gray`` is not "".
            seed: of the protocol.
            k: place of the image in its set, from 0. The same numbers are drawn for it in every row.
        """
        in_gray = self.of_gray or (channels == 1 and self.gray == "gray")
        start = to_batch(((gray_of(clean) if in_gray else clean) / 255).astype(np.float32))
        generator = torch.Generator().manual_seed(image_seed(seed, k))
        for step in self.truth:
            start = _rounded(degradation_from_dict(step).apply(start, generator))
        degraded = start
        for degradation in self.degradations:
            degraded = degradation.apply(degraded, generator)
        if channels == 1 and self.gray == "luma":
            start, degraded = (to_batch(luma_of(to_array(image))) for image in (start, degraded))
        if self.stored:
            degraded = _rounded(degraded)
        return start.expand(-1, channels, -1, -1).contiguous(), degraded.expand(-1, channels, -1, -1).contiguous()

    def digest(self) -> str:
        """Return a digest of all settings, which changes with the defaults of a degradation too."""
        steps = [degradation.to_dict() for degradation in self.degradations]
        whole: list[Any] = [steps, self.stored, self.gray, self.of_gray]
        if self.truth:
            whole.append([degradation_from_dict(step).to_dict() for step in self.truth])
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def _rounded(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


def _white(sigma: float) -> Settings:
    return {"kind": "gaussian", "sigma": sigma}


def _blurred(blur: float) -> Settings:
    return {"kind": "correlated", "sigma": 25, "blur": blur, "stretch": 1}


def _jpeg(quality: int) -> Settings:
    return {"kind": "jpeg", "quality": quality}  # 4:2:0


def _camera(iso: int, processed: int = 0) -> Settings:
    return {"kind": "camera", "iso": iso, "processed": processed, "scaled": 0, "banding": 0, "hot": 0}


def _rows() -> Iterator[Row]:
    for sigma in (15, 25, 50):
        yield Row(f"white-{sigma}", (_white(sigma),), stored=False)
    yield Row("white-25-8bit", (_white(25),))
    yield Row("uneven-channels-25", ({**_white(25), "channel_spread": 1.0},), gray="")
    yield Row("gray-noise-25", ({**_white(25), "channel_correlation": 1.0},), gray="")
    yield Row("gray-image-white-25", (_white(25),), of_gray=True, gray="")
    for blur in (0.5, 1.0):
        yield Row(f"blurred-noise-{blur:g}", (_blurred(blur),))
    for photons in (100, 30):
        yield Row(f"poisson-{photons}", ({"kind": "poisson-gaussian", "photons": photons, "read": 0},))
    yield Row("speckle-30", ({"kind": "speckle", "looks": 30},))
    for quality in (95, 75):
        yield Row(f"white-25-jpeg-{quality}", (_white(25), _jpeg(quality)))
    for iso in CAMERA_ISO:
        yield Row(f"camera-{iso}", (_camera(iso),), gray="luma")
    for iso in CAMERA_ISO:
        yield Row(f"camera-{iso}-jpeg-{CAMERA_JPEG}", (_camera(iso), _jpeg(CAMERA_JPEG)), gray="luma")
    yield Row("camera-6400-processed", (_camera(6400, processed=1),), gray="luma")
    yield Row("soft-image-white-25", (_white(25),), truth=(_HALVED,))
    yield Row("clean", (), stored=False)


ROWS = tuple(_rows())
"""All rows, in the order of the table."""
