"""The page's actions on an upload, without the page: read it, show it, restore it."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.convert import fitted
from clearer.images.io import read_file, write_file
from clearer.images.nodata import filled, hidden_of, put_back
from clearer.images.pixels import WHOLE, depth_of, dtype_of, from_unit, to_unit, upright
from clearer.images.tensors import to_batch
from clearer.images.types import (
    CMYK,
    FORMATS,
    GRAY,
    AnyPixels,
    ImageFile,
    ImagePage,
    Uint8Pixels,
    UnitPixels,
    with_notes,
)
from clearer.inference.batches import Passes, restore_unit
from clearer.inference.choice import candidates
from clearer.inference.color import most_runs, restore_file, training_levels_note
from clearer.inference.fit_check import FitCheck
from clearer.inference.image_facts import seen_of_file
from clearer.inference.noise_level import ImageLevels
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer, load
from clearer.inference.trial import chosen_for
from clearer.web.added import CLEAN, Added, degraded
from clearer.web.uploads import GONE, UPLOAD, Limits, check_image, remove

SHOWN_SIDE = 2000  # pixels; larger images are shown smaller, since a page slow to draw compares nothing
_READ, _RESTORED = 0.1, 0.9  # progress when the image is read, and when it is restored
_DAMAGED = "not readable as an image"  # `read_file` says this of broken files only

AS_IS = RestoreOptions()

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Result:
    """A restored image: its folder (see `restore_upload`), the file in it, and a line about it.

    ``level``: the noise level in gray levels that was estimated; None where it was given or the model takes none.
    ``notes``: lines beside the text, about what could not be kept, or that the model does not fit.
    """

    folder: Path
    file: Path
    text: str
    level: float | None = None
    notes: tuple[str, ...] = ()


def read_upload(place: Path, limits: Limits) -> ImageFile:
    """Return an upload with all its pages and metadata. Its header is checked before it is decoded.

    Raises:
        UserError: it is not an image, damaged, too large, or of a kind that cannot be restored. The text
            names no path of this machine.
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
        raise UserError(f"The image cannot be used: {what}. {todo[:1].upper()}{todo[1:]}.") from error
    for page in image.pages:
        if page.color.dtype.kind == "f":
            _check_span(_known(page))
    return image


def _check_span(pixels: AnyPixels) -> None:
    try:
        to_unit(pixels)
    except UserError as error:
        what, _, todo = str(error).partition(";")
        other = "Scale them, or use clearer restore --range LOW,HIGH." if "--range" in todo else "Replace them."
        raise UserError(f"The image cannot be used: {what}. {other}") from error


def show_upload(place: Path, limits: Limits, added: Added = CLEAN) -> tuple[Path, str]:
    """Return an image file for the page, degraded by ``added``, and a line about the upload.

    Raises:
        UserError: see `read_upload`.
    """
    image = read_upload(place, limits)
    _forget_results(place)
    page = image.pages[0]
    shown = _visible(_degraded(page, added))
    file = _write(place / f"{secrets.token_hex(8)}-seen.png", _for_show(shown))
    return file, f"{_size(shown)}, {_kind(image)}"


def suggest(place: Path, limits: Limits, added: Added = CLEAN) -> str:
    """Return which pretrained model fits an upload degraded by ``added``, and why, in a sentence.

    Raises:
        UserError: see `read_upload`.
    """
    image = read_upload(place, limits)
    page = image.pages[0]
    shown = replace(image, pages=(_degraded(page, added),))
    line = chosen_for(seen_of_file(shown), page.own.get("quality"), load, list(candidates()))[1].line()
    return f"{line[:1].upper()}{line[1:]}."


def _degraded(page: ImagePage, added: Added, number: int = 0) -> ImagePage:
    if added.nothing:
        return page
    color, hidden = degraded(_known(page), added, number, page.own.get("levels", WHOLE)), hidden_of(page)
    return replace(page, color=color if hidden is None else put_back(color, page.color, hidden, page.own.get("nodata")))


def _known(page: ImagePage) -> AnyPixels:
    """Return the pixels of a page, black where there is no value."""
    hidden = hidden_of(page)
    if hidden is None:
        return page.color
    return np.where(hidden, page.color.dtype.type(page.own.get("levels", WHOLE)[0]), page.color)


