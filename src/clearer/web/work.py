"""What the page does with a picture, without the page: look at it, spoil it, restore it, look closer."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from clearer.data.degradations import degrade_by_protocol
from clearer.data.pictures import Pixels, read_picture
from clearer.errors import UserError
from clearer.inference.restorer import Restorer
from clearer.web.uploads import GONE, UPLOAD, Limits, check_picture, remove

LARGEST_NOISE = 100.0
SHOWN_SIDE = 2000  # longer pictures are shown smaller: a page that takes long to draw compares nothing
MAP_SIDE = 480
CLOSE_UP = (768, 512)  # width and height of the close-up on the page
CLOSE_UPS_KEPT = 4

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Result:
    """A restored picture: its folder (see `restore_upload`) and what is to be said of it."""

    folder: Path
    text: str


@dataclass(frozen=True)
class CloseUp:
    """Files of one region before and after, enlarged, and of the whole picture with the region marked."""

    before: Path
    restored: Path
    map: Path
    map_size: tuple[int, int]  # width, height


def read_upload(place: Path, limits: Limits) -> Pixels:
    """Return the pixels of an upload, (H, W, 1 or 3), 8 bits; its header is checked before it is decoded.

    Raises:
        UserError: it is not a picture, damaged or too large. The text names no path of this machine.
    """
    path = place / UPLOAD
    try:
        check_picture(path, limits)
        return read_picture(path)
    except FileNotFoundError:
        raise UserError(GONE) from None
    except UserError as error:
        if str(path) not in str(error):
            raise
        what = str(error).removeprefix(f"{path}: ").replace(str(path), "the file").partition(";")[0]
        raise UserError(f"The picture is damaged: {what}. Take another copy.") from error


def with_noise(clean: Pixels, sigma: float, seed: float) -> Pixels:
    """Return the picture with white Gaussian noise of ``sigma`` 8-bit levels, rounded and clipped to 8 bits.

    Raises:
        UserError: the level or the seed is out of range.

    >>> gray = np.full((64, 64, 1), 128, np.uint8)
    >>> bool(np.array_equal(with_noise(gray, 25, seed=1), with_noise(gray, 25, seed=1)))
    True
    >>> round(float(with_noise(gray, 25, seed=1).std()))
    25
    """
    if not (math.isfinite(sigma) and 0 <= sigma <= LARGEST_NOISE):
        raise UserError(f"The noise level {sigma:g} is not between 0 and {LARGEST_NOISE:g}.")
    if not (math.isfinite(seed) and seed == int(seed) and 0 <= seed < 2**32):
        raise UserError(f"The seed {seed:g} is not a whole number of 0 or more.")
    if sigma == 0:
        return clean
    noisy = degrade_by_protocol(clean, sigma, clip8=False, seed=int(seed), k=0)
    levels: Pixels = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
    return levels


def restore_pixels(restorer: Restorer, picture: Pixels, ensemble: bool = False) -> Pixels:
    """Restore (H, W, 1 or 3) by a model of any channels.

    A gray model restores red, green and blue one by one; for a colour model gray is repeated, and the
    mean of what comes back is taken.
    """
    takes, has = restorer.architecture.channels, picture.shape[2]
    if takes == has:
        return _restored(restorer, picture, ensemble)
    if takes == 1:
        planes = [_restored(restorer, picture[:, :, c : c + 1], ensemble) for c in range(has)]
        return np.concatenate(planes, axis=2)
    if has == 1:
        restored = _restored(restorer, np.repeat(picture, takes, axis=2), ensemble)
        gray: Pixels = np.rint(restored.mean(axis=2, keepdims=True)).astype(np.uint8)
        return gray
    raise UserError(f"The model takes {takes} channels, and the picture has {has}: choose another model.")


def show_upload(place: Path, limits: Limits, sigma: float = 0.0, seed: float = 0) -> tuple[Path, str]:
    """Return a picture file for the page, with the noise to come, and a line on what the upload is.

    Raises:
        UserError: as of `read_upload` and `with_noise`.
    """
    picture = read_upload(place, limits)
    _forget_results(place)
    shown = _write(place / f"{secrets.token_hex(8)}-seen.png", _for_show(with_noise(picture, sigma, seed)))
    height, width, channels = picture.shape
    return shown, f"{width} × {height}, {'gray' if channels == 1 else 'colour'}"


def restore_upload(
    place: Path,
    restorer: Restorer,
    limits: Limits,
    sigma: float = 0.0,
    seed: float = 0,
    ensemble: bool = False,
    progress: Progress = lambda share, doing: None,
) -> Result:
    """Restore an upload, with noise added if ``sigma`` says so.

    In the folder of the result stand ``before.png`` and ``restored.png``, whole and with 8 bits, and
    ``before-seen.png`` and ``restored-seen.png``, which are no larger than a page can show. It takes
    the place of an earlier result; after an error nothing new is left.

    Raises:
        UserError: as of `read_upload` and `with_noise`, or the model cannot restore it.
    """
    progress(0.0, "Reading")
    clean = read_upload(place, limits)
    before = with_noise(clean, sigma, seed)
    progress(0.1, "Restoring")
    began = time.perf_counter()
    try:
        after = restore_pixels(restorer, before, ensemble)
    except UserError as error:
        raise UserError(f"It could not be restored: {str(error).removeprefix('picture: ')}") from error
    seconds = time.perf_counter() - began
    progress(0.9, "Writing")
    folder = place / f"{secrets.token_hex(8)}-result"
    try:
        folder.mkdir()
        for name, picture in (("before", before), ("restored", after)):
            _write(folder / f"{name}.png", picture)
            _write(folder / f"{name}-seen.png", _for_show(picture))
    except FileNotFoundError:  # meanwhile so many others came that this one had to go
        raise UserError(GONE) from None
    except BaseException:
        remove(folder)
        raise
    _forget_results(place, but=folder)
    height, width, channels = before.shape
    apart = ", channel by channel" if restorer.architecture.channels < channels else ""
    text = f"{width} × {height}, restored in {seconds:.1f} s{apart}."
    if sigma:
        text += f" PSNR {_psnr(before, clean)} → {_psnr(after, clean)}."
    return Result(folder, text)


def close_up(folder: Path, centre: tuple[float, float], zoom: int) -> CloseUp:
    """Write a region of a result, enlarged by whole pixels, into the folder of the result.

    Args:
        folder: of the result. The files of the last few close-ups stay: a browser may still load them.
        centre: of the region, x and y as shares of width and height in [0, 1]; it is moved inside.
        zoom: screen pixels per picture pixel.

    Raises:
        UserError: the result was removed.
    """
    try:
        pictures = [Image.open(folder / f"{name}.png") for name in ("before", "restored")]
    except OSError:
        raise UserError("The result is no longer here: press Restore again.") from None
    with contextlib.ExitStack() as stack:
        before, after = (stack.enter_context(picture) for picture in pictures)
        box = region(before.size, centre, zoom)
        closer = [_enlarged(picture.crop(box), zoom) for picture in (before, after)]
        marked = before.convert("RGB")
        marked.thumbnail((MAP_SIDE, MAP_SIDE))
        shares = [edge / side for edge, side in zip(box, before.size * 2, strict=True)]
        corners = [share * side for share, side in zip(shares, marked.size * 2, strict=True)]
        draw = ImageDraw.Draw(marked)
        right, bottom = max(corners[0] + 4, corners[2] - 1), max(corners[1] + 4, corners[3] - 1)
        draw.rectangle((corners[0], corners[1], right, bottom), outline=(0, 0, 0), width=4)
        draw.rectangle((corners[0] + 1, corners[1] + 1, right - 1, bottom - 1), outline=(255, 255, 255), width=2)
    mark = secrets.token_hex(8)
    files = {name: folder / f"{mark}-{name}-close.png" for name in ("before", "restored", "map")}
    for file, picture in zip(files.values(), (*closer, marked), strict=True):
        picture.save(file, compress_level=1)
    for old in sorted(folder.glob("*-close.png"), key=lambda file: file.stat().st_mtime)[: -3 * CLOSE_UPS_KEPT]:
        remove(old)
    return CloseUp(**files, map_size=marked.size)


def region(size: tuple[int, int], centre: tuple[float, float], zoom: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of what a close-up shows of a picture of ``size`` (width, height).

    >>> region((1000, 800), (0.0, 0.5), 8)
    (0, 368, 96, 432)
    """
    edges = []
    for side, at, shown in zip(size, centre, CLOSE_UP, strict=True):
        length = max(1, min(side, round(shown / zoom)))
        at = min(max(at, 0.0), 1.0) if math.isfinite(at) else 0.5
        edges.append((min(max(round(at * side - length / 2), 0), side - length), length))
    (left, width), (top, height) = edges
    return left, top, left + width, top + height


def _restored(restorer: Restorer, picture: Pixels, ensemble: bool) -> Pixels:
    restored: Pixels = restorer.restore(picture, ensemble)
    return restored


def _enlarged(picture: Image.Image, zoom: int) -> Image.Image:
    # Nearest: the close-up is to show pixels, not an interpolation of them.
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def _psnr(picture: Pixels, truth: Pixels) -> str:
    error = float(np.mean((picture.astype(np.float64) - truth) ** 2))
    return "no difference" if error == 0 else f"{10 * math.log10(255**2 / error):.2f} dB"


def _for_show(picture: Pixels) -> Pixels:
    if max(picture.shape[:2]) <= SHOWN_SIDE:
        return picture
    smaller = _image(picture)
    smaller.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return np.asarray(smaller)


def _image(picture: Pixels) -> Image.Image:
    return Image.fromarray(picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture)


def _write(path: Path, picture: Pixels) -> Path:
    # Quick, for noise compresses badly whatever the effort.
    _image(picture).save(path, compress_level=1)
    return path


def _forget_results(place: Path, but: Path | None = None) -> None:
    for entry in place.iterdir():
        if entry.name != UPLOAD and entry != but:
            remove(entry)
