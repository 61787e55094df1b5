"""An inventory of what is around the pixels of a file, by reading its structure, whatever it holds.

The inventory of a source is compared with that of the file written from it, so that nothing is lost without a line.
"""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from clearer.core.errors import UserError
from clearer.images.around import jpeg_segments as jpeg
from clearer.images.around import png_chunks as png
from clearer.images.around.box_parts import parts_of_boxes
from clearer.images.around.jxl_header import SIGNATURES, header_of
from clearer.images.around.part import (
    EXIF,
    FRAMES,
    PLAYS,
    PROFILE,
    RESOLUTION,
    TIMES,
    XMP,
    Part,
    digest,
    whole_milliseconds,
)
from clearer.images.around.xmp import announces
from clearer.images.thumbnail import without_thumbnail

_CREDENTIALS = "content credentials"
_CHUNK_NAMES = {
    b"eXIf": EXIF,
    b"iCCP": PROFILE,
    b"pHYs": RESOLUTION,
    b"tIME": "date",
    b"gAMA": "gamma",
    b"cHRM": "primaries",
    b"cICP": "color coding",
    b"sBIT": "significant bits",
    b"bKGD": "background color",
    b"hIST": "histogram of the palette",
    b"sPLT": "suggested palette",
    b"caBX": _CREDENTIALS,
}
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sRGB", b"acTL", b"fcTL", b"fdAT")


def parts_of(data: bytes, kind: str | None) -> tuple[Part, ...]:
    """Return the inventory of a file; nothing of a broken or unknown one.

    Args:
        data: the file.
        kind: its format, see `clearer.images.types.format_of_bytes`.
    """
    readers: dict[str, Callable[[bytes], Iterator[Part]]] = {
        "JPEG": _of_jpeg,
        "PNG": _of_png,
        "WEBP": _of_webp,
        "TIFF": _of_tiff,
        "HEIF": parts_of_boxes,
        "AVIF": parts_of_boxes,
        "JXL": _of_jpeg_xl,
        "BMP": _of_bmp,
        **dict.fromkeys(("PBM", "PGM", "PPM", "PFM"), _of_netpbm),
    }
    reader = readers.get(kind or "")
    if reader is None:
        starts = ((b"GIF8", _of_gif), (b"\0\0\0\x0cjP  ", parts_of_boxes), (b"8BPS", _of_psd), (b"\0\0\1\0", _of_icon))
        reader = next((found for start, found in starts if data.startswith(start)), None)
    if reader is None:
        return ()
    try:
        return tuple(reader(data))
    except (UserError, struct.error, IndexError, ValueError):
        return ()


def lost(before: tuple[Part, ...], after: tuple[Part, ...], same_format: bool) -> list[str]:
    """Return the names of the parts of a source that a written file lacks, or has in another state.

    Args:
        before: of the source.
        after: of the written file.
        same_format: whether both are of one format, so that contents must be equal too.
    """

    def key(part: Part) -> tuple[str, str]:
        return (part.name, part.digest if part.exact or same_format else "")

    there = Counter(map(key, after))
    names: dict[str, int] = {}
    for part in before:
        if there[key(part)] > 0:
            there[key(part)] -= 1
        elif same_format or not part.of_format:
            names[part.name] = names.get(part.name, 0) + 1
    return [name if count == 1 else f"{count} x {name}" for name, count in names.items()]


