"""Tiny sound image files of every format that is read, except TIFF (see `fuzz.tiff_seeds`)."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image, PngImagePlugin

PROFILE = bytes(36) + b"acsp" + bytes(88) + bytes(4)
"""The shape of a color profile, without content."""


def noise(height: int = 12, width: int = 16, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    """Return a seeded array (height, width, channels), or (height, width) if there is one channel."""
    top = np.iinfo(dtype).max
    found = np.random.default_rng(7).integers(0, top, (height, width, channels), dtype=dtype, endpoint=True)
    return found[..., 0] if channels == 1 else found


def saved(array: np.ndarray, format: str, mode: str | None = None, **keys: Any) -> bytes:
    """Return an array as Pillow writes it, after conversion to ``mode``."""
    image = Image.fromarray(array)
    file = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, format, **keys)
    return file.getvalue()


def exif() -> Image.Exif:
    """Return EXIF with an orientation, a maker, a sub-directory and GPS."""
    found = Image.Exif()
    found[0x0112], found[0x010F] = 6, "Maker"
    found.get_ifd(0x8769).update({0x829A: 0.5, 0x927C: b"maker note" * 3})
    found.get_ifd(0x8825)[1] = "N"
    return found


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def frames(count: int = 3) -> list[Image.Image]:
    """Return RGBA frames that differ."""
    whole = noise(12, 16, 4)
    return [Image.fromarray(np.roll(whole, 3 * k, 1)) for k in range(count)]


def animated(format: str, **keys: Any) -> bytes:
    """Return the frames as an animation."""
    first, *others = frames()
    file = io.BytesIO()
    first.save(file, format, save_all=True, append_images=others, **keys)
    return file.getvalue()


def png_seeds() -> dict[str, bytes]:
    """Return PNG and APNG."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "words " * 20, zip=True)
    text.add_itxt("Comment", "more", "en", "Kommentar", zip=True)
    around = {"exif": exif(), "dpi": (72, 72), "icc_profile": PROFILE, "pnginfo": text}
    rgb = saved(noise(), "PNG")
    private = chunk(b"sBIT", b"\5\6\5") + chunk(b"bKGD", bytes(6)) + chunk(b"prIv", b"private" * 4)
    clear = saved(noise(channels=1), "PNG", "P", transparency=3)
    interlaced = imagecodecs.png_encode(noise(9, 7, 2))
    return {
        "rgb.png": saved(noise(), "PNG", **around),
        "parts.png": rgb[:33] + private + chunk(b"gAMA", struct.pack(">I", 45455)) + rgb[33:],
        "palette.png": clear,
        "deep.png": imagecodecs.png_encode(noise(channels=4, dtype="uint16")),
        "gray-alpha.png": interlaced,
        "one-bit.png": saved(noise(channels=1) > 127, "PNG"),
        "x.apng": animated("PNG", duration=[50, 70, 90], loop=2, disposal=[0, 1, 2], blend=[0, 1, 0]),
        "hidden.apng": animated("PNG", default_image=True, duration=50),
    }


def jpeg_seeds() -> dict[str, bytes]:
    """Return JPEG, MPO, a motion photo, and the kinds of more than 8 bits and without loss."""
    plain = saved(noise(), "JPEG", exif=exif(), comment=b"words", icc_profile=PROFILE, dpi=(72, 72))
    first, second, _ = (frame.convert("RGB") for frame in frames())
    mpo = io.BytesIO()
    first.save(mpo, "MPO", save_all=True, append_images=[second])
    return {
        "rgb.jpg": plain,
        "progressive.jpg": saved(noise(), "JPEG", progressive=True, subsampling=0),
        "gray.jpg": saved(noise(channels=1), "JPEG"),
        "cmyk.jpg": saved(noise(), "JPEG", "CMYK"),
        "restart.jpg": saved(noise(24, 32), "JPEG", restart_marker_blocks=1),
        "mpo.jpg": mpo.getvalue(),
        "motion.jpg": plain + bytes.fromhex("00000018667479706d703432") + bytes(12) + b"tail" * 20,
        "deep.jpg": imagecodecs.jpeg8_encode(noise(channels=1, dtype="uint16") >> 4, bitspersample=12),
        "lossless.jpg": imagecodecs.ljpeg_encode(noise(channels=1, dtype="uint16"), bitspersample=16),
    }


