"""Camera noise: the noise of a sensor, as it looks after everything a camera does to it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from clearer.core.config import Range
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.camera import processing, sensor
from clearer.degradations.camera.capture import Capture
from clearer.degradations.camera.curves import ToneCurve
from clearer.degradations.camera.demosaic import DEMOSAICS
from clearer.degradations.camera.files import read_cameras, read_curves
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import (
    Level,
    at_share,
    checked_level,
    checked_names,
    checked_share,
    ends,
    in_words,
    one_of,
)
from clearer.degradations.resampling import resampled

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LOWEST, _HIGHEST = 1.0, 1_000_000.0
_family = partial(
    ProtocolFamily, level="iso", levels=Range(_LOWEST, below=_HIGHEST), meaning="a sensitivity, ISO 1 or more",
    example=1600, shows="camera",
)  # fmt: skip
_PLAIN = {"processed": 0, "scaled": 0, "banding": 0, "hot": 0}


@dataclass(frozen=True)
class Camera(Degradation):
    """Camera noise on clean images.

    The image is turned back into the light that a camera would have seen and into the values of its sensor behind a
    mosaic of colors; these get shot and read noise. Demosaicing, color matrix and tone curve then act on the noise as
    a camera's do. The image itself keeps its sharpness: only the difference that the noise makes is added to it, as
    between one photograph and the average of many. Without noise an 8-bit image comes back bit for bit.

    Curve, white balance, color matrix, exposure and mosaic are drawn for each image. Results are rounded to 8 bits, as
    files of cameras are. A gray image goes through as a color one of equal channels; the result is its luma.

    Protocols: ``camera-ISO`` (color) and ``camera-gray-ISO``, without processing and scaling, on whole images;
    ``camera-processed-ISO``, with both.

    Args:
        iso: sensitivity. ISO 100 counts 40,000 electrons at white. A range draws one for each image, uniformly in
            the logarithm.
        demosaic: ``bilinear`` or ``gradient``, or a list of these from which each image draws one.
        processed: share of the images with in-camera smoothing and sharpening, which make noise coarse.
        scaled: share of the images that are scaled from another resolution.
        scale: resolution of the camera by that of the image; a range draws one for each scaled image.
        banding: share of the images whose rows have offsets of their own.
        hot: share of the images with hot pixels.
        read: factor of the standard deviation of the read noise; a range draws one for each image, uniformly in the
            logarithm. 1 is a modern sensor of 1 to 2 electrons; 4 an old or cheap one.
        specks: share of the processed images whose smoothing leaves specks, as a threshold of wavelets does.
        curves: file of measured tone curves, in place of the built-in ones; see
            `clearer.degradations.camera.files.read_curves`. Read when the first image is degraded.
        cameras: file of measured cameras, in place of the built-in gains and color matrices; see
            `clearer.degradations.camera.files.read_cameras`.

    Raises:
        UserError: a value is of the wrong type or out of range.
    """

    iso: Level = (50.0, 51200.0)
    demosaic: str | list[str] = DEMOSAICS  # type: ignore[assignment]
    processed: float = 0.5
    scaled: float = 0.5
    scale: Level = (1.0, 2.0)
    banding: float = 0.1
    hot: float = 0.05
    read: Level = 1.0
    specks: float = 0.0
    curves: str = ""
    cameras: str = ""

    kind: ClassVar[str] = "camera"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        _family("camera-I", 3, settings=_PLAIN),
        _family("camera-gray-I", 1, settings=_PLAIN),
        _family("camera-processed-I", 3, settings=_PLAIN | {"processed": 1, "scaled": 1}),
    )

    def __post_init__(self) -> None:
        iso = checked_level("iso", self.iso, _LOWEST, _HIGHEST, "a sensitivity from ISO 1 to 1,000,000, such as 1600")
        scale = checked_level("scale", self.scale, 0.25, 4, "a scale from 0.25 to 4")
        # frozen: lists from YAML become tuples
        read = checked_level("read", self.read, 0.1, 100, "a factor from 0.1 to 100")
        object.__setattr__(self, "iso", iso)
        object.__setattr__(self, "read", read)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "demosaic", checked_names("demosaic", self.demosaic, DEMOSAICS))
        for name in ("curves", "cameras"):
            if not isinstance(getattr(self, name), str):
                raise UserError(f"{name}: {getattr(self, name)!r} is not the name of a file")
        for share in ("processed", "scaled", "banding", "hot", "specks"):
            object.__setattr__(self, share, checked_share(share, getattr(self, share)))

    def check_files(self) -> None:
        """Read the files of curves and cameras, so that a fault in them shows before a run begins.

        Raises:
            UserError: one cannot be read.
        """
        if self.curves:
            read_curves(self.curves)
        if self.cameras:
            read_cameras(self.cameras)

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        if clean.shape[1] not in (1, 3):
            raise ValueError(f"images of cameras have 1 or 3 channels, not {clean.shape[1]}")
        batch = clean.shape[0] if of is None else of
        seeds = torch.randint(2**31, (batch,), generator=generator, device=generator.device).tolist()
        found = []
        for seed, image in zip(seeds[start:], clean.float().clamp(0, 1), strict=False):
            noise = self._noise(image.expand(3, -1, -1), seed, generator.device)
            found.append(image + (processing.luma_of(noise) if clean.shape[1] == 1 else noise))
        return ((torch.stack(found).clamp(0, 1) * 255).round() / 255).to(clean.dtype)

    def _noise(self, image: Tensor, seed: int, place: torch.device) -> Tensor:
        """Return the difference that noise makes to one image, (3, H, W)."""
        import torch

        # Extras have generators of their own, so that they leave the noise of the sensor as it is.
        own, extra, last = (torch.Generator(device=place).manual_seed(seed + k * 2**31) for k in (0, 1, 2))
        name, iso, *chosen = torch.rand(2 + sensor.NUMBERS + 4, generator=own, device=place).tolist()
        scaled, scale, processes, bands, hot, *more = torch.rand(
            5 + sensor.DEFECTS + processing.NUMBERS, generator=extra, device=place
        ).tolist()
        read, specks, threshold = torch.rand(3, generator=last, device=place).tolist()
        cameras = read_cameras(self.cameras) if self.cameras else ()
        taken = sensor.drawn_sensor(_in_logarithm(self.iso, iso), chosen[: sensor.NUMBERS], cameras)
        tones = chosen[sensor.NUMBERS :]
        size = (image.shape[1], image.shape[2])
        if scaled < self.scaled:
            factor = at_share(self.scale, scale)
            image = resampled(image, (math.ceil(size[0] * factor), math.ceil(size[1] * factor)), "bilinear")
        capture = Capture(
            sensor=sensor.louder(taken, _in_logarithm(self.read, read)),
            curve=one_of(read_curves(self.curves), tones[0]) if self.curves else ToneCurve.drawn(tones),
            demosaic=one_of(self.demosaic, name),
            banding=more[: sensor.DEFECTS] if bands < self.banding else None,
            hot=more[: sensor.DEFECTS] if hot < self.hot else None,
        )
        noise = capture.noise(image, own, extra)
        if processes < self.processed:
            level = at_share(processing.THRESHOLD, threshold) if specks < self.specks else 0.0
            noise = processing.processed(noise, image, more[sensor.DEFECTS :], level)
        return resampled(noise, size, "bicubic") if scaled < self.scaled else noise

    def describe(self) -> str:
        return f"camera noise of ISO {in_words(self.iso)}, {self.processed:.0%} processed, {self.scaled:.0%} scaled"

    def effect(self) -> str:
        return f"camera noise of ISO {in_words(self.iso)}"

    def to_dict(self) -> dict[str, Any]:
        later = {"read": 1.0, "specks": 0.0, "curves": "", "cameras": ""}
        usual = {name for name, value in later.items() if getattr(self, name) == value}
        return {name: value for name, value in super().to_dict().items() if name not in usual}

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, iso=_in_logarithm(self.iso, share))


def _in_logarithm(level: Level, share: float) -> float:
    low, high = ends(level)
    return low * math.exp(math.log(high / low) * share)
