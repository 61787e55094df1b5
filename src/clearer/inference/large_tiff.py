"""Images that are too large for memory: TIFF files restored band by band, from file to file."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.files import written_whole
from clearer.images.pixels import to_unit
from clearer.images.tensors import to_array, to_batch
from clearer.images.tiff_rows import TiffRows, refusal, write_rows
from clearer.images.types import AnyPixels
from clearer.inference.checks import Watch, in_sound_precision
from clearer.inference.memory import is_out_of_memory, pixels_that_fit
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Overlap, Tile, Tiling, as_overlap, as_tiling, cut, restore_tiles, shape_within

Floats = npt.NDArray[np.float32]
See = Callable[[Floats, Callable[[Floats], Floats]], Floats]
"""(h, w, channels of the file) in [0, 1], and the network for (h, w, its channels) -> the same as the first."""

LARGE = 32 * 10**6
"""Pixels from which an image is better restored by rows than in memory."""
SEEN_AT_ONCE = 4 * 10**6
"""Pixels that the network sees at most of such an image, however much memory is free."""
log = logging.getLogger("clearer")

_BAND = 512  # rows of the result that are kept at a time, at most
_BAND_BYTES = 2**27  # and fewer, down to 64, where they hold more than this


def is_large(path: str | Path, pixels: int | None = None) -> bool:
    """Tell whether a file is a TIFF of at least so many pixels (`LARGE`) that `restore_large` can take."""
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0].aspage()
            return page.imagelength * page.imagewidth >= (LARGE if pixels is None else pixels) and refusal(file) is None
    except Exception:  # not a TIFF, or a broken one, which whoever reads it will tell of
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
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Restore a TIFF to a TIFF by rows; return ``target``.

    Depth, tags, ICC profile and alpha are kept (see `write_rows`). Memory: that of one tile's pass,
    and a band of at most 512 rows (128 MiB) of the result with the rows around it that the network sees;
    nothing grows with the image's height.

    Args:
        restorer: what restores.
        source: a TIFF of one page: gray or RGB, with or without alpha, uint8, uint16 or float32.
        target: where to write it; whole or not at all.
        ensemble: use the x8 self-ensemble, tile by tile.
        tile: as of `Restorer.restore`; "auto" is at most 4 million pixels seen at once. "none" is
            taken as "auto": an image cannot be whole and by rows.
        overlap: as of `Restorer.restore`.
        see: how pixels of the file meet the network, where more is wanted than a gray image seen
            by a color network as three equal channels.
        progress: called with (rows done, rows in all).

    Raises:
        UserError: the source cannot be read by rows, has not the network's channels, or holds floats
            that are not finite; the target cannot be written; even small tiles need too much memory.
    """
    rows = TiffRows(source)
    try:
        border, chosen = as_overlap(overlap, restorer.architecture), as_tiling(tile)
        _check(rows, restorer, see)

        def write(restorer: Restorer) -> None:
            with written_whole(target) as temporary:
                tiles = _tiles(rows, restorer, chosen, border)
                restored = _bands(rows, restorer, tiles, border, ensemble, see or _equal_channels(restorer))
                try:
                    write_rows(temporary, rows, _counted(restored, rows.height, progress))
                except (ValueError, TypeError, struct.error) as error:  # of tags that the writer does not take
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


def _check(rows: TiffRows, restorer: Restorer, see: See | None) -> None:
    expected = restorer.architecture.channels
    if see is None and rows.channels not in (1, expected):
        raise UserError(
            f"{rows.path}: has {rows.channels} channels where the model takes {expected}; "
            "convert it or choose another model"
        )


def _equal_channels(restorer: Restorer) -> See:
    expected = restorer.architecture.channels

    def see(x: Floats, run: Callable[[Floats], Floats]) -> Floats:
        if x.shape[2] == expected:
            return run(x)
        gray: Floats = run(np.repeat(x, expected, axis=2)).clip(0, 1).mean(2, keepdims=True, dtype=np.float32)
        return gray

    return see


def _tiles(rows: TiffRows, restorer: Restorer, tile: int | str, overlap: int) -> list[list[Tile]]:
    """Return the tiles of each band, top to bottom, in each left to right."""
    multiple = restorer.architecture.multiple
    most = min(_BAND, max(64, _BAND_BYTES // (rows.width * rows.samples * rows.dtype.itemsize)))
    if isinstance(tile, int):
        high = wide = tile
    else:
        fit = min(SEEN_AT_ONCE, pixels_that_fit(restorer.architecture, restorer.device))
        high, wide = shape_within(min(rows.height, most), rows.width, fit, overlap, multiple)
    found = cut(rows.height, rows.width, min(high, most), wide)
    tops = sorted({tile.top for tile in found})
    bands: dict[int, list[Tile]] = {top: [] for top in tops}
    for part in found:
        bands[part.top].append(part)
    return list(bands.values())


def _bands(
    rows: TiffRows, restorer: Restorer, tiles: list[list[Tile]], overlap: int, ensemble: bool, see: See
) -> Iterator[AnyPixels]:
    """Yield the restored rows band by band, (n, W, samples), of the file's depth.

    Raises:
        Unsound: the network makes values that are not finite, or, at the end, nothing but black.
    """
    top_level = np.iinfo(rows.dtype).max if rows.dtype.kind == "u" else 1
    looked_at = Watch()
    reach = overlap + restorer.architecture.multiple

    def unit(pixels: AnyPixels) -> Floats:
        x = pixels[:, :, : rows.channels].astype(np.float32) / np.float32(top_level)
        if rows.dtype.kind == "f":
            try:
                x = to_unit(x)
            except UserError as error:
                raise UserError(f"{rows.path}: {error}") from error
        return 1 - x if rows.inverted else x

    def read(part: Tile) -> Tensor:
        pixels = unit(held[part.top - first : part.bottom - first, part.left : part.right])
        return torch.from_numpy(pixels).permute(2, 0, 1)[None]

    def run(x: Floats) -> Floats:
        y = restorer.run(to_batch(x))
        looked_at.see(y)
        restored: Floats = to_array(y)
        return restored

    def forward(x: Tensor) -> Tensor:
        y = see(np.ascontiguousarray(to_array(x)), run)
        return to_batch(y)

    # One pass over all tiles, so that what was learnt of memory in one band holds in the next.
    ahead = restore_tiles(
        forward,
        read,
        (tile for band in tiles for tile in band),
        (rows.height, rows.width),
        overlap,
        restorer.architecture.multiple,
        ensemble,
    )
    for band in tiles:
        top, bottom = band[0].top, band[0].bottom
        first = max(0, top - reach)
        held = rows.read(first, min(rows.height, bottom + reach))
        looked_at.give(unit(held[top - first : bottom - first]))
        result = held[top - first : bottom - first].copy()  # alpha stays
        left = result.shape[0] * result.shape[1]
        while left:
            tile, y = next(ahead)
            x = to_array(y.clamp(0, 1))
            x = (1 - x if rows.inverted else x) * top_level
            part = result[tile.top - top : tile.bottom - top, tile.left : tile.right, : rows.channels]
            part[...] = x.round() if rows.dtype.kind == "u" else x
            left -= tile.pixels
        if bottom == rows.height:
            looked_at.end()
        yield result


def _counted(
    bands: Iterator[AnyPixels], height: int, progress: Callable[[int, int], None] | None
) -> Iterator[AnyPixels]:
    done = 0
    for band in bands:
        done += len(band)
        if progress is not None:
            progress(done, height)
        yield band  # last: the writer takes no more than it needs
