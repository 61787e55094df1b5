"""The noise level as people state it: in gray levels, as a number, an array, or a file with a map."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError, one_line
from clearer.images.io import read_file
from clearer.images.pixels import to_unit
from clearer.network.architecture import Architecture
from clearer.noise.level import estimate_level
from clearer.noise.white_level import HIGHEST, white_level
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import find_models
from clearer.zoo.purpose import is_for_white_noise
from clearer.zoo.weight_metadata import read_architecture

WHITE = 255.0
"""Gray levels from black to white, whatever the depth of the image."""
RAISED = 1.25
"""What the network is told, over the noise level, from which it is said to be raised."""

NoiseLevel = float | npt.NDArray[Any] | Tensor
"""Standard deviation of the noise in gray levels of 8 bits: a number, or a map of the image's height and width."""

Estimate = Callable[[Tensor], Tensor]
"""What a network is told of images (B, C, H, W) without a stated level: (B,), in units of [0, 1]."""


def estimate_for(architecture: Architecture, card: ModelCard) -> Estimate | None:
    """Return how the level for a network is estimated; None for one that takes none."""
    if not architecture.takes_level:
        return None
    highest = raised_up_to(architecture, card)
    return estimate_level if highest is None else partial(white_level, highest=highest / WHITE)


def raised_up_to(architecture: Architecture, card: ModelCard) -> float | None:
    """Return the gray levels up to which the level for a network is raised; None for one that is told the estimate.

    A color network that was trained on white noise is told more of other noise, which it would leave otherwise, but
    not beyond its training; see `clearer.noise.white_level`.
    """
    degradation = card.trained_on()
    if degradation is None or architecture.channels == 1 or not is_for_white_noise(card):
        return None
    levels = degradation.noise_levels()
    return HIGHEST * WHITE if levels is None else levels[1]


def unit_level(level: NoiseLevel, shape: tuple[int, ...]) -> Tensor:
    """Return a level in gray levels as a map (B, 1, H, W) in units of [0, 1], for images of ``shape`` (B, C, H, W).

    Args:
        level: a number; a map (H, W); or (B,), (1, H, W) or (B, 1, H, W).
        shape: of the images.

    Raises:
        UserError: it is negative, not finite, or of another size than the image.
    """
    value = torch.as_tensor(np.asarray(level, np.float32) if not isinstance(level, Tensor) else level)
    value = value.detach().to(torch.float32) / WHITE
    if not bool((torch.isfinite(value) & (value >= 0)).all()):
        raise UserError("level: it holds values that are negative or not finite; give gray levels from 0 up")
    batch, _, height, width = shape
    if value.ndim == 1:
        value = value.view(-1, 1, 1, 1)
    sides = zip(value.shape[::-1], (width, height, 1, batch), strict=False)
    if value.ndim > 4 or any(found not in (1, wanted) for found, wanted in sides):
        raise UserError(
            f"level: a map of shape {tuple(value.shape)} for an image of {width}x{height} pixels; "
            "give one number, or a map of the image's height and width"
        )
    return value.expand(batch, 1, height, width)


def beside_level(x: Tensor, level: NoiseLevel | None, estimate: Estimate | None) -> Tensor:
    """Return ``x``, (B, C, H, W), with the noise level as one more channel where the network takes it.

    As a channel, it is cut into tiles and turned as the image is. Without ``level``, it is estimated from ``x``.

    Args:
        x: the images.
        level: what the user states.
        estimate: see `estimate_for`.

    Raises:
        UserError: see `unit_level`.
    """
    if estimate is None:
        return x
    image = x.float()
    told = estimate(image).cpu() * WHITE if level is None else level
    return torch.cat([image, unit_level(told, tuple(x.shape)).to(x.device)], 1)