def box_seeds() -> dict[str, bytes]:
    """Return AVIF, HEIC, JPEG 2000 and JPEG XL."""
    heif = io.BytesIO()
    pillow_heif.from_pillow(frames()[0]).save(heif, quality=50, exif=exif().tobytes(), primary_index=0)
    two = pillow_heif.from_pillow(frames()[0].convert("RGB"))
    two.add_from_pillow(frames()[1].convert("RGB"))
    pair, deep = io.BytesIO(), io.BytesIO()
    two.save(pair, quality=40)
    wide = noise(12, 16, 3, "uint16")
    pillow_heif.from_bytes(mode="RGB;16", size=(16, 12), data=wide.tobytes()).save(deep, quality=40)
    return {
        "rgba.avif": saved(noise(channels=4), "AVIF", quality=50, speed=10, exif=exif()),
        "deep.avif": imagecodecs.avif_encode(noise(dtype="uint16") >> 6, bitspersample=10, speed=10),
        "moving.avif": animated("AVIF", quality=30, speed=10, duration=80),
        "rgba.heic": heif.getvalue(),
        "pair.heic": pair.getvalue(),
        "deep.heic": deep.getvalue(),
        "rgb.jp2": saved(noise(), "JPEG2000"),
        "deep.jp2": imagecodecs.jpeg2k_encode(noise(dtype="uint16"), level=0, codecformat="JP2"),
        "gray.j2k": imagecodecs.jpeg2k_encode(noise(channels=1), codecformat="J2K"),
        "rgb.jxl": imagecodecs.jpegxl_encode(noise(), lossless=True),
        "lossy.jxl": imagecodecs.jpegxl_encode(noise(), level=60, usecontainer=True),
        "deep.jxl": imagecodecs.jpegxl_encode(noise(dtype="uint16"), lossless=True),
        "float.jxl": imagecodecs.jpegxl_encode(np.float32(noise() / 255), lossless=True),
    }


def netpbm_seeds() -> dict[str, bytes]:
    """Return PBM, PGM, PPM and PFM, as text and as bytes."""
    gray, deep = noise(5, 7, 1), noise(5, 7, 3, "uint16")
    real = np.float32(noise(5, 7) / 255)
    words = " ".join(map(str, gray.ravel()))
    return {
        "text.pbm": b"P1\n# words\n7 5\n" + " ".join(str(int(v > 99)) for v in gray.ravel()).encode(),
        "x.pbm": b"P4\n7 5\n" + np.packbits(gray > 99, axis=1).tobytes(),
        "text.pgm": f"P2\n7 5\n255\n{words}\n".encode(),
        "x.pgm": b"P5\n# words\n7 5 255\n" + gray.tobytes(),
        "text.ppm": ("P3 7 5 9\n" + " ".join(str(v % 10) for v in deep.ravel())).encode(),
        "deep.ppm": b"P6 7 5 65535\n" + deep.astype(">u2").tobytes(),
        "gray.pfm": b"Pf\n7 5\n-1.0\n" + real[..., 0].tobytes(),
        "rgb.pfm": b"PF\n7 5\n1\n" + real.astype(">f4").tobytes(),
    }


def other_seeds() -> dict[str, bytes]:
    """Return BMP, GIF, WebP, and the formats that are read and not written."""
    color, gray = noise(), noise(channels=1)
    palette = saved(gray, "BMP", "P")
    icons = {"sizes": [(16, 12)]}
    return {
        "rgb.bmp": saved(color, "BMP"),
        "palette.bmp": palette,
        "rle.bmp": palette[:30] + b"\1\0\0\0" + palette[34:-192] + b"\x10\x05\0\0" * 12 + b"\0\1",
        "one-bit.bmp": saved(gray > 99, "BMP"),
        "one.gif": saved(gray, "GIF", "P", comment=b"words"),
        "moving.gif": animated("GIF", duration=60, loop=0, disposal=2),
        "once.gif": animated("GIF", duration=60),
        "lossless.webp": saved(noise(channels=4), "WEBP", lossless=True, exif=exif()),
        "lossy.webp": saved(color, "WEBP", quality=50),
        "moving.webp": animated("WEBP", duration=60, loop=3, lossless=True),
        "rle.tga": saved(color, "TGA", compression="tga_rle"),
        "palette.tga": saved(gray, "TGA", "P"),
        "x.pcx": saved(color, "PCX"),
        "x.sgi": saved(color, "SGI"),
        "x.dds": saved(noise(channels=4), "DDS"),
        "x.ico": saved(noise(channels=4), "ICO", **icons),
        "x.icns": _icns(saved(noise(16, 16, 4), "PNG")),
        "x.im": saved(color, "IM"),
        "x.qoi": saved(color, "QOI"),
        "x.msp": saved(gray > 99, "MSP"),
        "x.xbm": saved(gray > 99, "XBM"),
        "x.psd": _psd(color),
        "x.eps": saved(color, "EPS"),
    }


def _icns(png: bytes) -> bytes:
    return b"icns" + struct.pack(">I", len(png) + 16) + b"icp4" + struct.pack(">I", len(png) + 8) + png


def _psd(color: np.ndarray) -> bytes:
    height, width, channels = color.shape
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", channels, height, width, 8, 3)
    return head + bytes(12) + b"\0\0" + color.transpose(2, 0, 1).tobytes()
