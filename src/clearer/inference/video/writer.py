"""Write a video: restored frames through an encoder, packets of other streams as they are."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

from clearer.core.errors import UserError, one_line
from clearer.inference.video.containers import Container, closing_quietly, copy_stream, has_index_first
from clearer.inference.video.encoder import Settings, Source, apply_settings, open_encoder
from clearer.inference.video.matroska import write_pixel_shapes
from clearer.inference.video.side_data import display_matrix
from clearer.inference.video.tags import kept_tags, needs_metadata_keys

_COVERS = {
    "png": ("image/png", ".png"), "mjpeg": ("image/jpeg", ".jpg"), "bmp": ("image/bmp", ".bmp"),
    "webp": ("image/webp", ".webp"), "gif": ("image/gif", ".gif"), "tiff": ("image/tiff", ".tif"),
}  # fmt: skip
"""The kind and the suffix of attached images, by codec."""
_SOUND_OF_MPEGTS = ("mp1", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m")
"""Others are written into transport streams as data that nobody reads."""
_LONGEST_DELAY = 86400
"""Seconds by which a frame can be decoded before it is shown."""


class Writer:
    """An output file with the streams of a source.

    Args:
        target: where to write.
        container: its format.
        origin: PyAV's source container.
        source: the video stream.
        settings: of its encoder.
        others: the streams to copy.

    Raises:
        UserError: the container does not take the sound, or cannot be written.
    """

    def __init__(
        self, target: str, container: Container, origin: Any, source: Source, settings: Settings, others: list[Any]
    ) -> None:
        self.target, self.container, self.origin, self.source, self.settings = (
            target,
            container,
            origin,
            source,
            settings,
        )
        self.left_out = [stream for stream in others if self._makes(stream) or not self._holds(stream)]
        self._check_sound(others)
        self.moved = 0
        self.refused = 0
        kept = [stream for stream in others if stream not in self.left_out]
        self._open(target, kept)
        self.last: dict[int, int] = {}
        self.phase: Fraction | None = None  # by which the source starts beside the encoder's unit of time, in seconds

    def _check_sound(self, others: list[Any]) -> None:
        lost = [stream for stream in self.left_out if stream.type == "audio"]
        if lost:
            name = stream_name(lost[0])
            raise UserError(f"{self.container.suffix} cannot hold its sound ({name}); name the output .mkv")

    def _makes(self, stream: Any) -> bool:
        """Return whether the container makes a stream from a tag by itself: the track of the time code."""
        return stream.type == "data" and "timecode" in stream.metadata and self.container.name in ("mov", "mp4")

    def _attaches(self, stream: Any) -> bool:
        """Return whether a stream becomes an attachment: Matroska holds covers so."""
        return self.container.name == "matroska" and is_cover(stream) and stream_name(stream) in _COVERS

    def _attach(self, file: Any, cover: Any) -> None:
        import av

        with av.open(self.origin.name) as origin:
            data = next(bytes(packet) for packet in origin.demux(origin.streams[cover.index]) if packet.size)
        kind, suffix = _COVERS[stream_name(cover)]
        tags = kept_tags(cover.metadata, of_stream=True)
        name = tags.pop("filename", f"cover{suffix}")
        made = file.add_attachment(name, tags.pop("mimetype", kind), data)
        made.metadata.update({"filename": name, "mimetype": kind, **tags})

    def _holds(self, stream: Any) -> bool:
        """Return whether the container holds a stream beside the video, by writing a header."""
        import av

        if self._attaches(stream):
            return True
        if self.container.name == "mpegts" and stream.type == "audio" and stream_name(stream) not in _SOUND_OF_MPEGTS:
            return False
        try:
            with closing_quietly(self.container.open(io.BytesIO())) as probe:
                self._add_video(probe)
                copy_stream(probe, stream)
                probe.start_encoding()
        except (av.FFmpegError, ValueError, TypeError):
            return False
        return True

    def _add_video(self, container: Any) -> Any:
        """Add and open the video stream."""
        stream = self._video_with_side_data(container)
        if stream is None:
            stream = container.add_stream(self.settings.encoder, rate=self.settings.rate)
            apply_settings(stream, self.settings, self.source, self.container.global_header)
            open_encoder(stream)
        video = self.source.stream
        stream.metadata.update(kept_tags(video.metadata, of_stream=True))
        stream.disposition = video.disposition
        matrix = display_matrix(self.source.first)
        if matrix is not None:
            stream.set_display_matrix(matrix)
        return stream

    def _video_with_side_data(self, container: Any) -> Any:
        """Add and open a stream that inherits the side data of the source's; None if there is none to inherit."""
        import av

        names = {name.lower() for name in self.source.side_data} - {"displaymatrix", "cpb"}
        if not names or any("dovi" in name for name in names):
            return None
        probe = self.container.open(io.BytesIO())
        with closing_quietly(probe):
            try:
                if self._inherit(probe) is None:
                    return None
            except (av.FFmpegError, ValueError):
                return None
        return self._inherit(container)

    def _inherit(self, container: Any) -> Any:
        import av

        name = self.source.stream.codec_context.codec.name
        try:
            if av.codec.Codec(name, "w").name != self.settings.encoder:
                return None
        except ValueError:
            return None
        stream = container.add_stream_from_template(self.source.stream, opaque=False)
        stream.codec_context.extradata = None
        apply_settings(stream, self.settings, self.source, self.container.global_header)
        open_encoder(stream)
        return stream

    def _open(self, target: str, kept: list[Any]) -> None:
        """Open the file with all streams in the source's order; without the lesser ones if they do not go together."""
        import av

        plain = [stream for stream in kept if stream.type in ("audio", "video")]
        for chosen in (kept, plain) if len(plain) < len(kept) else (kept,):
            file = self.container.open(target, self._muxer_options())
            try:
                self._add_streams(file, chosen)
                file.start_encoding()
            except (av.FFmpegError, ValueError) as error:
                with closing_quietly(file):
                    fault = error
                continue
            self.file = file
            self.left_out += [stream for stream in kept if stream not in chosen]
            return
        raise UserError(f"not written as {self.container.suffix} ({reason(fault)}); name the output .mkv") from fault

    def _muxer_options(self) -> dict[str, str]:
        flags = []
        if self.container.is_mov and has_index_first(self.origin.name):
            flags.append("faststart")
        if needs_metadata_keys(self.container.name, kept_tags(self.origin.metadata)):
            flags.append("use_metadata_tags")
        return {"movflags": "+".join(flags)} if flags else {}

    def _add_streams(self, file: Any, chosen: list[Any]) -> None:
        file.metadata.update(kept_tags(self.origin.metadata))
        file.set_chapters(self.origin.chapters())
        same = self.container.name in self.origin.format.name
        self.copies: dict[int, Any] = {}
        ordered = sorted([self.source.stream, *chosen], key=lambda stream: int(stream.index))
        self.tracks = [stream for stream in ordered if stream.type != "attachment" and not is_cover(stream)]
        for stream in ordered:
            if stream.index == self.source.stream.index:
                self.video = self._add_video(file)
                if same and self.container.name == "mpegts":
                    self.video.id = stream.id
            elif self._attaches(stream):
                self._attach(file, stream)
            else:
                self.copies[stream.index] = copy_stream(file, stream, same and self.container.name == "mpegts")

    def put(self, item: tuple[str, Any]) -> None:
        """Write a frame or a packet as `Reader.parts` yields them, and ("end", None) after the last."""
        kind, value = item
        if kind == "frame":
            self._mux_video(self.video.encode(self._timed_frame(value)))
        elif kind == "end":
            self._mux_video(self.video.encode(None))
        elif value.stream.index in self.copies:
            self._copy(value)

    def close(self) -> None:
        """Write the end of the file, and into it what FFmpeg's muxer was not told."""
        self.file.close()
        if self.container.name in ("matroska", "webm"):
            shapes = {place: shape for place, stream in enumerate(self.tracks) if (shape := _pixel_shape(stream))}
            if shapes:
                write_pixel_shapes(self.target, shapes)

    def _mux_video(self, packets: list[Any]) -> None:
        # libx265 leaves the decoding time of packets unset if the video has fewer frames than it looks ahead.
        for packet in packets:
            last = self.last.get(self.source.stream.index)
            self._shift(packet)
            if packet.pts is not None:
                far = packet.dts is None or abs(packet.dts - packet.pts) * packet.time_base > _LONGEST_DELAY
                if far or packet.dts > packet.pts:
                    packet.dts = packet.pts if last is None or packet.pts > last else last + 1
                self.last[self.source.stream.index] = packet.dts
            self.file.mux(packet)

    def _shift(self, packet: Any) -> None:
        """Add the phase to the times of a packet."""
        unit = self.video.time_base
        shift = _rounded((self.phase or Fraction(0)) / unit)
        if shift:
            ratio = packet.time_base / unit
            times = (None if time is None else _rounded(time * ratio) + shift for time in (packet.pts, packet.dts))
            packet.pts, packet.dts = times
            packet.duration, packet.time_base = _rounded((packet.duration or 0) * ratio), unit

    def _timed_frame(self, frame: Any) -> Any:
        """Return the frame with a time in the encoder's unit that is later than that of the one before it."""
        unit = self.settings.time_base
        step = max(
            1, round(frame.duration * frame.time_base / unit if frame.duration else 1 / self.settings.rate / unit)
        )
        last = self.last.get(-1)
        time = None if frame.pts is None else frame.pts * frame.time_base
        if self.phase is None:
            self.phase = Fraction(0) if time is None else time - _rounded(time / unit) * unit
        time = None if time is None else _rounded((time - self.phase) / unit)
        if last is not None and (time is None or time <= last):
            self.moved += time is not None
            time = last + step
        frame.duration = step if frame.duration else 0
        frame.pts, frame.time_base = 0 if time is None else time, unit
        self.last[-1] = frame.pts
        return frame

    def _copy(self, packet: Any) -> None:
        import av

        index = packet.stream.index
        dts = packet.pts if packet.dts is None else packet.dts
        last = self.last.get(index)
        if dts is None:
            dts = 0 if last is None else last + (packet.duration or 1)
        if last is not None and dts <= last:
            dts = last + (packet.duration or 1)
            self.moved += 1
        packet.dts = self.last[index] = dts
        packet.pts = dts if packet.pts is None else max(packet.pts, dts)
        packet.stream = self.copies[index]
        try:
            self.file.mux(packet)
        except (av.FFmpegError, ValueError):
            self.refused += 1


def _rounded(value: Fraction) -> int:
    return int(value + Fraction(1, 2)) if value >= 0 else -int(-value + Fraction(1, 2))


def _pixel_shape(stream: Any) -> Fraction | None:
    """Return the aspect ratio of the pixels of a video stream; None if they are square."""
    shape = stream.sample_aspect_ratio if stream.type == "video" else None
    return Fraction(shape) if shape and shape != 1 else None


def is_cover(stream: Any) -> bool:
    """Return whether a stream is an image attached to the file."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def stream_name(stream: Any) -> str:
    """Return a stream's codec for messages."""
    context = stream.codec_context
    return str(stream.type if context is None else context.codec.canonical_name)


def reason(error: Exception) -> str:
    """Return the reason of an error of PyAV in one line, without the name of any file."""
    return getattr(error, "strerror", None) or one_line(error)
