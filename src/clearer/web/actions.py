"""What the page does with an image, without the page: look at it, spoil it, restore it, look closer."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from clearer.core.errors import UserError
from clearer.degradations.gaussian import protocol_noise
from clearer.degradations.rain import Rain
from clearer.images.convert import fitted
from clearer.images.io import read_file, write_file
from clearer.images.pixels import depth_of, dtype_of, from_unit, to_unit, upright
from clearer.images.tensors import to_array, to_batch
from clearer.images.types import CMYK, FORMATS, GRAY, AnyPixels, ImageFile, ImagePage, Uint8Pixels, UnitPixels
from clearer.inference.color import most_runs, restore_file
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.web.uploads import GONE, UPLOAD, Limits, check_image, remove

LARGEST_NOISE = 100.0
SHOWN_SIDE = 2000  # longer images are shown smaller: a page that takes long to draw compares nothing
MAP_SIDE = 480
CLOSE_UP = (768, 512)  # width and height of the close-up on the page
CLOSE_UPS_KEPT = 4
_READ, _RESTORED = 0.1, 0.9  # how far the work is when the image is read, and when it is restored
_DAMAGED = "not readable as an image"  # as `read_file` says of broken files, and of no others

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Result:
    """A restored image: its folder (see `restore_upload`), the file in it, and what is to be said of it."""

    folder: Path
    file: Path
    text: str


@dataclass(frozen=True)
class CloseUp:
    """Files of one region before and after, enlarged, and of the whole image with the region marked."""

    before: Path
    restored: Path
    map: Path
    map_size: tuple[int, int]  # width, height


def read_upload(place: Path, limits: Limits) -> ImageFile:
    """Return an upload with all that is around its pixels; its header is checked before it is decoded.

    Raises:
        UserError: it is not an image, damaged, too large, or of a kind that is not restored. The text names
            no path of this machine.
    """
    path = place / UPLOAD
    try:
        check_image(path, limits)
        image = read_file(path)
    except FileNotFoundError:
        raise UserError(GONE) from None
    except UserError as error:
        if str(path) not in str(error):
            raise
        what, _, todo = str(error).removeprefix(f"{path}: ").replace(str(path), "the file").partition("; ")
        if _DAMAGED in what:
            raise UserError(f"The image is damaged: {what}. Take another copy.") from error
        todo = todo or "choose another"
        raise UserError(f"The image cannot be taken: {what}. {todo[:1].upper()}{todo[1:]}.") from error
    for page in image.pages:
        if page.color.dtype.kind == "f":
            _check_span(page.color)
    return image


def _check_span(pixels: AnyPixels) -> None:
    try:
        to_unit(pixels)
    except UserError as error:
        what, _, todo = str(error).partition(";")
        other = "Bring them there, or use clearer restore --range LOW,HIGH." if "--range" in todo else "Replace them."
        raise UserError(f"The image cannot be taken: {what}. {other}") from error


@dataclass(frozen=True)
class Added:
    """What is added to an image to try a model on: noise of ``sigma`` 8-bit levels, ``rain`` from 0 to 1.

    Raises:
        UserError: a value is out of range.
    """

    sigma: float = 0.0
    rain: float = 0.0
    seed: float = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma) and 0 <= self.sigma <= LARGEST_NOISE):
            raise UserError(f"The noise level {self.sigma:g} is not between 0 and {LARGEST_NOISE:g}.")
        if not (math.isfinite(self.rain) and 0 <= self.rain <= 1):
            raise UserError(f"The amount of rain {self.rain:g} is not between 0 and 1.")
        if not (math.isfinite(self.seed) and self.seed == int(self.seed) and 0 <= self.seed < 2**32):
            raise UserError(f"The seed {self.seed:g} is not a whole number of 0 or more.")

    @property
    def nothing(self) -> bool:
        return not self.sigma and not self.rain

    def __str__(self) -> str:
        added = [word for word, amount in (("Rain", self.rain), ("Noise", self.sigma)) if amount]
        return f"{' and '.join(added).capitalize()} added." if added else ""


CLEAN = Added()
AS_IS = RestoreOptions()


def degraded(pixels: AnyPixels, how: Added, page: int = 0) -> AnyPixels:
    """Return (H, W, C) with rain and then white Gaussian noise, in the depth it has, clipped to what it can hold.

    Of inks, the noise is on all, the rain on the colors. ``page`` makes the noise of each page its own.

    >>> gray = np.full((64, 64, 1), 128, np.uint8)
    >>> bool(np.array_equal(degraded(gray, Added(25, seed=1)), degraded(gray, Added(25, seed=1))))
    True
    >>> round(float(degraded(gray, Added(25, seed=1)).std()))
    25
    """
    if how.nothing:
        return pixels
    x = to_unit(pixels)
    light = 1 - x if x.shape[2] == CMYK else x
    if how.rain:
        colors = to_batch(light[:, :, :3]).clamp(0, 1)
        chance = torch.Generator().manual_seed(int(how.seed) + page)
        rainy = Rain(brightness=(how.rain, how.rain), layers=(2, 3)).apply(colors, chance)[0]
        light = np.concatenate([to_array(rainy), light[:, :, 3:]], 2)
    if how.sigma:
        height, width, channels = light.shape
        noise = protocol_noise((height, width, channels), how.sigma, int(how.seed), page)
        light = (light + noise / 255).astype(np.float32)
    light = light.clip(0, 1)
    return from_unit(1 - light if x.shape[2] == CMYK else light, pixels.dtype)


def show_upload(place: Path, limits: Limits, added: Added = CLEAN) -> tuple[Path, str]:
    """Return an image file for the page, degraded as said, and a line on what the upload is.

    Raises:
        UserError: as of `read_upload`.
    """
    image = read_upload(place, limits)
    _forget_results(place)
    page = image.pages[0]
    shown = _visible(replace(page, color=degraded(page.color, added)))
    file = _write(place / f"{secrets.token_hex(8)}-seen.png", _for_show(shown))
    return file, f"{_size(shown)}, {_kind(image)}"


def restore_upload(
    place: Path,
    restorer: Restorer,
    limits: Limits,
    added: Added = CLEAN,
    how: RestoreOptions = AS_IS,
    ensemble: bool = False,
    progress: Progress = lambda share, doing: None,
) -> Result:
    """Restore an upload, all its pages, with noise and rain added if ``added`` says so.

    In the folder of the result stands the restored file, of the kind and depth of the upload with all that
    was in it; of its first page, ``before.png`` and ``after.png``, upright and with 8 bits, for looking
    closer, and ``before-seen.png`` and ``after-seen.png``, which are no larger than a page can show. It
    takes the place of an earlier result; after an error nothing new is left.

    Args:
        progress: called with the share done, 0 to 0.9, and what is being done: after each pass of the network
            at the least.

    Raises:
        UserError: as of `read_upload`, or the model cannot restore it.
    """
    progress(0.0, "Reading")
    clean = read_upload(place, limits)
    pages = tuple(replace(page, color=degraded(page.color, added, k)) for k, page in enumerate(clean.pages))
    before = replace(clean, pages=pages)
    progress(_READ, "Restoring")
    began = time.perf_counter()
    channels = restorer.architecture.channels
    kind = clean.format if clean.format in FORMATS else "PNG"
    runs, most = 0, max(1, sum(most_runs(page, channels, how) for page in pages))

    def run(x: UnitPixels) -> UnitPixels:
        nonlocal runs

        def tell(share: float) -> None:
            progress(_READ + (_RESTORED - _READ) * (runs + share) / most, "Restoring")

        y = restorer.restore(x, ensemble, progress=tell)
        runs += 1
        return y

    try:
        restored = restore_file(before, run, channels, how, kind)
        after = fitted(restored, kind)
    except UserError as error:
        what = str(error).removeprefix("image: ").partition(";")[0]
        raise UserError(f"It could not be restored: {what}.") from error
    seconds = time.perf_counter() - began
    progress(_RESTORED, "Writing")
    folder = place / f"{secrets.token_hex(8)}-result"
    file = folder / f"restored{FORMATS[kind].suffixes[0]}"
    seen = {"before": _visible(before.pages[0]), "after": _visible(after.pages[0])}
    try:
        folder.mkdir()
        write_file(file, after)
        for name, image in seen.items():
            _write(folder / f"{name}.png", image)
            _write(folder / f"{name}-seen.png", _for_show(image))
    except UserError as error:
        remove(folder)
        what = str(error).removeprefix(f"{file}: ").replace(str(folder), "the result").partition(";")[0]
        raise UserError(f"The result could not be written: {what}.") from error
    except FileNotFoundError:  # meanwhile so many others came that this one had to go
        raise UserError(GONE) from None
    except BaseException:
        remove(folder)
        raise
    _forget_results(place, but=folder)
    gray_on_color = channels == 1 and seen["before"].shape[2] == 3
    apart = f", {'channel by channel' if how.color == 'channels' else 'luma alone'}" if gray_on_color else ""
    text = f"{_size(seen['before'])}, restored in {seconds:.1f} s{apart}."
    if not added.nothing:
        truth = _visible(clean.pages[0])
        text += f" PSNR {_psnr(seen['before'], truth)} → {_psnr(seen['after'], truth)}."
    return Result(folder, file, " ".join([text, *(f"{note[:1].upper()}{note[1:]}." for note in after.notes)]))


def close_up(folder: Path, center: tuple[float, float], zoom: int) -> CloseUp:
    """Write a region of a result, enlarged by whole pixels, into the folder of the result.

    Args:
        folder: of the result. The files of the last few close-ups stay: a browser may still load them.
        center: of the region, x and y as shares of width and height in [0, 1]; it is moved inside.
        zoom: screen pixels per image pixel.

    Raises:
        UserError: the result was removed.
    """
    try:
        images = [Image.open(folder / f"{name}.png") for name in ("before", "after")]
    except OSError:
        raise UserError("The result is no longer here: press Restore again.") from None
    with contextlib.ExitStack() as stack:
        before, after = (stack.enter_context(image) for image in images)
        box = region(before.size, center, zoom)
        closer = [_enlarged(image.crop(box), zoom) for image in (before, after)]
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
    for file, image in zip(files.values(), (*closer, marked), strict=True):
        image.save(file, compress_level=1)
    for old in sorted(folder.glob("*-close.png"), key=lambda file: file.stat().st_mtime)[: -3 * CLOSE_UPS_KEPT]:
        remove(old)
    return CloseUp(**files, map_size=marked.size)


def region(size: tuple[int, int], center: tuple[float, float], zoom: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of what a close-up shows of an image of ``size`` (width, height).

    >>> region((1000, 800), (0.0, 0.5), 8)
    (0, 368, 96, 432)
    """
    edges = []
    for side, at, shown in zip(size, center, CLOSE_UP, strict=True):
        length = max(1, min(side, round(shown / zoom)))
        at = min(max(at, 0.0), 1.0) if math.isfinite(at) else 0.5
        edges.append((min(max(round(at * side - length / 2), 0), side - length), length))
    (left, width), (top, height) = edges
    return left, top, left + width, top + height


