"""Containers of videos, by the suffix of a file: what they hold is found by trying."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from clearer.inference.video.tags import kept_tags

_MUXERS = {".qt": "mov", ".m2t": "mpegts", ".mts": "mpegts", ".m2ts": "mpegts", ".divx": "avi", ".f4v": "f4v",
           ".mpeg": "mpeg", ".3gpp": "3gp", ".vob": "vob",
           ".mk3d": "matroska"}  # fmt: skip
"""Formats of suffixes from which FFmpeg does not guess them, or guesses otherwise."""
_STEADY = ("avi", "mxf", "mxf_opatom", "mxf_d10", "ogg", "ogv", "yuv4mpegpipe", "dv", "mpeg1video", "mpeg2video", "gxf")
"""Formats in which every frame lasts equally long."""


@contextmanager
def closing_quietly(container: Any) -> Iterator[Any]:
    """Yield an output container that is a trial, and close it without regard to what it lacks."""
    import av

    try:
        yield container
    finally:
        with suppress(ValueError, av.FFmpegError):
            container.close()


class Container:
    """The format of an output file.

    Args:
        suffix: of its name, such as ".mkv".
    """

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix.lower()
        self.muxer = _MUXERS.get(self.suffix)

    def open(self, target: Any, options: dict[str, str] | None = None) -> Any:
        """Open a file or an `io.BytesIO` for writing in this format, with PyAV."""
        import av

        if not isinstance(target, str):
            return av.open(target, "w", format=self.name, container_options=options)
        return av.open(target, "w", format=self.muxer, container_options=options)

    @cached_property
    def _facts(self) -> tuple[str, str, bool]:
        import av
        from av.format import Flags

        probe: Any
        with av.open(f"clearer{self.suffix}", "w", format=self.muxer) as probe:
            name = str(probe.format.name)
            return name, str(probe.default_video_codec), bool(probe.format.flags & Flags.global_header.value)

    @property
    def name(self) -> str:
        """FFmpeg's name of the format."""
        return self._facts[0]

    @property
    def default_codec(self) -> str:
        """The video codec that FFmpeg prefers for the format, "none" if there is none."""
        return self._facts[1]

    @property
    def global_header(self) -> bool:
        """Whether encoders leave their header to the container."""
        return self._facts[2]

    @property
    def steady(self) -> bool:
        """Whether every frame lasts equally long."""
        return self.name in _STEADY

    @property
    def is_mov(self) -> bool:
        """Whether the format is MOV or MP4."""
        return self.name in ("mov", "mp4", "ipod")

    def takes(self, encoder: str) -> bool:
        """Return whether the format holds what an encoder makes."""
        import av

        with closing_quietly(self.open(io.BytesIO())) as probe:
            try:
                probe.add_stream(encoder, rate=25)
            except (ValueError, av.FFmpegError):
                return False
        return True


def copy_stream(container: Any, stream: Any, ids: bool = False) -> Any:
    """Add a stream like ``stream`` to a container, with its tags and flags, for packets that are copied.

    Args:
        ids: keep its number in the file too, such as the PID of a transport stream.

    Raises:
        ValueError: the container does not hold it.
    """
    made = container.add_stream_from_template(stream, opaque=True)
    made.metadata.update(kept_tags(stream.metadata, of_stream=True))
    made.disposition = stream.disposition
    if ids:
        made.id = stream.id
    return made


def has_index_first(path: str) -> bool:
    """Return whether a MOV or MP4 file has its index before its media, so that a player need not wait for its end."""
    with Path(path).open("rb") as file:
        place = 0
        while len(head := file.read(16)) >= 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if kind in (b"moov", b"mdat", b"moof"):
                return kind == b"moov"
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            if size < 8:
                return False
            place += size
            file.seek(place)
    return False
