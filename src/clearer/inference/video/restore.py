"""Restore a video file: decode, restore and encode its frames, copy its other streams, and report what was lost."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, cast

from clearer.core.errors import UserError
from clearer.core.files import written_whole
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.types import check_size
from clearer.inference.color import Run
from clearer.inference.options import RestoreOptions
from clearer.inference.video.containers import Container
from clearer.inference.video.encoder import COLOR_TAGS, Source, choose_settings, lossless_source
from clearer.inference.video.frame import Tags, restored_frame
from clearer.inference.video.headers import chroma_place, describe, side_data_names
from clearer.inference.video.losses import Contents, contents_of, losses
from clearer.inference.video.reader import Reader, opened
from clearer.inference.video.writer import Writer, is_cover, reason

Progress = Callable[[int, int], None]
Part = tuple[str, Any]
"""See `Reader.parts`."""


@dataclass
class VideoOutcome:
    """The result of one video.

    Attributes:
        frames: that were restored and written.
        notes: what could not be kept, in one line each.
        fault: in one line, which frames could not be read; None if all were.
    """

    frames: int = 0
    notes: list[str] = field(default_factory=list)
    fault: str | None = None


def restore_video(
    source: Path,
    target: Path,
    run: Run,
    channels: int,
    options: RestoreOptions,
    progress: Progress | None = None,
    begin: Callable[[int], None] | None = None,
) -> VideoOutcome:
    """Restore the frames of a video; everything around them is kept, or a note says what is not.

    Args:
        source: the video.
        target: the output; its suffix selects the container.
        run: the network, see `clearer.inference.color.restore_pixels`.
        channels: of the network.
        options: color, strength; and quality, for encoders with a constant quality. 100 is without loss where the
            encoder can. By default a stream without loss stays without loss.
        progress: called with (frames done, estimated frames in all).
        begin: called with the bits of a sample before each frame.

    Raises:
        UserError: PyAV is not installed, the video is broken or has no frames, a frame cannot be
            restored, or the output cannot be written.
    """
    try:
        import av
    except ImportError:
        raise UserError(f"{source}: videos need PyAV; run pip install 'clearer[video]'") from None
    outcome = VideoOutcome()

    def restore(frame: Any, tags: Tags) -> Any:
        if begin is not None:
            begin(max(part.bits for part in frame.format.components))
        return restored_frame(frame, tags, run, channels, options)

    # FFmpeg takes what comes before a colon for a protocol, but not in an absolute path.
    with written_whole(target.absolute()) as temporary:
        try:
            with opened(source.absolute()) as origin:
                before = _Transcoder(origin, source.absolute(), temporary, outcome).run(
                    restore, options.quality, progress
                )
        except UserError as error:
            raise UserError(f"{source}: {str(error).removeprefix('image: ')}") from error
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{source}: not restored as a video to {target.suffix} ({reason(error)})") from error
        try:
            format = "mpegts" if Container(target.suffix).name == "mpegts" else None
            outcome.notes += losses(before, contents_of(str(temporary), format=format), target.suffix)
        except (av.FFmpegError, ValueError) as error:
            text = f"{source}: what was written as {target.suffix} cannot be read ({reason(error)})"
            raise UserError(f"{text}; name the output .mkv") from error
    return outcome


class _Transcoder:
    """One video on its way from an open file to another; the types are PyAV's.

    Args:
        origin: the source, open.
        path, target: of the source and of the output.
        outcome: gets the number of frames, notes and faults.
    """

    def __init__(self, origin: Any, path: Path, target: Path, outcome: VideoOutcome) -> None:
        self.origin, self.path, self.target, self.outcome = origin, path, target, outcome
        self.video = main_stream(origin)
        check_size(self.video.codec_context.width, self.video.codec_context.height)
        self.others = [s for s in origin.streams if s is not self.video and s.discard.name != "all"]
        self.tags = {key: getattr(self.video.codec_context, key) for key in COLOR_TAGS}
        self.converted = 0  # frames of another pixel format than the first
        self.reader = Reader(origin, self.video, self.others)

    def run(self, restore: Callable[[Any, Tags], Any], quality: int | None, progress: Progress | None) -> Contents:
        """Write the output; return what the source holds."""
        # The reading thread must end before the file is closed.
        with closing(cast(Generator[Part, None, None], one_ahead(self.reader.parts()))) as parts:
            early, first = _until_frame(parts)
            if first is None:
                raise UserError("no frame can be decoded; replace the file")
            source = self._source(first)
            writer = self._writer(source, quality)
            before = contents_of(str(self.path), count=False)
            format = first.format.name
            tags = Tags(source.place, source.tag("color_range"), source.tag("colorspace"))
            with closing(writer), one_behind(writer.put) as put:
                for kind, value in chain([("frame", first)], early, parts):
                    if kind == "packet":
                        before.count(value)
                        put((kind, value))
                        continue
                    if self._is_other_size(value, source):
                        break
                    self.converted += value.format.name != format
                    before.times.append(None if value.pts is None else float(value.pts * value.time_base))
                    put((kind, restore(value, tags)))
                    self.outcome.frames += 1
                    if progress is not None:
                        progress(self.outcome.frames, max(self.outcome.frames, self.video.frames))
                put(("end", None))
        self.outcome.fault = self.outcome.fault or self.reader.fault()
        self.outcome.notes += _notes(writer, source)
        if self.converted:
            self.outcome.notes.append(
                f"{self.converted} frames of another pixel format than the first were converted to "
                f"{writer.settings.pix_fmt}"
            )
        return before

    def _source(self, first: Any) -> Source:
        lines, index = describe(self.origin), self.video.index
        place = chroma_place(lines, index)
        lossless = lossless_source(str(self.path), self.video)
        return Source(self.video, first, place, side_data_names(lines, index), lossless, self.tags)

    def _writer(self, source: Source, quality: int | None) -> Writer:
        container = Container(self.target.suffix)
        settings = choose_settings(container, source, quality)
        return Writer(str(self.target), container, self.origin, source, settings, self.others)

    def _is_other_size(self, frame: Any, source: Source) -> bool:
        size, usual = (f"{one.width}x{one.height}" for one in (frame, source.first))
        if size == usual:
            return False
        self.outcome.fault = (
            f"{self.outcome.frames} frames of {usual} pixels were restored; from there on the video has {size} pixels, "
            "which one file cannot hold; cut it there and restore the rest by itself"
        )
        return True


def main_stream(origin: Any) -> Any:
    """Return the video stream to restore: not a cover."""
    videos = [s for s in origin.streams.video if s.codec_context is not None and not is_cover(s)]
    if not videos:
        raise UserError("holds no video stream that can be decoded")
    best = origin.streams.best("video")
    return next((s for s in videos if best is not None and s.index == best.index), videos[0])


def _until_frame(parts: Iterator[Part]) -> tuple[list[Part], Any]:
    """Return the packets before the first frame, and that frame."""
    early: list[Part] = []
    for kind, value in parts:
        if kind == "frame":
            return early, value
        early.append((kind, value))
    return early, None


def _notes(writer: Writer, source: Source) -> list[str]:
    notes = []
    more = [s for s in writer.origin.streams.video if s.index != source.stream.index and s.index in writer.copies]
    if any(not is_cover(stream) for stream in more):
        notes.append(f"only video stream {source.stream.index} is restored; the others are copied")
    if writer.moved:
        notes.append(f"{writer.moved} frames or packets were out of order in time and moved behind the one before them")
    if writer.refused:
        notes.append(f"{writer.refused} packets of other streams could not be copied")
    return notes