def _of_jpeg(data: bytes) -> Iterator[Part]:
    around = jpeg.around_of(data)
    packet = None
    profile = b""
    for marker, body in around.segments:
        if marker == jpeg.APP0 and body.startswith(jpeg.JFIF):
            if body[7:8] in (b"\1", b"\2"):
                yield Part(RESOLUTION)
        elif marker == jpeg.APP0 and body.startswith(b"JFXX\0"):
            yield Part("thumbnail in JFIF", digest(body), of_format=True)
        elif marker == jpeg.APP1 and body.startswith(jpeg.EXIF):
            yield Part(EXIF, digest(without_thumbnail(body.removeprefix(jpeg.EXIF))))
        elif marker == jpeg.APP1 and body.startswith(jpeg.XMP):
            packet = body
            yield Part(XMP, digest(body))
        elif marker == jpeg.APP1 and body.startswith(jpeg.MORE_XMP):
            yield Part("extended XMP", digest(body))
        elif marker == jpeg.APP2 and body.startswith(jpeg.ICC):
            profile += body
        elif marker == jpeg.APP11:
            yield Part(_CREDENTIALS if b"c2pa" in body else "APP11 data")
        elif marker == jpeg.APP13 and body.startswith(b"Photoshop 3.0"):
            yield Part("IPTC and Photoshop data", digest(body))
            if b"8BIM\x04\x0c" in body:
                yield Part("thumbnail of Photoshop", of_format=True)
        elif marker == jpeg.COM:
            yield Part("comment", digest(body))
        elif marker != jpeg.APP14 and not (marker == jpeg.APP2 and body.startswith(jpeg.MPF)):
            yield Part(f"APP{marker - jpeg.APP0} segment", digest(body))
    if profile:
        yield Part(PROFILE, digest(profile))
    if around.tail:
        yield from _of_tail(data, around, packet)


def _of_tail(data: bytes, around: jpeg.Around, packet: bytes | None) -> Iterator[Part]:
    """Name what follows the image: further images by the index, and a video or a gain map by the XMP packet."""
    content = digest(around.tail)
    entries = [] if around.index_at is None else jpeg.index_entries(data, around.index_at)
    count = 0
    for _, entry in entries:
        if entry.offset and around.index_at is not None:
            image = data[around.index_at + entry.offset :][: entry.size]
            is_gain_map = b"hdr-gain-map" in image[:4096] or b"HDRGainMap" in image[:4096]
            yield Part("gain map" if is_gain_map else "further image", digest(image))
            count += 1
    if announces(packet, video=True):
        yield Part("video of the motion photo", content)
    elif not count:
        name = "gain map" if packet is not None and b"hdr-gain-map" in packet else "data behind the image"
        yield Part(name, content)


def _of_png(data: bytes) -> Iterator[Part]:
    chunks = png.chunks_of(data)
    delays = []
    for kind, body in chunks:
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword = body.partition(b"\0")[0].decode("latin-1")
            names = {"XML:com.adobe.xmp": XMP, "Comment": "comment"}
            yield Part(names.get(keyword, f"text {keyword!r}"), digest(kind + body))
        elif kind == b"acTL":
            yield Part(PLAYS, str(struct.unpack_from(">II", body)[1]), exact=True)
        elif kind == b"fcTL":
            numerator, denominator = struct.unpack_from(">HH", body, 20)
            delays.append(1000 * numerator / (denominator or 100))
        elif kind not in _PIXEL_CHUNKS:
            near_srgb = kind == b"gAMA" and body == struct.pack(">I", 45455)
            # The values that are tied to the layout of pixels are compared where they are written.
            body = without_thumbnail(body) if kind == b"eXIf" else body
            content = "" if kind in (b"sBIT", b"bKGD") else digest(body)
            yield Part(_CHUNK_NAMES.get(kind, f"chunk {kind.decode('latin-1')}"), content, of_format=near_srgb)
    if delays:
        yield from _of_frames(delays)
    end = len(png.SIGNATURE) + sum(len(body) + 12 for _, body in chunks)
    if data[end:]:
        yield Part("data behind the image", digest(data[end:]))


def _of_frames(milliseconds: Sequence[float]) -> Iterator[Part]:
    yield Part(FRAMES, str(len(milliseconds)), exact=True)
    yield Part(TIMES, " ".join(map(str, whole_milliseconds(milliseconds))), exact=True)


def _of_webp(data: bytes) -> Iterator[Part]:
    names = {b"ICCP": PROFILE, b"EXIF": EXIF, b"XMP ": XMP}
    place, times = 12, []
    while place + 8 <= min(len(data), 8 + int.from_bytes(data[4:8], "little")):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        body = data[place + 8 : place + 8 + size]
        if kind == b"ANIM":
            yield Part(PLAYS, str(int.from_bytes(body[4:6], "little")), exact=True)
        elif kind == b"ANMF":
            times.append(int.from_bytes(body[12:15], "little"))
        elif kind not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH"):
            content = b"" if kind == b"EXIF" else body
            yield Part(names.get(kind, f"chunk {kind.decode('latin-1')}"), digest(content))
        place += 8 + size + size % 2
    if times:
        yield from _of_frames(times)
    if data[8 + int.from_bytes(data[4:8], "little") :]:
        yield Part("data behind the image")


