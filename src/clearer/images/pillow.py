"""Read and write WebP, BMP, AVIF and HEIF, and read JPEG and other formats, through Pillow."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.animation import animation_keys, with_exact_times
from clearer.images.around.box_parts import coding_of, with_coding
from clearer.images.exif import orientation_of, plain, with_orientation
from clearer.images.jpeg_quality import quality_of
from clearer.images.types import (
    CMYK,
    FORMATS,
    GRAY,
    HEAD,
    RGB,
    AnyPixels,
    FileOwn,
    Header,
    ImageFile,
    ImagePage,
    PageOwn,
    becomes_png,
    check_size,
    format_of_bytes,
)

BEST = 95
"""Default quality of lossy formats: high enough not to degrade a restored image again."""

_HEIF_BITS = threading.Lock()
"""Held while the global setting of pillow-heif for the number of bits is changed."""
_NAMES = {"MPO": "JPEG"}  # the JPEG of a phone, followed by smaller images
_ANIMATED = ("GIF", "WEBP", "AVIF", "PNG", "FLI", "DCX")
_DECODED = frozenset((
    "AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "HEIF", "ICNS", "ICO", "IM",
    "IMT", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER",
    "SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM", "XVTHUMB",
))  # fmt: skip
"""The kinds that Pillow decodes by itself. It hands EPS to Ghostscript, which executes it, also inside of IPTC; WMF,
BUFR, GRIB and HDF5 go to whatever a system or another package has registered."""
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")


def read_with_pillow(data: bytes, first_page: bool = False) -> ImageFile:
    """Read a file of any format that Pillow knows.

    Args:
        data: the bytes of the file.
        first_page: decode only the first frame of an animation.

    Raises:
        UserError: the image is too large or of a kind that is not supported. Pillow raises other exceptions too.
    """
    with _opened(io.BytesIO(data), format_of_bytes(data[:HEAD])) as image:
        check_size(*image.size)
        name = _NAMES.get(image.format or "", image.format or "")
        frames, own = frames_of(image, first_page)
        frames = with_exact_times(frames, data) if name == "AVIF" else frames
        info = dict(image.info)
        exif = _exif_of(image, name)
        quality = quality_of(getattr(image, "quantization", {}))
    jpeg: PageOwn = {}
    if name == "JPEG" and quality is not None:
        jpeg["quality"] = quality
    if name in ("JPEG", "GIF") and info.get("comment"):
        jpeg["comment"] = info["comment"]
    coding = coding_of(data) if name in ("AVIF", "HEIF") else None
    if coding is not None:
        jpeg["coding"] = coding
    if name == "JPEG" and info.get("progressive"):
        jpeg["progressive"] = info["progressive"]
    deep_file = name in ("AVIF", "HEIF") and _more_than_8_bits(data)
    if deep_file and name == "HEIF":
        frames = [_deep_heif(data) or frames[0]]
    pages = tuple(
        replace(
            frame,
            orientation=orientation_of(exif),
            icc=info.get("icc_profile") or None,
            exif=exif,
            xmp=info.get("xmp") if isinstance(info.get("xmp"), bytes) else None,
            dpi=_dpi(info.get("dpi")),
            own={**frame.own, **jpeg},
        )
        for frame in frames
    )
    notes: tuple[str, ...] = ()
    if deep_file and name == "AVIF":
        notes = ("has more than 8 bits a channel, of which Pillow keeps 8",)
    if name not in FORMATS:
        notes = (*notes, becomes_png(name))
        name = "PNG"
    return ImageFile(name, pages, own, notes)


def header_with_pillow(file: BinaryIO, kind: str | None) -> Header:
    """Return the header of an open file of any format that Pillow knows; nothing is decoded.

    Args:
        file: the file.
        kind: its format, by its content.

    Raises:
        UserError: the image is too large. Pillow raises other exceptions too.
    """
    with _opened(file, kind) as image:
        name = _NAMES.get(image.format or "", image.format or "")
        gray = image.mode in _GRAY_MODES or image.mode.startswith("I;16")
        return Header.of_stored(*image.size, orientation_of(_exif_of(image, name)), GRAY if gray else RGB)


@contextlib.contextmanager
def _opened(file: BinaryIO, kind: str | None) -> Iterator[Image.Image]:
    """Open an image without the warnings of Pillow, of sizes (which are checked here) and of strange metadata."""
    register_heif(required=kind == "HEIF")
    # Both readers take files of the general brands, such as mif1, and each fails on those of the other.
    only = [kind] if kind in ("AVIF", "HEIF") else _readers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=only) as image:
            yield image


def _readers() -> list[str]:
    """Return the kinds of `_DECODED` that this Pillow has, the usual ones first."""
    Image.preinit()
    Image.init()
    return [kind for kind in Image.ID if kind in _DECODED]


def _exif_of(image: Image.Image, name: str) -> bytes | None:
    exif = plain(image.info.get("exif"))
    if exif is None and name == "AVIF":
        exif = plain(image.getexif().tobytes()) if len(image.getexif()) else None
    return exif


def frames_of(image: Image.Image, first_page: bool = False) -> tuple[list[ImagePage], FileOwn]:
    """Decode an open image: its pixels, or all frames of an animation with its playback values."""
    count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    if count == 1 or first_page:
        image.load()
        return [_page(image)], {}
    check_size(*image.size, pages=count)
    frames = []
    own: FileOwn = {"loop": _plays(image)}
    if image.format == "WEBP" and "background" in image.info:
        own["background"] = image.info["background"]
    for k in range(count):
        image.seek(k)
        frame = image.convert("RGBA")  # a stored frame may hold only what changed; Pillow composes the whole one
        page = _page(frame)
        frames.append(replace(page, own={"duration": image.info.get("duration", 0)}))
    if all(frame.alpha is not None and bool((frame.alpha == 255).all()) for frame in frames):
        frames = [replace(frame, alpha=None) for frame in frames]
    return frames, own


def _plays(image: Image.Image) -> int:
    """Return how often an animation is played; 0 is forever."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    if loop is None:  # a GIF states repetitions after the first time, or nothing if there is none
        return 1
    return int(loop) + 1 if loop else 0


