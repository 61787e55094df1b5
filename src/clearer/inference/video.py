"""Restore videos through PyAV, frame by frame; each frame keeps its timing, and sound is copied unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.errors import UserError, one_line
from clearer.core.files import written_whole
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.types import ImagePage, check_size
from clearer.inference.color import Run, restore_page
from clearer.inference.options import RestoreOptions

# Codecs whose encoder has another name. Other codecs are encoded by their own name, or as H.264 if that fails.
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "vp8": "libvpx", "av1": "libsvtav1"}
_COLORS = ("color_range", "color_primaries", "color_trc", "colorspace")
_CRF = {"libx264": 51, "libx265": 51, "libvpx-vp9": 63, "libvpx": 63, "libsvtav1": 63}
"""The constant rate factor of lowest quality."""
_QUALITY = 67
"""The default: CRF 17 of 51, which is hardly distinguishable from the original."""

Progress = Callable[[int, int], None]


def restore_video(
    source: Path,
    target: Path,
    run: Run,
    channels: int,
    options: RestoreOptions,
    progress: Progress | None = None,
) -> int:
    """Restore the frames of a video; return their number. Sound and subtitles are copied, not encoded again.

    Args:
        source: the video.
        target: the output; its suffix selects the container.
        run: the network, see `restore_page`.
        channels: of the network.
        options: color, strength, span; and quality, for encoders with a constant quality.
        progress: called with (frames done, estimated frames in all).

    Raises:
        UserError: PyAV is not installed, the video is broken or has no frames, a frame cannot be
            restored, or the output cannot be written.
    """
    try:
        import av
    except ImportError:
        raise UserError(f"{source}: videos need PyAV; run pip install 'clearer[video]'") from None
    with written_whole(target) as temporary:
        try:
            with av.open(str(source)) as origin, av.open(str(temporary), "w") as container:

                def restore(frame: Any, pix_fmt: str) -> Any:
                    return _restored(frame, pix_fmt, run, channels, options)

                return _transcode(origin, container, restore, options.quality, progress)
        except UserError as error:
            raise UserError(f"{source}: {str(error).removeprefix('image: ')}") from error
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{source}: not restored as a video to {target.suffix} ({one_line(error)})") from error


def _transcode(
    origin: Any,
    container: Any,
    restore: Callable[[Any, str], Any],
    quality: int | None,
    progress: Progress | None,
) -> int:
    """Copy ``origin`` to ``container`` with restored frames; return their number. The types are PyAV's."""
    if not origin.streams.video:
        raise UserError("holds no video stream")
    video = origin.streams.video[0]
    check_size(video.codec_context.width, video.codec_context.height)
    video.thread_type = "AUTO"
    stream = _encoder(container, video, quality)
    others = (*origin.streams.audio, *origin.streams.subtitles)
    copied = {s.index: container.add_stream_from_template(s) for s in others}
    container.metadata.update(origin.metadata)
    waiting: list[Any] = []  # sound before the first frame; the header needs that frame's rotation
    done = 0

    def encode(item: Any) -> None:
        kind, value = item
        if kind == "packet":
            index = value.stream.index
            value.stream = copied[index]
            container.mux(value)
        else:
            container.mux(stream.encode(value))

    with one_behind(encode) as put:
        for kind, value in one_ahead(_parts(origin, video, copied)):
            if kind == "packet":
                if done:
                    put((kind, value))
                else:
                    waiting.append((kind, value))
                continue
            if not done and value.rotation:
                stream.set_display_rotation(value.rotation)
            put((kind, restore(value, stream.pix_fmt)))
            for item in waiting:
                put(item)
            waiting.clear()
            done += 1
            if progress is not None:
                progress(done, max(done, video.frames))
    if not done:
        raise UserError("no frame can be decoded; replace the file")
    container.mux(stream.encode(None))
    return done


def _encoder(container: Any, video: Any, quality: int | None) -> Any:
    import av

    context = video.codec_context
    name = _ENCODERS.get(context.name.removeprefix("lib"), context.name)
    name = {"libdav1d": "libsvtav1"}.get(context.name, name)
    try:
        known = av.codec.Codec(name, "w")
    except ValueError:
        name = "libx264"
        known = av.codec.Codec(name, "w")
    stream = container.add_stream(name, rate=video.average_rate or video.guessed_rate or 25)
    stream.width, stream.height = context.width, context.height
    formats = [f.name for f in known.video_formats or []]
    stream.pix_fmt = context.pix_fmt if not formats or context.pix_fmt in formats else "yuv420p"
    # The frames bring their timing, so that variable rates are preserved.
    stream.time_base = stream.codec_context.time_base = video.time_base
    if video.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = video.sample_aspect_ratio
    for key in _COLORS:
        setattr(stream.codec_context, key, getattr(context, key))
    if name in _CRF:
        level = _QUALITY if quality is None else quality
        stream.options = {"crf": str(round(_CRF[name] * (100 - level) / 100))}
        if name.startswith("libvpx"):
            stream.codec_context.bit_rate = 0
    else:  # such as MPEG-4 and Motion JPEG: a fixed quantizer step from 2 to 31
        step = 2 if quality is None else max(1, round(31 * (100 - quality) / 100))
        stream.codec_context.qmin = stream.codec_context.qmax = step
    return stream


def _parts(origin: Any, video: Any, copied: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """Yield ("frame", decoded frame) and ("packet", packet of sound or subtitles), in the order of the file."""
    wanted = [video, *(s for s in origin.streams if s.index in copied)]
    for packet in origin.demux(wanted):
        if packet.stream.index == video.index:
            for frame in packet.decode():
                yield "frame", frame
        elif packet.dts is not None:
            yield "packet", packet


def _restored(frame: Any, pix_fmt: str, run: Run, channels: int, options: RestoreOptions) -> Any:
    import av

    # The network gets frames as stored. More than 8 bits stay more than 8, and gray stays gray.
    deep = any(part.bits > 8 for part in frame.format.components)
    gray = len(frame.format.components) == 1
    name = (("rgb24", "rgb48le"), ("gray", "gray16le"))[gray][deep]
    pixels = frame.to_ndarray(format=name)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    restored = restore_page(ImagePage(pixels), run, channels, options, "16" if deep else "8").color
    array = np.ascontiguousarray(restored[:, :, 0] if gray else restored)
    made = av.VideoFrame.from_ndarray(array, format=name)
    back = made.reformat(format=pix_fmt, dst_colorspace=int(frame.colorspace) if frame.colorspace != 2 else None)
    for key in _COLORS:
        setattr(back, key, getattr(frame, key))
    back.pts, back.time_base = frame.pts, frame.time_base
    return back
