"""One photograph of one image: from the light to the tone curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.degradations.camera.curves import TableCurve, ToneCurve
from clearer.degradations.camera.demosaic import REACH, demosaic, mosaic, site_colors
from clearer.degradations.camera.sensor import Sensor, banding, hot_pixels

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Capture:
    """What turns an image into the noise of its photograph.

    Args:
        sensor: with its colors and exposure.
        curve: the tone curve.
        demosaic: one of `clearer.degradations.camera.demosaic.DEMOSAICS`.
        banding, hot: numbers from 0 to 1 that choose offsets of rows and hot pixels; None for none.
    """

    sensor: Sensor
    curve: ToneCurve | TableCurve
    demosaic: str
    banding: list[float] | None = None
    hot: list[float] | None = None

    def noise(self, image: Tensor, generator: torch.Generator, extra: torch.Generator) -> Tensor:
        """Return the difference that noise makes to an image, (3, H, W) in [0, 1].

        Demosaicing is linear, so that it is applied to the noise alone: the image keeps its sharpness.

        Args:
            image: (3, H, W).
            generator: of shot and read noise.
            extra: of banding and hot pixels.
        """
        import torch

        height, width = image.shape[1:]
        light = self.curve.to_light(image)
        around = (REACH, REACH + width % 2, REACH, REACH + height % 2)
        raw = torch.nn.functional.pad(self.sensor.raw(light)[None], around, mode="replicate")[0]
        seen = mosaic(raw, self.sensor.phase)
        noise = self.sensor.noise(seen, generator)
        rows, columns = seen.shape
        if self.banding:
            noise = noise + banding(rows, self.sensor.read, self.banding, extra).to(noise.device)
        if self.hot:
            noise = noise + hot_pixels((rows, columns), self.hot, extra).to(noise.device)
        noise = self.sensor.clipped(noise, seen)
        gains, exposure = self.sensor.gains, self.sensor.exposure
        balance = [[gains[color] / exposure for color in row] for row in site_colors(self.sensor.phase)]
        noise.view(rows // 2, 2, columns // 2, 2).mul_(noise.new_tensor(balance)[None, :, None, :])
        colored = demosaic(noise, self.sensor.phase, self.demosaic, self.sensor.matrix.to(image.device))
        return self.curve.to_image((light + colored[:, :height, :width]).clamp(0, 1)) - image
