"""Run a network on one window of an image that is not in memory as a whole, and what counts for all windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.images.nodata import filled
from clearer.images.tensors import batch_view, to_array, to_batch
from clearer.images.types import ImagePage, UnitPixels
from clearer.inference.checks import Watch, in_sound_precision
from clearer.inference.color import restore_page
from clearer.inference.memory import is_out_of_memory
from clearer.inference.noise_level import WHITE, ImageLevels, NoiseLevel, beside_level, unit_level
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Tile, restore_tiles

Look = Callable[[UnitPixels, UnitPixels], None]
"""Takes input and output of the network around the center of an image, (H, W, C) in [0, 1]."""
LOOKED_AT = 512
"""Side in pixels of what is shown to a `Look`: an estimate of the noise level is settled by then."""


def restore_soundly(restorer: Restorer, source: str | Path, write: Callable[[Restorer], None]) -> None:
    """Restore an image window by window, in a precision in which the result is sound.

    Args:
        restorer: the model.
        source: what errors call the image.
        write: restores all of it with a restorer; called once for each precision that is tried.

    Raises:
        UserError: see `clearer.inference.checks.in_sound_precision`, or even small tiles need more memory than is free.
    """
    try:
        in_sound_precision(restorer, write, str(source))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        fault = f"{source}: even small tiles of it need more memory than {restorer.device} has; free some"
        raise UserError(fault) from error


def level_of_parts(
    restorer: Restorer,
    levels: ImageLevels,
    size: tuple[int, int],
    parts: Iterable[ImagePage],
    options: RestoreOptions,
) -> NoiseLevel | None:
    """Return the noise level of a whole image before any window is restored, so that no tile has its own.

    Args:
        restorer: the model.
        levels: gives the level, or estimates it; an estimate is noted there.
        size: height and width of the image as shown.
        parts: of the image, read only if the level is estimated; that of the image is their RMS.
        options: how the values of the image are read.
    """
    if not restorer.architecture.takes_level:
        return None
    if levels.given is not None:
        return unit_level(levels.given, (1, 1, *size)) * WHITE
    own = ImageLevels(None, levels.estimate)

    def measure(x: UnitPixels) -> UnitPixels:
        hidden = np.isnan(x)
        known = np.where(hidden, np.float32(0), x) if hidden.any() else x
        own.of(batch_view(known))
        return known

    for page in parts:
        restore_page(page, measure, restorer.architecture.channels, options, "float")
    level = own.summary()
    levels.estimated += [] if level is None else [level]
    levels.raised |= own.raised
    return level


class WindowRestorer:
    """A network on the windows of one image, with the result that the whole image would have.

    Args:
        restorer: the model.
        size: height and width of the image as shown.
        overlap: pixels around a tile that the network sees.
        ensemble: use the x8 self-ensemble.
        level: the noise level of the image: a number, or a map (1, 1, H, W), in gray levels.
        look: called by `finish` with what was restored around the center.
    """

    def __init__(
        self,
        restorer: Restorer,
        size: tuple[int, int],
        overlap: int,
        ensemble: bool,
        level: NoiseLevel | None,
        look: Look | None = None,
    ) -> None:
        self.restorer, self.size, self.overlap, self.ensemble, self.level = restorer, size, overlap, ensemble, level
        self.center = None if look is None else _Center(size, look)
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
        if self.center is not None:
            self.center.fill(x, out, window, core)
        return out

    def finish(self) -> None:
        """Check the image when all of its windows are restored, and show its center.

        Raises:
            Unsound: see `clearer.inference.checks.Watch.finish`.
        """
        self.watch.finish()
        if self.center is not None:
            self.center.show()

    def _forward(self, x: Tensor) -> Tensor:
        channels = self.restorer.architecture.channels
        level = x[:, channels:] if x.shape[1] > channels else self.level
        y = self.restorer.run(beside_level(x[:, :channels], level, self.restorer.estimate))
        self.watch.add_output(y)
        return y


class _Center:
    """What was restored around the center of an image, whatever its windows are.

    Args:
        size: height and width of the image.
        look: takes it.
    """

    def __init__(self, size: tuple[int, int], look: Look) -> None:
        (height, width), half = size, LOOKED_AT // 2
        top, left = max(0, height // 2 - half), max(0, width // 2 - half)
        self.place = Tile(top, min(height, top + LOOKED_AT), left, min(width, left + LOOKED_AT))
        self.look, self.missing = look, self.place.pixels
        self.pair: tuple[UnitPixels, UnitPixels] | None = None

    def fill(self, x: UnitPixels, y: UnitPixels, window: Tile, core: Tile) -> None:
        """Take what belongs to it of the core of a window, restored from ``x`` to ``y``; see `WindowRestorer.run`."""
        place = self.place
        top, bottom = max(core.top, place.top), min(core.bottom, place.bottom)
        left, right = max(core.left, place.left), min(core.right, place.right)
        if top >= bottom or left >= right:
            return
        if self.pair is None:
            shape = (place.height, place.width, x.shape[2])
            self.pair = np.empty(shape, np.float32), np.empty(shape, np.float32)
        to = np.s_[top - place.top : bottom - place.top, left - place.left : right - place.left]
        at = np.s_[top - window.top : bottom - window.top, left - window.left : right - window.left]
        for held, new in zip(self.pair, (x, y), strict=True):
            held[to] = new[at]
        self.missing -= (bottom - top) * (right - left)

    def show(self) -> None:
        """Call ``look``, unless a part was restored by an earlier run."""
        if self.pair is not None and self.missing == 0:
            self.look(*self.pair)