def _visible(page: ImagePage) -> Uint8Pixels:
    """Return a page as a screen shows it: upright, (H, W, 1 or 3), 8 bits."""
    page = fitted(ImageFile("", (replace(page, icc=None, alpha=None),)), "PNG").pages[0]
    levels = from_unit(to_unit(page.color), dtype_of("8"))
    return np.ascontiguousarray(upright(levels, page.orientation))


def _size(shown: Uint8Pixels) -> str:
    return f"{shown.shape[1]} × {shown.shape[0]}"


def _kind(image: ImageFile) -> str:
    page = image.pages[0]
    color = {GRAY: "gray", CMYK: "CMYK"}.get(page.color.shape[2], "color")
    depth = {"8": "", "1": ", black and white", "16": ", 16 bits", "float": ", floating point"}[depth_of(page.color)]
    count = len(image.pages)
    return f"{color}{depth}{f', {count} pages' if count > 1 else ''}"


def _enlarged(image: Image.Image, zoom: int) -> Image.Image:
    # Nearest: the close-up is to show pixels, not an interpolation of them.
    return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)


def _psnr(image: Uint8Pixels, truth: Uint8Pixels) -> str:
    error = float(np.mean((image.astype(np.float64) - truth) ** 2))
    return "no difference" if error == 0 else f"{10 * math.log10(255**2 / error):.2f} dB"


def _for_show(image: Uint8Pixels) -> Uint8Pixels:
    if max(image.shape[:2]) <= SHOWN_SIDE:
        return image
    smaller = _image(image)
    smaller.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return np.asarray(smaller)


def _image(image: Uint8Pixels) -> Image.Image:
    return Image.fromarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def _write(path: Path, image: Uint8Pixels) -> Path:
    # Quick, for noise compresses badly whatever the effort.
    _image(image).save(path, compress_level=1)
    return path


def _forget_results(place: Path, but: Path | None = None) -> None:
    for entry in place.iterdir():
        if entry.name != UPLOAD and entry != but:
            remove(entry)
