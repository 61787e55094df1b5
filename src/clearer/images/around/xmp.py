"""Announcements in XMP packets: of images and videos that follow the image in its file."""

from __future__ import annotations

import re

_CAMERA, _CONTAINER = "http://ns.google.com/photos/1.0/camera/", "http://ns.google.com/photos/1.0/container/"
_GAIN_MAP, _NOTE = "http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.adobe.com/xmp/note/"
_ANNOUNCED = (
    (_CAMERA, r"(?:MicroVideo|MotionPhoto)\w*"),
    (_CONTAINER, r"Directory"),
    (_GAIN_MAP, r"\w+"),
    (_NOTE, r"HasExtendedXMP"),
)


def announces(packet: bytes | None, video: bool = False) -> bool:
    """Return whether a packet announces an image or a video behind this image, or only whether a video."""
    if packet is None:
        return False
    rules = _ANNOUNCED[:1] if video else _ANNOUNCED
    return any(re.search(pattern, packet) for rule in rules for pattern in _patterns(packet, *rule))


def without_announcements(packet: bytes | None) -> bytes | None:
    """Return a packet without what it says of images, videos and packets that follow; the rest byte by byte."""
    if packet is None:
        return None
    for rule in _ANNOUNCED:
        for pattern in _patterns(packet, *rule):
            packet = re.sub(pattern, b"", packet, flags=re.DOTALL)
    return packet


def _patterns(packet: bytes, namespace: str, name: str) -> list[bytes]:
    """Return patterns of the elements and attributes of a namespace, by the prefixes that the packet gives it."""
    found: list[bytes] = []
    for prefix in set(re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(namespace.encode()) + rb"[\"']", packet)):
        full = re.escape(prefix) + rb":" + name.encode()
        found.append(rb"(?s)\s*<(" + full + rb")(?:\s[^>]*)?(?:/>|>.*?</\1\s*>)")
        found.append(rb"\s" + full + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
    return found