def _of_tiff(data: bytes) -> Iterator[Part]:
    import tifffile

    names = {34675: PROFILE, 700: XMP, 34665: EXIF, 33723: "IPTC and Photoshop data", 34377: "IPTC and Photoshop data"}
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        tags = tiff.pages[0].aspage().tags
        found = {names[code] for code in names if code in tags}
        unit = tags.get(296)
        if 282 in tags and (unit is None or unit.value in (2, 3)) and tags[282].value != (1, 1):
            found.add(RESOLUTION)
        if any(code in tags for code in (271, 272, 315, 33432)):  # maker, model, artist, copyright
            found.add(EXIF)
        count = len(tiff.pages)
    if count > 1:
        yield Part(FRAMES, str(count), exact=True)
    yield from (Part(name) for name in sorted(found))


def _of_gif(data: bytes) -> Iterator[Part]:
    times, plays, delay = [], 1, 0
    place = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while data[place] != 0x3B:
        if data[place] == 0x2C:
            times.append(delay)
            delay = 0
            table = 3 << (data[place + 9] & 7) + 1 if data[place + 9] & 0x80 else 0
            _, place = _blocks(data, place + 11 + table)
            continue
        label = data[place + 1]
        blocks, place = _blocks(data, place + 2)
        if label == 0xF9:
            delay = 10 * int.from_bytes(blocks[0][1:3], "little")
        elif label == 0xFE:
            yield Part("comment", digest(b"".join(blocks)))
        elif label == 0xFF and blocks[0] in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
            repeats = int.from_bytes(blocks[1][1:3], "little")
            plays = repeats + 1 if repeats else 0
        elif label == 0xFF:
            names = {b"XMP DataXMP": XMP, b"ICCRGBG1012": PROFILE}
            yield Part(names.get(blocks[0], f"extension {blocks[0].decode('latin-1')!r}"))
        elif label == 0x01:
            yield Part("text drawn over the image")
    if data[place + 1 :].strip(b"\0"):
        yield Part("data behind the image")
    if len(times) > 1:
        yield Part(PLAYS, str(plays), exact=True)
        yield from _of_frames(times)


def _blocks(data: bytes, place: int) -> tuple[list[bytes], int]:
    found = []
    while data[place]:
        found.append(data[place + 1 : place + 1 + data[place]])
        place += 1 + data[place]
    return found, place + 1


def _of_jpeg_xl(data: bytes) -> Iterator[Part]:
    header = header_of(data)
    if header.profile:
        yield Part(PROFILE)
    elif not header.is_srgb:
        yield Part("color coding", str(header.coding))
    if not data.startswith(SIGNATURES[0]):
        yield from parts_of_boxes(data)


def _of_netpbm(data: bytes) -> Iterator[Part]:
    from clearer.images.netpbm import end_of

    end = end_of(data)
    if end is not None and data[end:].strip():
        yield Part("further image" if data[end : end + 1] == b"P" else "data behind the image", digest(data[end:]))


def _of_bmp(data: bytes) -> Iterator[Part]:
    (size,) = struct.unpack_from("<I", data, 14)
    if size >= 40 and all(struct.unpack_from("<ii", data, 38)):
        yield Part(RESOLUTION)
    if size >= 124 and data[70:74] in (b"DEBM", b"KNIL"):  # MBED and LINK, little-endian
        yield Part(PROFILE)


def _of_psd(data: bytes) -> Iterator[Part]:
    place = 26
    (size,) = struct.unpack_from(">I", data, place)
    place += 4 + size
    (size,) = struct.unpack_from(">I", data, place)
    resources = data[place + 4 : place + 4 + size]
    yield from (Part(name) for code, name in ((b"\x04\x04", "IPTC and Photoshop data"),) if b"8BIM" + code in resources)
    place += 4 + size
    layers = struct.unpack_from(">I", data, place)[0]
    if layers:
        yield Part("layers")


def _of_icon(data: bytes) -> Iterator[Part]:
    (count,) = struct.unpack_from("<H", data, 4)
    yield from [Part("image of another size")] * (count - 1)
