"""Small videos made with PyAV, and what is read back from them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.scheduling import kept_scheduling

QUIET = {"libx265": {"x265-params": "log-level=none"}}


def random_frame(width: int, height: int, pix_fmt: str, seed: int = 0, smooth: bool = False) -> Any:
    """Return a frame of random samples over the whole range of the format, alpha included."""
    import av

    from clearer.inference.video.samples import components_of

    frame = av.VideoFrame(width, height, pix_fmt)
    chance = np.random.default_rng(seed)
    parts = components_of(frame)
    assert parts is not None
    for part in parts:
        h, w = part.samples.shape
        if smooth:
            y, x = np.mgrid[:h, :w]
            share = 0.5 + 0.3 * np.sin(x / w * 3 + seed) * np.cos(y / h * 2 + len(parts))
        else:
            share = chance.random((h, w))
        part.write(np.floor(share * 2**part.bits).astype(np.float32) if part.bits else share.astype(np.float32))
    return frame


def write_video(
    path: Path,
    codec: str = "ffv1",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    *,
    size: tuple[int, int] = (32, 24),
    count: int = 3,
    rate: Fraction | int = 25,
    time_base: Fraction | None = None,
    tags: dict[str, int] | None = None,
    smooth: bool = False,
    set_up: Callable[[Any, Any], None] | None = None,
    more: Callable[[Any], None] | None = None,
    format: str | None = None,
) -> Path:
    """Write frames of random samples with an encoder.

    Args:
        tags: attributes of the encoder's context and of frames, such as ``color_range``.
        set_up: called with the container and its video stream before the first frame.
        more: called with the container after the last frame.
    """
    import av

    with kept_scheduling(), av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.options = {**QUIET.get(codec, {}), **(options or {})}
        if time_base is not None:
            stream.time_base = stream.codec_context.time_base = time_base
        for key, value in (tags or {}).items():
            setattr(stream.codec_context, key, value)
        if set_up is not None:
            set_up(container, stream)
        for k in range(count):
            frame = random_frame(*size, pix_fmt, k, smooth)
            for key, value in (tags or {}).items():
                if key.startswith("color"):
                    setattr(frame, key, value)
            frame.pts, frame.time_base = k, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if more is not None:
            more(container)
    return path


def write_gray_video(path: Path, frames: list[np.ndarray]) -> Path:
    """Write 8-bit gray frames without loss; each is a keyframe."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt, stream.gop_size = "gray", 1
        for k, levels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(levels, format="gray")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_planes(path: Path) -> list[list[Any]]:
    """Return the components of every frame of the first video stream, as integers or floats."""
    import av

    from clearer.inference.video.samples import components_of

    with av.open(str(path)) as container:
        return [[part.read() for part in components_of(f) or []] for f in container.decode(video=0)]


def same_planes(one: list[list[Any]], other: list[list[Any]]) -> bool:
    """Return whether frames of `read_planes` are equal bit for bit."""
    return len(one) == len(other) and all(
        len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


def write_hdr_matroska(path: Path, codec: str, codec_id: bytes, count: int = 3) -> Path:
    """Write a Matroska file whose header, not its stream, states HDR10 data; PyAV cannot make one."""
    import av

    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 32, 24, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(25), Fraction(1, 25)
    encoder.color_range, encoder.colorspace = 1, 9  # VP9 states them itself
    packets = []
    for k in range(count):
        frame = random_frame(32, 24, "yuv420p", k)
        frame.pts = k
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    places = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000, 0.0001)
    display = b"".join(_element(f"55D{k:X}", struct.pack(">d", value)) for k, value in enumerate(places, 1))
    tags = {"55B1": 9, "55B9": 1, "55BA": 16, "55BB": 9, "55BC": 1000, "55BD": 400}
    color = b"".join(_number(key, value) for key, value in tags.items()) + _element("55D0", display)
    video = _number("B0", 32) + _number("BA", 24) + _element("55B0", color)
    track = _number("D7", 1) + _number("73C5", 1) + _number("83", 1) + _element("86", codec_id)
    if encoder.extradata:
        track += _element("63A2", encoder.extradata)
    track += _number("23E383", 40_000_000) + _element("E0", video)
    blocks = (b"\x81" + struct.pack(">h", (p.pts or 0) * 40) + b"\x80" + bytes(p) for p in packets)
    cluster = _number("E7", 0) + b"".join(_element("A3", block) for block in blocks)
    head = {"4286": 1, "42F7": 1, "42F2": 4, "42F3": 8, "4287": 4, "4285": 2}
    kind = b"".join(_number(key, value) for key, value in head.items()) + _element("4282", b"matroska")
    info = _number("2AD7B1", 1_000_000) + _element("4D80", b"x") + _element("5741", b"x")
    parts = (("1549A966", info), ("1654AE6B", _element("AE", track)), ("1F43B675", cluster))
    segment = b"".join(_element(key, data) for key, data in parts)
    path.write_bytes(_element("1A45DFA3", kind) + _element("18538067", segment))
    return path


def _element(key: str, data: bytes) -> bytes:
    return bytes.fromhex(key) + struct.pack(">Q", len(data) | 1 << 56) + data


def _number(key: str, value: int) -> bytes:
    return _element(key, struct.pack(">I", value))
