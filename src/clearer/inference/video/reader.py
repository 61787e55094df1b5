"""Read a video: frames of one stream, packets of the others, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


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
        self.end = 0.0  # of the last packet of any stream, in seconds
        self.broken: str | None = None
        self.decoder = _decoder(video)

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Yield ("frame", decoded frame) and ("packet", packet of another stream)."""
        for packet in self._packets():
            if packet.size and packet.pts is not None and packet.time_base:
                self.end = max(self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index == self.video.index:
                self.packets += bool(packet.size)
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
            return
        for frame in frames:
            if frame.time_base is None:
                frame.time_base = self.video.time_base
            self.frames += 1
            self.damaged += frame.is_corrupt
            yield "frame", frame

    def fault(self) -> str | None:
        """Return in one sentence which frames could not be read; None if all could."""
        promised = max(self.video.frames, self.packets)
        length = float(self.origin.duration / 1_000_000) if self.origin.duration else 0.0
        rate = float(self.video.average_rate or self.video.guessed_rate or 25)
        start = float((self.origin.start_time or 0) / 1_000_000)
        missing = length - (self.end - start)
        if _states_duration(self.origin) and missing > max(0.2, 2.5 / rate) and promised == self.packets:
            promised = max(promised, round(self.frames + missing * rate))
        text = f"{self.frames} of {promised} frames could be read"
        if self.frames < promised and (self.unread or self.broken or promised > self.packets):
            return text
        if self.damaged:
            return f"{self.damaged} of {self.frames} frames are damaged"
        return f"{text}: {self.broken}" if self.broken else None


def _decoder(video: Any) -> Any:
    """Return a decoder of a stream; VP8 and VP9 with alpha need that of libvpx."""
    import av

    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(video.codec_context.name)
    if name is not None and {k.lower(): v for k, v in video.metadata.items()}.get("alpha_mode") == "1":
        return av.CodecContext.create(name, "r")
    video.thread_type = "AUTO"
    return video.codec_context


def _states_duration(origin: Any) -> bool:
    """Return whether the format's header states the duration, rather than FFmpeg estimating it."""
    return any(name in origin.format.name for name in ("matroska", "mov", "flv", "asf", "avi", "nut", "mxf"))
