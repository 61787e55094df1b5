"""Restore TIFF files that are too large for memory band by band, from file to file."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.files import is_no_file, written_whole
from clearer.images.pixels import to_unit
from clearer.images.tensors import to_array, to_batch
from clearer.images.tiff.rows import TiffRows, refusal, write_rows
from clearer.images.types import LARGEST_PAGE, AnyPixels, UnitPixels
from clearer.inference.checks import Watch, in_sound_precision
from clearer.inference.color import Run
from clearer.inference.memory import is_out_of_memory, pixels_that_fit
from clearer.inference.noise_level import WHITE, ImageLevels, NoiseLevel, beside_level, unit_level
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Overlap, Tile, Tiling, as_overlap, as_tiling, cut, restore_tiles, shape_within
from clearer.noise.level import estimate_level

See = Callable[[UnitPixels, Run], UnitPixels]
"""Maps (h, w, channels of the file) in [0, 1], and a network for its own channels, to the restored pixels."""

LARGE = 32 * 10**6
"""Pixels from which a file is restored by rows instead of in memory."""
SEEN_AT_ONCE = 4 * 10**6
"""Pixels that the network sees at most at once, however much memory is free."""
BAND_ROWS, FEWEST_BAND_ROWS = 512, 64
"""Rows of the result that are held at a time: at most, and however wide the image is."""
SAMPLED_BANDS, SAMPLED_ROWS = 5, 256
"""Number and rows of the bands from which the noise level is estimated."""
BAND_BYTES = 2**27
"""Bytes of the result that are held at a time, if `FEWEST_BAND_ROWS` allows."""

_NODATA = 42113  # the tag GDAL_NODATA

log = logging.getLogger("clearer")


def is_large(path: str | Path, pixels: int | None = None) -> bool:
    """Return whether a file is a TIFF that `restore_large` can restore, of at least ``pixels`` (default: `LARGE`)."""
    if is_no_file(Path(path)):
        return False
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0].aspage()
            size = page.imagelength * page.imagewidth
            if _NODATA in page.tags and size <= LARGEST_PAGE:
                return False  # pixels without a value are kept in memory only
            return size >= (LARGE if pixels is None else pixels) and refusal(file) is None
    except Exception:  # not a TIFF, or a broken one, which its reader reports
        return False


def restore_large(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    ensemble: bool = False,
    tile: Tiling = "auto",
    overlap: Overlap = "auto",
    *,
    see: See | None = None,
    levels: ImageLevels | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Restore a TIFF to a TIFF by rows; return ``target``.

    Depth, tags, ICC profile and alpha are kept (see `write_rows`). In memory are the features of one tile, and a
    band of at most 512 rows (128 MiB) of the result with the rows around it that the network sees. Memory does
    not grow with the image's height.

    Args:
        restorer: the model.
        source: a TIFF of one page: gray or RGB, with or without alpha, uint8, uint16 or float32.
        target: where to write it, whole or not at all.
        ensemble: use the x8 self-ensemble, tile by tile.
        tile: see `clearer.Restorer.restore`. "auto" is at most 4 million pixels seen at once, and "none"
            means "auto".
        overlap: see `clearer.Restorer.restore`.
        see: runs the network on the file's pixels. By default the file has the network's channels, or is gray
            and seen by a color network as three equal channels.
        levels: gives the noise level, if the network takes one; by default it is estimated. One level counts for the
            whole image: the RMS of the estimates of bands spread over it (`SAMPLED_BANDS`).
        progress: called with (rows done, rows in all).

    Raises:
        UserError: the source cannot be read by rows, its channels do not fit the network, or its floats are
            not finite; the target cannot be written; or even small tiles need more memory than is free.
    """
    rows = TiffRows(source)
    try:
        border, chosen = as_overlap(overlap, restorer.architecture), as_tiling(tile)
        _check_channels(rows, restorer, see)

        def write(restorer: Restorer) -> None:
            with written_whole(target) as temporary:
                tiles = _tiles(rows, restorer, chosen, border)
                work = _RowRestorer(rows, restorer, border, ensemble, see or _equal_channels(restorer))
                work.find_level(levels or ImageLevels(None, estimate_level))
                try:
                    write_rows(temporary, rows, _counted(work.bands(tiles), rows.height, progress))
                except (ValueError, TypeError, struct.error) as error:  # tags that the writer refuses
                    raise UserError(f"{target}: cannot be written as TIFF ({error}); convert {source} first") from error

        in_sound_precision(restorer, write, str(source))
        if rows.groups:
            log.warning("%s: too large to keep its %s tags; other tags stay", source, " and ".join(rows.groups))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"{source}: even small tiles of it need more memory than {restorer.device} has; free some"
        ) from error
    finally:
        rows.close()
    return Path(target)


def _check_channels(rows: TiffRows, restorer: Restorer, see: See | None) -> None:
    expected = restorer.architecture.channels
    if see is None and rows.channels not in (1, expected):
        raise UserError(
            f"{rows.path}: has {rows.channels} channels where the model takes {expected}; "
            "convert it or choose another model"
        )


def _equal_channels(restorer: Restorer) -> See:
    expected = restorer.architecture.channels

    def see(x: UnitPixels, run: Run) -> UnitPixels:
        if x.shape[2] == expected:
            return run(x)
        gray: UnitPixels = run(np.repeat(x, expected, axis=2)).clip(0, 1).mean(2, keepdims=True, dtype=np.float32)
        return gray

    return see