def restore_upload(
    place: Path,
    restorer: Restorer,
    limits: Limits,
    added: Added = CLEAN,
    how: RestoreOptions = AS_IS,
    ensemble: bool = False,
    progress: Progress = lambda share, doing: None,
) -> Result:
    """Restore all pages of an upload, after adding noise and rain.

    The folder of the result holds the restored file, of the format and depth of the upload with all its
    metadata. Of the first page it holds ``before.png`` and ``after.png``, upright and with 8 bits, for
    close-ups, and ``before-seen.png`` and ``after-seen.png``, small enough for the page. The result
    replaces an earlier one; after an error nothing new is left.

    Args:
        place: the folder of the upload.
        restorer: the model.
        limits: see `read_upload`.
        added: noise and rain to add first.
        how: how color images are restored, how strongly, and for which noise level; see `RestoreOptions`.
        ensemble: use the x8 self-ensemble.
        progress: called with the share done, 0 to 0.9, and a word on the work, after each pass of the network.

    Raises:
        UserError: see `read_upload`; or the model cannot restore the image.
    """
    progress(0.0, "Reading")
    clean = read_upload(place, limits)
    pages = tuple(_degraded(page, added, k) for k, page in enumerate(clean.pages))
    before = replace(clean, pages=pages)
    progress(_READ, "Restoring")
    began = time.perf_counter()
    format = clean.format if clean.format in FORMATS else "PNG"
    levels = ImageLevels(how.sigma, restorer.estimate)
    after = _restored(before, format, restorer, how, levels, ensemble, progress)
    seconds = time.perf_counter() - began
    progress(_RESTORED, "Writing")
    folder = place / f"{secrets.token_hex(8)}-result"
    file = folder / f"restored{FORMATS[format].suffixes[0]}"
    seen = {"before": _visible(before.pages[0]), "after": _visible(after.pages[0])}
    not_kept = _write_result(folder, file, after, seen)
    _forget_results(place, but=folder)
    gray_on_color = restorer.architecture.channels == 1 and seen["before"].shape[2] == 3
    apart = f", {'channel by channel' if how.color == 'channels' else 'luma only'}" if gray_on_color else ""
    level = levels.summary()
    raised = ", raised since the noise is not white" if levels.raised else ""
    told = "" if level is None else f", noise level {level:.1f} (estimated{raised})"
    text = f"{_size(seen['before'])}, restored in {seconds:.1f} s{apart}{told}."
    if not added.nothing:
        truth = _visible(clean.pages[0])
        text += f" PSNR {_psnr(seen['before'], truth)} → {_psnr(seen['after'], truth)}."
    return Result(folder, file, text, level, tuple(map(_as_sentence, (*after.notes, *not_kept))))


def _as_sentence(note: str) -> str:
    """Return a note of the command line as the page shows it: it has no field for the range."""
    return f"{note[:1].upper()}{note[1:]}.".replace("--range", "clearer restore --range")


def _restored(
    before: ImageFile,
    format: str,
    restorer: Restorer,
    how: RestoreOptions,
    levels: ImageLevels,
    ensemble: bool,
    progress: Progress,
) -> ImageFile:
    """Return the restored file, as ``format`` can hold it."""
    how = replace(how, levels=restorer.card.span)
    suited = restorer.at_depth(*(depth_of(page.color) for page in before.pages))
    channels = restorer.architecture.channels
    runs, most = 0, max(1, sum(most_runs(page, channels, how) for page in before.pages))

    def run(x: UnitPixels) -> UnitPixels:
        nonlocal runs

        def tell(share: float) -> None:
            progress(_READ + (_RESTORED - _READ) * (runs + share) / most, "Restoring")

        hidden = np.isnan(x)  # pixels for which a GeoTIFF states no value
        level = levels.of(to_batch(np.where(hidden, np.float32(0), x)))
        x = filled(x, hidden) if hidden.any() else x
        y = restore_unit(suited, x, Passes(ensemble, progress=tell), level)
        runs += 1
        check.see(x, y)
        return y

    check = FitCheck.of(restorer)
    try:
        after = restore_file(before, run, channels, how, format)
        fit = check.finish(UPLOAD, before.pages[0].own.get("quality"))
        lines = (None if fit is None else fit.line(), training_levels_note(before, how))
        return with_notes(after, *filter(None, lines))
    except UserError as error:
        what = str(error).removeprefix("image: ").partition(";")[0]
        raise UserError(f"The image could not be restored: {what}.") from error
    except MemoryError:  # of several images, the others may fit
        raise UserError(
            "The image could not be restored: it needs more memory than is free. Make it smaller."
        ) from None


def _write_result(folder: Path, file: Path, after: ImageFile, seen: dict[str, Uint8Pixels]) -> tuple[str, ...]:
    """Write the files of a result, and return notes on what could not be kept; remove all files after an error."""
    try:
        folder.mkdir()
        notes = write_file(file, after)
        for name, image in seen.items():
            _write(folder / f"{name}.png", image)
            _write(folder / f"{name}-seen.png", _for_show(image))
        return notes
    except UserError as error:
        remove(folder)
        what = str(error).removeprefix(f"{file}: ").replace(str(folder), "the result").partition(";")[0]
        raise UserError(f"The result could not be written: {what}.") from error
    except FileNotFoundError:  # other uploads have displaced this one meanwhile
        raise UserError(GONE) from None
    except BaseException:
        remove(folder)
        raise


def _visible(page: ImagePage) -> Uint8Pixels:
    """Return a page as a screen shows it: upright, (H, W, 1 or 3), 8 bits."""
    span = page.own.get("levels", WHOLE)
    page = fitted(ImageFile("", (replace(page, icc=None, alpha=None),)), "PNG").pages[0]
    levels = from_unit(to_unit(_known(page), span), dtype_of("8"))
    return np.ascontiguousarray(upright(levels, page.orientation))


def _size(shown: Uint8Pixels) -> str:
    return f"{shown.shape[1]} × {shown.shape[0]}"


def _kind(image: ImageFile) -> str:
    page = image.pages[0]
    color = {GRAY: "gray", CMYK: "CMYK"}.get(page.color.shape[2], "color")
    found = depth_of(page.color)
    words = {"8": "", "1": ", black and white", "16": ", 16 bits", "float": ", floating point"}
    depth = words.get(found, f", {found}")
    count = len(image.pages)
    return f"{color}{depth}{f', {count} pages' if count > 1 else ''}"


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
    # Fast: noise compresses badly at any level.
    _image(image).save(path, compress_level=1)
    return path


def _forget_results(place: Path, but: Path | None = None) -> None:
    for entry in place.iterdir():
        if entry.name != UPLOAD and entry != but:
            remove(entry)