def _page(image: Image.Image) -> ImagePage:
    mode = image.mode
    if mode == "1" and "transparency" in image.info:
        levels = np.array(image.convert("L"))[:, :, None]
        clear = levels == image.info["transparency"]
        return ImagePage(levels, np.where(clear, 0, 255).astype(np.uint8))
    if mode == "1":
        return ImagePage(np.array(image, dtype=bool)[:, :, None])
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        deep = np.asarray(image).astype(np.uint16)[:, :, None]
        key = image.info.get("transparency")
        return ImagePage(deep, None if key is None else np.where(deep == int(key), 0, 65535).astype(np.uint16))
    if mode == "F":
        return ImagePage(np.array(image, dtype=np.float32)[:, :, None])
    if mode == "CMYK":
        return ImagePage(np.array(image))
    if mode in ("L", "RGB") and "transparency" not in image.info:
        pixels = np.array(image)
        return ImagePage(pixels if pixels.ndim == 3 else pixels[:, :, None])
    if mode in ("LA", "La", "L"):
        both = np.array(image.convert("LA"))
        return ImagePage(both[:, :, :1], both[:, :, 1:])
    if mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"):
        if image.has_transparency_data:
            both = np.array(image.convert("RGBA"))
            return ImagePage(both[:, :, :3], both[:, :, 3:])
        return ImagePage(np.array(image.convert("RGB")))
    raise UserError(f"its pixels are of a kind that cannot be kept ({mode}); convert it to RGB first")


def image_of(page: ImagePage) -> Image.Image:
    """Return a page as an image of Pillow, which must have a mode for it."""
    if page.alpha is not None:
        return Image.fromarray(np.ascontiguousarray(np.concatenate([page.color, page.alpha], 2)))
    pixels = np.ascontiguousarray(page.color[:, :, 0] if page.color.shape[2] == GRAY else page.color)
    if page.color.shape[2] != CMYK:
        return Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    return Image.frombytes("CMYK", (width, height), pixels.tobytes())


def write_with_pillow(file: BinaryIO, image: ImageFile, quality: int | None = None) -> None:
    """Write an image in WebP, BMP, AVIF or HEIF."""
    page, name = image.pages[0], image.format
    if name == "BMP" and page.alpha is not None:
        _write_bmp_with_alpha(file, page)
        return
    if "coding" in page.own and page.icc is None:
        buffer = io.BytesIO()
        plain_own: PageOwn = {key: value for key, value in page.own.items() if key != "coding"}  # type: ignore[assignment]
        first = replace(page, own=plain_own)
        write_with_pillow(buffer, replace(image, pages=(first, *image.pages[1:])), quality)
        file.write(with_coding(buffer.getvalue(), page.own["coding"]))
        return
    if name == "HEIF" and page.color.dtype == np.uint16:
        _write_deep_heif(file, page, BEST if quality is None else quality)
        return
    keys: dict[str, Any] = {"icc_profile": page.icc, "exif": with_orientation(page.exif, page.orientation)}
    if keys["exif"] is not None:
        keys["exif"] = b"Exif\0\0" + keys["exif"]
    keys["xmp"] = page.xmp
    if name == "BMP" and page.dpi is not None:
        keys["dpi"] = page.dpi
    level = BEST if quality is None else quality
    if name == "WEBP":
        keys |= {"lossless": True, "exact": True} if quality is None else {"quality": level}
    elif name == "AVIF":
        keys |= {"quality": level, "subsampling": "4:4:4" if level >= 90 else "4:2:0"}
    elif name == "HEIF":
        register_heif(required=True)
        keys |= {"quality": level, "chroma": 444 if level >= 90 else 420}
    save_frames(file, image, {key: value for key, value in keys.items() if value is not None})


