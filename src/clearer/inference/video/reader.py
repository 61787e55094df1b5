"""Read a video: frames of one stream, packets of the others, and what could not be read."""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from clearer.core.errors import UserError
from clearer.inference.video.coverage import Coverage

_STATES_DURATION = ("matroska", "mov", "flv", "asf", "avi", "nut", "mxf")
"""Formats whose header states the duration; FFmpeg estimates that of others."""
_BROADCAST = ("mpegts", "mpeg")
"""Formats in which frames follow each other evenly, so that a gap is a loss."""


_REFERRING = frozenset((
    "concat", "hls", "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "rtp", "sap", "image2", "vobsub", "lavfi",
    "avisynth", "vapoursynth", "libgme", "bluray", "dvdvideo", "tty",
))  # fmt: skip
"""Demuxers of playlists and scripts: what they read lies in other files, in the network, or is a program."""
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"[playlist]", b"[reference]")


def opened(path: Path) -> Any:
    """Open a video file by its content, if all that is decoded lies in this file itself.

    Raises:
        UserError: it is a playlist, which names other files.
        av.FFmpegError: it cannot be read.
    """
    import av

    try:
        return av.open(str(path), container_options={"format_whitelist": _demuxers()})
    except (av.FFmpegError, ValueError):
        with path.open("rb") as file:
            playlist = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS)
        if playlist:
            raise UserError("a playlist, which names other files; give these files themselves") from None
        raise


@functools.cache
def _demuxers() -> str:
    import av
    from av.format import ContainerFormat

    found = []
    for name in sorted(av.formats_available):
        with contextlib.suppress(ValueError):  # of an encoder alone
            if ContainerFormat(name, "r").is_input and not _REFERRING & set(name.split(",")):
                found.append(name)
    return ",".join(found)


class Reader:
    """The frames of one stream of an open file and the packets of others, in the order of the file.

    Damaged packets are passed over and counted; reading ends where the file cannot be read on.

    Args:
        origin: PyAV's container.
        video: the stream to decode.
        others: the streams whose packets are wanted.
    """

    def __init__(self, origin: Any, video: Any, others: list[Any]) -> None:
        self.origin, self.video, self.others = origin, video, others
        self.frames = 0
        self.damaged = 0  # frames that the decoder marks
        self.unread = 0  # packets that the decoder refuses
        self.packets = 0
        self.corrupt = 0  # packets that the container marks
        self.times: list[float] = []  # of frames, in seconds
        self.end = 0.0  # of the last packet of any stream, in seconds
        self.broken: str | None = None
        self.is_avi = "avi" in origin.format.name
        self.coverage = Coverage(video.index)
        self.due: deque[int] = deque()  # the times of packets whose frames are to come, in AVI
        self.last_due = -1
        self.decoder = _decoder(video)

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Yield ("frame", decoded frame) and ("packet", packet of another stream)."""
        for packet in self._packets():
            if packet.size and packet.pts is not None and packet.time_base:
                self.end = max(self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.size:
                self.coverage.add(packet)
            if packet.stream.index == self.video.index:
                self.packets += bool(packet.size)
                self.corrupt += packet.is_corrupt
                self._await(packet)
                yield from self._decoded(packet)
            elif packet.size:
                yield "packet", packet
        if self.broken is not None:
            yield from self._decoded(None)

    def _packets(self) -> Iterator[Any]:
        import av

        packets = self.origin.demux([self.video, *self.others])
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError) as error:
                self.broken = getattr(error, "strerror", None) or str(error)
                return
            if packet is None:
                return
            yield packet

    def _decoded(self, packet: Any) -> Iterator[tuple[str, Any]]:
        import av

        try:
            frames = self.decoder.decode(packet if packet is None or packet.size else None)
        except (av.FFmpegError, EOFError):
            self.unread += packet is not None and bool(packet.size)
            if self.due and packet is not None:
                self.due.pop()
            return
        for frame in frames:
            if self.due:
                frame.pts = self.due.popleft()
            if frame.time_base is None:
                frame.time_base = self.video.time_base
            self.frames += 1
            self.damaged += frame.is_corrupt
            if frame.pts is not None:
                self.times.append(float(frame.pts * frame.time_base))
            yield "frame", frame

    def _await(self, packet: Any) -> None:
        # AVI states no times of frames: FFmpeg counts packets, which B-frames put in another order. A decoder yields
        # frames in the order in which they are shown, so each gets the earliest time that is left.
        if self.is_avi and packet.size and packet.dts is not None:
            self.due.append(packet.dts)
            self.last_due = max(self.last_due, packet.dts)

    def _promised(self) -> int:
        """Return the number of frames that the header states, or of packets if there are more."""
        skipped = max(0, self.last_due + 1 - self.packets)  # AVI counts places without a frame
        return max(int(self.video.frames) - skipped, self.packets)

    def fault(self) -> str | None:
        """Return in one sentence which frames could not be read; None if all could."""
        promised, about = self._promised(), ""
        missing = max(self._missing(), 0) or self.coverage.missing()
        if promised == self.packets and missing:
            promised, about = promised + missing, "about "
        if self.frames < promised and (self.unread or self.broken or promised > self.packets):
            return f"{self.frames} of {about}{promised} frames could be read"
        if self.damaged or self.corrupt:
            return f"{max(self.damaged, self.corrupt)} of {self.frames} frames are damaged"
        return f"{self.frames} frames could be read, then: {self.broken}" if self.broken else None

    def _missing(self) -> int:
        """Return the number of frames for which the times of the file leave room."""
        if any(name in self.origin.format.name for name in _BROADCAST):
            return missing_between(self.times)
        if not any(name in self.origin.format.name for name in _STATES_DURATION) or not self.origin.duration:
            return 0
        rate = float(self.video.average_rate or self.video.guessed_rate or 25)
        # Only MOV counts the duration from the first frame always; others may count from zero.
        start = self.origin.start_time or 0 if "mov" in self.origin.format.name else 0
        missing = (self.origin.duration + start) / 1_000_000 - self.end
        return round(missing * rate) if missing > max(0.2, 2.5 / rate) else 0


def missing_between(times: list[float]) -> int:
    """Return the number of frames that are missing between others, by the usual distance of their times.

    Distances of 1.5 times the usual one are those of film at the rate of television.

    >>> missing_between([0, 1, 2, 6, 7, 8.5, 9.5])
    3
    """
    steps = [after - before for before, after in pairwise(times) if after > before]
    usual = median(steps) if steps else 1
    return sum(round(step / usual) - 1 for step in steps if step > 1.75 * usual)


def _decoder(video: Any) -> Any:
    """Return a decoder of a stream; VP8 and VP9 with alpha need that of libvpx."""
    import av

    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(video.codec_context.name)
    if name is not None and {k.lower(): v for k, v in video.metadata.items()}.get("alpha_mode") == "1":
        return av.CodecContext.create(name, "r")
    video.thread_type = "AUTO"
    return video.codec_context
