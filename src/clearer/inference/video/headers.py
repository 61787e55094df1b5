"""What the headers of a video file say and PyAV has no attribute for, read from FFmpeg's log."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOCK = threading.Lock()
_PLACES = ("left", "center", "topleft", "top", "bottomleft", "bottom")
_BYPASS = {"h264": "qpprime_y_zero_transform_bypass_flag", "hevc": "transquant_bypass_enabled_flag"}
"""The flag of the sequence or picture header that lossless encoders of these codecs set."""
_QUANTIZERS = ("base_q_idx", "delta_q_y_dc.delta_coded")
"""The fields of the first frame's header that are 0 in lossless VP9 and AV1."""


@contextmanager
def _logs() -> Iterator[list[Any]]:
    """Yield the list of what FFmpeg logs meanwhile, in all threads."""
    import av.logging as log

    with _LOCK:
        before = log.get_level()
        log.set_level(log.VERBOSE)
        log.set_libav_level(log.VERBOSE)
        try:
            with log.Capture(local=False) as logs:
                yield logs
        finally:
            log.set_libav_level(log.INFO)
            log.set_level(before)


def describe(container: Any) -> list[str]:
    """Return FFmpeg's description of an open file, line by line; the streams are headed by "Stream #"."""
    with _logs() as logs:
        text = container.dumps_format()
    return str(text or "".join(entry[2] for entry in logs)).splitlines()


def stream_lines(lines: list[str], index: int) -> list[str]:
    """Return the lines of `describe` about one stream."""
    heads = [k for k, line in enumerate(lines) if re.match(r"\s*Stream #0:\d+", line)]
    for k, head in enumerate(heads):
        if re.match(rf"\s*Stream #0:{index}\b", lines[head]):
            return lines[head : heads[k + 1] if k + 1 < len(heads) else len(lines)]
    return []


def chroma_place(lines: list[str], index: int) -> str | None:
    """Return the chroma sample location that `describe` states for a stream, such as "left"; None if it states none."""
    head = (stream_lines(lines, index) or [""])[0]
    for group in re.findall(r"\w\(([^()]*)\)", head):
        for word in str(group).split(", "):
            if word in _PLACES:
                return word
    return None


def side_data_names(lines: list[str], index: int) -> list[str]:
    """Return the names of the side data that `describe` lists for a stream, such as "Mastering Display Metadata"."""
    found, inside = [], None
    for line in stream_lines(lines, index):
        depth = len(line) - len(line.lstrip())
        if line.strip().lower() == "side data:":
            inside = depth
        elif inside is not None and depth > inside:
            found.append(re.split(r"[:,]", line.strip())[0])
        else:
            inside = None
    return found


def is_lossless(path: str, index: int, codec: str) -> bool:
    """Return whether a stream is coded without loss, by the header of its first frame; False for unknown codecs."""
    import av

    if codec == "jpeg2000":
        return _is_reversible(path, index)
    if codec not in (*_BYPASS, "vp9", "av1"):
        return False
    with _logs() as logs, av.open(path) as container:
        stream = container.streams[index]
        try:
            trace = av.BitStreamFilterContext("trace_headers", stream)
            for packet in container.demux(stream):
                trace.filter(packet)
                break
        except (av.FFmpegError, ValueError):
            return False
        text = "".join(str(entry[2]) for entry in logs)

    def values(name: str) -> list[int]:
        return [int(value) for value in re.findall(rf"\b{re.escape(name)}\s[^=\n]*= (-?\d+)", text)]

    if codec in _BYPASS:
        return 1 in values(_BYPASS[codec])
    return all(values(name)[:1] == [0] for name in _QUANTIZERS)


def _is_reversible(path: str, index: int) -> bool:
    """Return whether JPEG 2000 uses the reversible transform, by the COD marker of its first frame."""
    import av

    with av.open(path) as container:
        data = next((bytes(packet) for packet in container.demux(container.streams[index]) if packet.size), b"")
    place = data.find(b"\xff\x52")
    return place >= 0 and data[place + 13 : place + 14] == b"\x01"