def save_frames(file: BinaryIO, image: ImageFile, keys: dict[str, Any]) -> None:
    """Save one page, or several as an animation."""
    first, *others = (image_of(page) for page in image.pages)
    if others:
        keys = {**keys, **animation_keys(image, others)}
    first.save(file, format=image.format, **keys)


def register_heif(required: bool = False) -> None:
    """Let Pillow read and write HEIF, if pillow-heif is installed; raise a UserError if it is not and is required."""
    try:
        import pillow_heif
    except ImportError:
        if required:
            raise UserError("HEIC needs pillow-heif; install it by pip install 'clearer[heif]'") from None
        return
    pillow_heif.register_heif_opener()


def _deep_heif(data: bytes) -> ImagePage | None:
    """Return the image of a HEIF file of 10 or 12 bits, scaled to 16 bits; None if it has 8 bits after all.

    The depth that `_more_than_8_bits` found may be that of a second image, such as a depth map.
    """
    import pillow_heif

    opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    image = opened[opened.primary_index]
    check_size(*image.size)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint16:
        return None
    bits = int(str(image.info["bit_depth"]))
    levels = _scaled_to_16_bits(pixels.reshape(*pixels.shape[:2], -1), bits)
    alpha = levels[:, :, -1:] if levels.shape[2] in (2, 4) else None
    return ImagePage(levels[:, :, : levels.shape[2] - (alpha is not None)], alpha, own={"bits": bits})


def _write_deep_heif(file: BinaryIO, page: ImagePage, quality: int) -> None:
    """Write 16 bits as 10 if they were read from 10 bits, otherwise as 12."""
    register_heif(required=True)
    import pillow_heif

    bits = int(page.own.get("bits", 12))
    both = page.color if page.alpha is None else np.concatenate([page.color, page.alpha], 2)
    # The library drops the lowest bits, so the nearest level that it can store goes to the highest ones.
    top = 2**bits - 1
    levels = (np.rint(both * (top / 65535)).astype(np.uint16)) << (16 - bits)
    height, width, channels = both.shape
    mode = {1: "I;16", 3: "RGB;16", 4: "RGBA;16"}[channels]
    with _HEIF_BITS:
        before, pillow_heif.options.SAVE_HDR_TO_12_BIT = pillow_heif.options.SAVE_HDR_TO_12_BIT, bits == 12
        try:
            image = pillow_heif.from_bytes(mode=mode, size=(width, height), data=np.ascontiguousarray(levels).tobytes())
            if page.icc is not None:
                image.info["icc_profile"] = page.icc
            exif = with_orientation(page.exif, page.orientation)
            around = {"exif": None if exif is None else b"Exif\0\0" + exif, "xmp": page.xmp}
            image.save(file, quality=quality, chroma=444 if quality >= 90 else 420, **around)
        finally:
            pillow_heif.options.SAVE_HDR_TO_12_BIT = before


def _scaled_to_16_bits(pixels: AnyPixels, bits: int) -> AnyPixels:
    """Scale levels that occupy the highest ``bits`` of 16 to 0..65535."""
    found: AnyPixels = np.rint((pixels >> (16 - bits)) * (65535 / (2**bits - 1))).astype(np.uint16)
    return found


def _dpi(given: Any) -> tuple[float, float] | None:
    with contextlib.suppress(Exception):
        across, down = (float(value) for value in given)
        return (across, down) if across > 0 and down > 0 else None
    return None


def _more_than_8_bits(data: bytes) -> bool:
    """Return whether the ``pixi`` box of AVIF or HEIF, the bits of each channel, declares more than 8."""
    place = data.find(b"pixi", 0, 1 << 16)
    return place >= 0 and len(data) > place + 9 and data[place + 9] > 8


def _write_bmp_with_alpha(file: BinaryIO, page: ImagePage) -> None:
    """Write a BMP with a version 4 header, which declares alpha; Pillow writes only the older header."""
    height, width = page.color.shape[:2]
    pixels = np.concatenate([page.color[:, :, ::-1], page.alpha], 2)[::-1]  # bottom row first
    across, down = (round(d / 0.0254) for d in page.dpi or (0, 0))
    size, start, bitfields = pixels.size, 14 + 108, 3
    head = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, bitfields, size, across, down, 0, 0)
    masks = struct.pack("<IIII4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")  # sRGB
    file.write(struct.pack("<2sIHHI", b"BM", start + size, 0, 0, start))
    file.write((head + masks).ljust(108, b"\0"))
    file.write(pixels.tobytes())