def _tiles(rows: TiffRows, restorer: Restorer, tile: Tiling, overlap: int) -> list[list[Tile]]:
    """Return the tiles of each band: bands from top to bottom, tiles from left to right."""
    multiple = restorer.architecture.multiple
    row_bytes = rows.width * rows.samples * rows.dtype.itemsize
    most = min(BAND_ROWS, max(FEWEST_BAND_ROWS, BAND_BYTES // row_bytes))
    if isinstance(tile, int):
        high = wide = tile
    else:
        fit = min(SEEN_AT_ONCE, pixels_that_fit(restorer.architecture, restorer.device))
        high, wide = shape_within(min(rows.height, most), rows.width, fit, overlap, multiple)
    bands: dict[int, list[Tile]] = {}
    for part in cut(rows.height, rows.width, min(high, most), wide):
        bands.setdefault(part.top, []).append(part)
    return list(bands.values())


class _RowRestorer:
    """Restores the rows of a TIFF, holding the rows around one band at a time."""

    def __init__(self, rows: TiffRows, restorer: Restorer, overlap: int, ensemble: bool, see: See) -> None:
        self.rows, self.restorer, self.overlap, self.ensemble, self.see = rows, restorer, overlap, ensemble, see
        self.white = np.iinfo(rows.dtype).max if rows.dtype.kind == "u" else 1
        self.watch = Watch()
        self.first = 0  # the first row held
        self.held: AnyPixels = np.empty((0, rows.width, rows.samples), rows.dtype)
        self.level: NoiseLevel | None = None

    def find_level(self, levels: ImageLevels) -> None:
        """Find the noise level of the whole image before any part is restored, so that no tile has its own."""
        rows = self.rows
        if not self.restorer.architecture.takes_level:
            return
        if levels.given is not None:
            self.level = unit_level(levels.given, (1, 1, rows.height, rows.width)) * WHITE
            return
        high = min(rows.height, SAMPLED_ROWS)

        def measure(x: UnitPixels) -> UnitPixels:
            levels.of(to_batch(x))
            return x

        for top in np.linspace(0, rows.height - high, SAMPLED_BANDS).astype(int).tolist():
            self.see(self._to_unit(rows.read(top, top + high)), measure)
        self.level = levels.summary()

    def bands(self, tiles: list[list[Tile]]) -> Iterator[AnyPixels]:
        """Yield the restored rows band by band, (n, W, samples), in the depth of the file.

        Raises:
            Unsound: the network returns values that are not finite, or, at the end, a black image.
        """
        rows, multiple = self.rows, self.restorer.architecture.multiple
        reach = self.overlap + multiple
        # One pass over the tiles of all bands, so that tiles stay small once memory has run out.
        restored = restore_tiles(
            self._forward,
            self._read,
            (tile for band in tiles for tile in band),
            (rows.height, rows.width),
            self.overlap,
            multiple,
            self.ensemble,
        )
        for band in tiles:
            top, bottom = band[0].top, band[0].bottom
            self.first = max(0, top - reach)
            self.held = rows.read(self.first, min(rows.height, bottom + reach))
            own = self.held[top - self.first : bottom - self.first]
            self.watch.add_input(self._to_unit(own))
            result = own.copy()  # alpha stays
            left = result.shape[0] * result.shape[1]
            while left:
                tile, y = next(restored)
                part = result[tile.top - top : tile.bottom - top, tile.left : tile.right, : rows.channels]
                part[...] = self._from_unit(to_array(y.clamp(0, 1)))
                left -= tile.pixels
            if bottom == rows.height:
                self.watch.finish()
            yield result

    def _to_unit(self, pixels: AnyPixels) -> UnitPixels:
        x = pixels[:, :, : self.rows.channels].astype(np.float32) / np.float32(self.white)
        if self.rows.dtype.kind == "f":
            try:
                x = to_unit(x)
            except UserError as error:
                raise UserError(f"{self.rows.path}: {error}") from error
        return 1 - x if self.rows.inverted else x

    def _from_unit(self, x: UnitPixels) -> UnitPixels:
        x = (1 - x if self.rows.inverted else x) * self.white
        return x.round() if self.rows.dtype.kind == "u" else x

    def _read(self, part: Tile) -> Tensor:
        pixels = self._to_unit(self.held[part.top - self.first : part.bottom - self.first, part.left : part.right])
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        if isinstance(self.level, Tensor):  # a map, cut and turned as the image is
            return torch.cat([x, self.level[..., part.top : part.bottom, part.left : part.right]], 1)
        return x

    def _forward(self, x: Tensor) -> Tensor:
        channels = self.rows.channels
        level = x[:, channels:] if x.shape[1] > channels else self.level

        def run(part: UnitPixels) -> UnitPixels:
            y = self.restorer.run(beside_level(to_batch(part), level, self.restorer.architecture, self.restorer.name))
            self.watch.add_output(y)
            return to_array(y)

        return to_batch(self.see(np.ascontiguousarray(to_array(x[:, :channels])), run))


def _counted(
    bands: Iterator[AnyPixels], height: int, progress: Callable[[int, int], None] | None
) -> Iterator[AnyPixels]:
    done = 0
    for band in bands:
        done += len(band)
        if progress is not None:
            progress(done, height)
        yield band  # after progress: the writer does not ask for more than it needs
