"""Recognize files that are no image that can be read, to say what they are and what to do."""

from __future__ import annotations

from clearer.core.errors import UserError

_TO_TIFF, _TO_PNG = "convert it to TIFF first", "export it as PNG first"
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"v/1\x01", "an OpenEXR image", _TO_TIFF),
    (b"#?RADIANCE", "a Radiance HDR image", _TO_TIFF),
    (b"#?RGBE", "a Radiance HDR image", _TO_TIFF),
    (b"II\xbc\x01", "a JPEG XR image", _TO_TIFF),
    (b"BPG\xfb", "a BPG image", _TO_PNG),
    (b"FLIF", "a FLIF image", _TO_PNG),
    (b"gimp xcf", "a project of GIMP", _TO_PNG),
    (b"AT&TFORM", "a DjVu document", _TO_PNG),
    (b"%PDF", "a PDF document", "export its images as PNG or TIFF first"),
    (b"%!PS", "a PostScript document", _TO_PNG),
    (b"\x04%!PS", "a PostScript document", _TO_PNG),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing (EPS)", _TO_PNG),
    (b"\xd7\xcd\xc6\x9a", "a drawing (WMF)", _TO_PNG),
    (b"\xd0\xcf\x11\xe0", "an OLE document, such as FlashPix or a file of an office program", _TO_PNG),
    (b"<svg", "a drawing (SVG)", _TO_PNG),
    (b"\x89HDF", "an HDF5 file", "export its images as TIFF first"),
    (b"\x93NUMPY", "a NumPy array", "use clearer.load(...).restore(array) in Python, or save it as TIFF"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video", "give its name the suffix of a video, such as .mkv"),
    (b"version https://git-lfs", "a pointer of Git LFS", "run git lfs pull"),
    (b"<!doctype html", "a web page", "download the image itself"),
    (b"<html", "a web page", "download the image itself"),
)
"""How a file begins, in any case of letters; what it is; what to do."""
_DICOM_AT = 128
_VIDEO_BRANDS = (
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"qt  ",
    b"M4V ",
    b"3gp4",
    b"3gp5",
)


def refuse_unsupported(head: bytes) -> None:
    """Refuse a file of a known kind that is not supported.

    Args:
        head: the first `clearer.images.types.HEAD` bytes.

    Raises:
        UserError: it is one.
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, what, fix in _KINDS:
        if head.startswith(beginning) or (beginning.isascii() and start.startswith(beginning.lower())):
            raise UserError(f"{what}, which is not supported; {fix}")
    if start.startswith(b"<?xml") and b"<svg" in start:
        raise UserError(f"a drawing (SVG), which is not supported; {_TO_PNG}")
    if head[:4] == b"\1\0\0\0" and head[40:44] == b" EMF":
        raise UserError(f"a drawing (EMF), which is not supported; {_TO_PNG}")
    if head[_DICOM_AT : _DICOM_AT + 4] == b"DICM":
        raise UserError(f"a DICOM file, which is not supported; {_TO_TIFF}")
    if head[4:8] == b"ftyp" and head[8:12] in _VIDEO_BRANDS:
        raise UserError("a video; give its name the suffix of one, such as .mp4")