def read_level(text: str | Path) -> float | npt.NDArray[np.float32]:
    """Return the meaning of ``--sigma``: a number of gray levels, or the map (H, W) of a file.

    A ``.npy`` file and floating-point images hold gray levels (255 is white). Integer images are scaled to these: 8
    bits count as they are, 16 bits are divided by 257.

    Raises:
        UserError: it is neither a number from 0 to 255 nor a readable map of one channel.
    """
    try:
        number = float(str(text))
    except ValueError:
        return _read_map(Path(text))
    if not 0 <= number <= WHITE:
        raise UserError(f"--sigma {text}: not between 0 and 255 gray levels (0 is no noise)")
    return number


def _read_map(path: Path) -> npt.NDArray[np.float32]:
    if not path.is_file():
        raise UserError(f"--sigma {path}: neither a number nor a file; give gray levels or a map (.png, .tif or .npy)")
    if path.suffix.lower() == ".npy":
        found = _read_array(path)
    else:
        pixels = read_file(path).pages[0].color
        found = pixels if pixels.dtype.kind == "f" else to_unit(pixels) * np.float32(WHITE)
    found = found[:, :, 0] if found.ndim == 3 and found.shape[2] == 1 else found
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        raise UserError(f"--sigma {path}: {found.dtype} of shape {found.shape} where a map (H, W) is needed")
    return np.array(found, np.float32)  # a copy: what was read is a view of the file


def _read_array(path: Path) -> npt.NDArray[Any]:
    try:
        with np.errstate(over="ignore"):
            found = np.load(path, allow_pickle=False, mmap_mode="r")  # nothing is allocated for a header that lies
        if not isinstance(found, np.ndarray):
            raise ValueError("an archive of arrays")
        return found
    except Exception as error:  # a broken header raises whatever its tokens raise
        raise UserError(
            f"--sigma {path}: not readable as an array ({one_line(error)}); give a map of one channel"
        ) from error


def check_takes_level(architecture: Architecture, name: str) -> None:
    """Refuse a noise level for a network that takes none.

    Raises:
        UserError: with the models that take one.
    """
    if architecture.takes_level:
        return
    known = models_with_level()
    others = f"models that do: {', '.join(known)}" if known else "train one with --set network.condition=level"
    raise UserError(f"{name} does not take a noise level; {others}")


def models_with_level() -> list[str]:
    """Return the names of the pretrained models that take a noise level."""
    found = []
    for name, file in find_models(strict=False).items():
        with contextlib.suppress(UserError):  # of a damaged file, which `clearer models` reports
            if read_architecture(file.path)[0].takes_level:
                found.append(name)
    return found


class ImageLevels:
    """The levels that the network is told for one image, run by run; estimates are kept to be reported.

    Args:
        given: what the user states, in gray levels; None: the image of each run is measured.
        estimate: see `estimate_for`; it gets one image at a time.
        smoothing: share of the earlier level in the next one, for the frames of a video; see `begin_frame`.

    ``raised``: whether the network was told more than the level, since the noise is not white.
    """

    def __init__(
        self,
        given: float | npt.NDArray[Any] | None,
        estimate: Estimate | None,
        smoothing: float = 0.0,
    ) -> None:
        self.given, self.estimate, self.smoothing = given, estimate, smoothing
        self.estimated: list[float] = []
        self.raised = False
        self._before: list[float] = []  # of each run on the frame before
        self._now: list[float] = []

    def begin_frame(self) -> None:
        """Note that the next run is the first one on another frame of a video."""
        self._before, self._now = self._now, []

    def of(self, x: Tensor) -> NoiseLevel | None:
        """Return the level for a run on ``x``, (1, C, H, W) in [0, 1]."""
        if self.given is not None or self.estimate is None:
            return self.given
        found = float(self.estimate(x)) * WHITE
        if self.estimate is not estimate_level:
            self.raised |= found > RAISED * float(estimate_level(x)) * WHITE
        if self.smoothing and len(self._now) < len(self._before):  # each channel by itself
            found = self.smoothing * self._before[len(self._now)] + (1 - self.smoothing) * found
        self._now.append(found)
        self.estimated.append(found)
        return found

    def summary(self) -> float | None:
        """Return the RMS of the estimates in gray levels; None where the level was given or nothing was run."""
        if not self.estimated:
            return None
        return math.sqrt(math.fsum(level**2 for level in self.estimated) / len(self.estimated))
