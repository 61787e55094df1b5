"""Run a network on one window of an image that is not in memory as a whole."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clearer.images.nodata import filled
from clearer.images.tensors import to_array, to_batch
from clearer.images.types import UnitPixels
from clearer.inference.checks import Watch
from clearer.inference.noise_level import NoiseLevel, beside_level
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Tile, restore_tiles


class WindowRestorer:
    """A network on the windows of one image, with the result that the whole image would have.

    Args:
        restorer: the model.
        size: height and width of the image as shown.
        overlap: pixels around a tile that the network sees.
        ensemble: use the x8 self-ensemble.
        level: the noise level of the image: a number, or a map (1, 1, H, W), in gray levels.
    """

    def __init__(
        self, restorer: Restorer, size: tuple[int, int], overlap: int, ensemble: bool, level: NoiseLevel | None
    ) -> None:
        self.restorer, self.size, self.overlap, self.ensemble, self.level = restorer, size, overlap, ensemble, level
        self.watch = Watch()
        self.largest: int | None = None  # pixels of a tile, once memory has run out

    def run(self, x: UnitPixels, window: Tile, core: Tile) -> UnitPixels:
        """Restore the core of a window; around it, the pixels stay.

        Args:
            x: the pixels of the window, (H, W, C) in the channels of the network, NaN where there is no value.
            window: its place in the image as shown.
            core: the tile within.

        Raises:
            Unsound: the network returns values that are not finite.
        """
        hidden = np.isnan(x)
        x = filled(x, hidden) if hidden.any() else x
        out = x.copy()

        def inside(part: Tile) -> tuple[slice, slice]:
            return (
                slice(part.top - window.top, part.bottom - window.top),
                slice(part.left - window.left, part.right - window.left),
            )

        def read(part: Tile) -> Tensor:
            found = to_batch(x[inside(part)])
            if isinstance(self.level, Tensor):  # a map, cut and turned as the image is
                return torch.cat([found, self.level[..., part.top : part.bottom, part.left : part.right]], 1)
            return found

        self.watch.add_input(x[inside(core)])
        multiple, tiles = self.restorer.architecture.multiple, [core]
        for tile, y in restore_tiles(
            self._forward, read, tiles, self.size, self.overlap, multiple, self.ensemble, largest=self.largest
        ):
            out[inside(tile)] = to_array(y.clamp(0, 1))
            if tile.pixels < core.pixels:
                self.largest = min(self.largest or core.pixels, max(tile.pixels, 1))
        return out

    def _forward(self, x: Tensor) -> Tensor:
        channels = self.restorer.architecture.channels
        level = x[:, channels:] if x.shape[1] > channels else self.level
        y = self.restorer.run(beside_level(x[:, :channels], level, self.restorer.architecture, self.restorer.name))
        self.watch.add_output(y)
        return y
