"""What a written video lacks of its source: both are read, and every fact that the source has is looked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from clearer.inference.video.encoder import codec_name, why_not
from clearer.inference.video.headers import chroma_place, describe, side_data_names
from clearer.inference.video.pixel_formats import format_losses
from clearer.inference.video.side_data import side_data_by_name
from clearer.inference.video.tags import kept_tags

_OWN_TAGS = ("handler_name", "vendor_id", "creation_time", "timecode")
"""Tags that containers write by themselves, in their own form."""
_UNSET = {"color range": 0, "primaries": 2, "transfer": 2, "matrix": 2, "field order": 0, "aspect ratio": None}
_PLAIN_DATA = ("cpb", "display matrix", "displaymatrix", "SEI_UNREGISTERED", "GOP_TIMECODE", "MOTION_VECTORS",
               "VIDEO_ENC_PARAMS", "skip samples", "replaygain")  # fmt: skip
"""Side data about the old encoding, or compared as the rotation."""

_SAME_FIELDS = ({2, 4}, {3, 5})
"""Field orders that differ in how they are stored, not in which field is shown first."""


@dataclass
class StreamFacts:
    """One stream: what it is, its tags and flags, and the number and bytes of its packets."""

    index: int
    type: str
    codec: str
    tags: dict[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    traits: dict[str, Any] = field(default_factory=dict)
    side_data: frozenset[str] = frozenset()
    packets: int = 0
    bytes: int = 0

    @property
    def name(self) -> str:
        """The stream in messages."""
        language = self.tags.get("language")
        return f"{self.type} stream {self.index} ({self.codec}{f', {language}' if language else ''})"


@dataclass
class Contents:
    """What a video file holds. ``times``: of the frames of the restored stream, in seconds; None where unknown."""

    tags: dict[str, str]
    chapters: list[tuple[float, str]]
    streams: list[StreamFacts]
    main: StreamFacts
    times: list[float | None] = field(default_factory=list)
    unit: float = 0.0

    def count(self, packet: Any) -> None:
        """Count a packet of one of the streams."""
        for stream in self.streams:
            if stream.index == packet.stream.index:
                stream.packets += 1
                stream.bytes += packet.size


def contents_of(path: str, count: bool = True, format: str | None = None) -> Contents:
    """Return what a video file holds.

    Args:
        path: of the file.
        count: read all packets, for their number and for the times of frames.
        format: FFmpeg's name of the container, which it does not recognize in very small files.
    """
    import av

    container: Any
    with av.open(path, format=format) as container:
        lines = describe(container)
        streams = [_facts(s, lines) for s in container.streams if s.discard.name != "all"]
        best = container.streams.best("video")
        if best is None:
            raise ValueError("no video stream")
        main = next(s for s in streams if s.index == best.index)
        chapters = [
            (float(c["start"] * c["time_base"]), str(c["metadata"].get("title", ""))) for c in container.chapters()
        ]
        found = Contents(_tags(container.metadata), chapters, streams, main, unit=float(best.time_base))
        if count:
            for packet in container.demux([s for s in container.streams if s.type != "attachment"]):
                if packet.size:
                    found.count(packet)
                    if packet.stream.index == main.index:
                        found.times.append(None if packet.pts is None else float(packet.pts * packet.time_base))
    _look_at_frame(path, main, format)
    return found


def _tags(metadata: dict[str, str], of_stream: bool = False) -> dict[str, str]:
    return {key.lower(): value for key, value in kept_tags(metadata, of_stream).items()}


def _facts(stream: Any, lines: list[str]) -> StreamFacts:
    context = stream.codec_context
    codec = stream.type if context is None else codec_name(stream)
    made = StreamFacts(stream.index, stream.type, str(codec or stream.name), _tags(stream.metadata, of_stream=True))
    made.flags = frozenset(flag.name for flag in type(stream.disposition) if flag in stream.disposition)
    made.side_data = frozenset(side_data_names(lines, stream.index))
    if stream.type == "video" and context is not None:
        made.traits = {
            "pixel format": context.pix_fmt, "color range": context.color_range,
            "primaries": context.color_primaries, "transfer": context.color_trc, "matrix": context.colorspace,
            "chroma place": chroma_place(lines, stream.index), "field order": context.field_order,
            "aspect ratio": stream.sample_aspect_ratio, "size": f"{context.width}x{context.height}",
        }  # fmt: skip
    elif stream.type == "audio" and context is not None:
        made.traits = {"sample rate": context.sample_rate, "layout": context.layout.name}
    elif stream.type == "attachment":
        made.traits = {"data": stream.data}
    return made


def _look_at_frame(path: str, main: StreamFacts, format: str | None) -> None:
    """Add what only the first frame tells."""
    import av

    container: Any
    with av.open(path, format=format) as container:
        try:
            frame = next(container.decode(container.streams[main.index]), None)
        except av.FFmpegError:
            return
        if frame is None:
            return
        main.side_data |= set(side_data_by_name(frame))
        main.traits["rotation"] = frame.rotation or None
        main.traits["interlaced frames"] = frame.interlaced_frame or None
        main.traits["pixel format"] = frame.format.name
        context = container.streams[main.index].codec_context
        main.traits["field order"] = context.field_order
        for name, key in (("color range", "color_range"), ("primaries", "color_primaries"),
                          ("transfer", "color_trc"), ("matrix", "colorspace")):  # fmt: skip
            if main.traits[name] == _UNSET[name]:
                main.traits[name] = getattr(frame, key)


def losses(before: Contents, after: Contents, suffix: str) -> list[str]:
    """Return a note for each kind of thing that the source has and the written file has not."""
    notes = [*_video_losses(before.main, after.main, suffix), *_time_losses(before, after, suffix)]
    pairs, lost = _paired(before, after)
    if lost:
        names = ", ".join(stream.name for stream in lost)
        notes.append(f"not kept, because {suffix} cannot hold it here: {names}")
    for one, other in pairs:
        if other.packets < one.packets and other.bytes < one.bytes:  # PCM may be cut into other packets
            notes.append(f"{one.name}: {other.packets} of {one.packets} packets were kept")
        changed = [key for key, value in one.traits.items() if value != other.traits.get(key)]
        if changed and one.type != "video":
            notes.append(f"{one.name}: {', '.join(changed)} changed")
    for one, other in [(before.main, after.main), *pairs]:
        alone = sum(stream.type == one.type for stream in before.streams) == 1
        flags = sorted(one.flags - other.flags - ({"default"} if alone else set()))
        if flags:
            notes.append(f"{one.name}: flags not kept: {', '.join(flags)}")
        missing = _missing(one.tags, other.tags)
        if missing:
            notes.append(f"{one.name}: tags not kept: {', '.join(missing)}")
    missing = _missing(before.tags, after.tags)
    if missing:
        notes.append(f"tags of the file not kept: {', '.join(missing)}")
    lost_chapters = Counter((round(t, 1), name) for t, name in before.chapters)
    lost_chapters -= Counter((round(t, 1), name) for t, name in after.chapters)
    if lost_chapters:
        notes.append(f"{lost_chapters.total()} of {len(before.chapters)} chapters not kept in {suffix}")
    return notes


def _missing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the tags that are missing or have another value."""
    return sorted(
        key for key, value in before.items()
        if key not in _OWN_TAGS and after.get(key) != value and not (key == "language" and value == "und")
    )  # fmt: skip


def _paired(before: Contents, after: Contents) -> tuple[list[tuple[StreamFacts, StreamFacts]], list[StreamFacts]]:
    """Return the copied streams of the source, each with that of the output, and those without one."""
    rest = [stream for stream in after.streams if stream is not after.main]
    pairs, lost = [], []
    for one in before.streams:
        if one is before.main:
            continue
        fits = [s for s in rest if (s.type, s.codec) == (one.type, one.codec)]
        fits.sort(key=lambda s: s.traits.get("data") != one.traits.get("data"))
        if fits:
            rest.remove(fits[0])
            pairs.append((one, fits[0]))
        else:
            lost.append(one)
    return pairs, lost


def _video_losses(before: StreamFacts, after: StreamFacts, suffix: str) -> list[str]:
    notes = []
    if before.codec != after.codec:
        why = why_not(before.codec, before.traits["size"], before.traits["pixel format"], suffix)
        notes.append(f"encoded as {after.codec}: {why}")
    old, new = before.traits.get("pixel format"), after.traits.get("pixel format")
    if old and new and format_losses(old, new):
        notes.append(f"the pixel format {old} became {new}, because {after.codec} has no nearer one")
    changed = []
    for key, value in before.traits.items():
        unset = value in (None, _UNSET.get(key), 0) or (key == "field order" and value == 1)
        if key == "pixel format" or unset or (key == "aspect ratio" and value == 1):
            continue
        if key in ("chroma place", "matrix") and not _is_yuv(new):
            continue
        other = after.traits.get(key)
        same_fields = key == "field order" and any({value, other} <= equal for equal in _SAME_FIELDS)
        if value != other and not same_fields:
            changed.append(key)
    lost = sorted(
        name for name in before.side_data - after.side_data
        if not any(name.lower().startswith(plain.lower()) for plain in _PLAIN_DATA)
    )  # fmt: skip
    known = {other.lower().replace("_", " ") for other in after.side_data}
    changed += [name for name in lost if name.lower().replace("_", " ") not in known]
    if changed:
        notes.append(f"{after.codec} in {suffix} does not keep: {', '.join(changed)}")
    return notes


def _is_yuv(name: str | None) -> bool:
    from av.video.format import VideoFormat

    format = None if name is None else VideoFormat(name)
    return format is not None and not format.is_rgb and not format.has_palette and len(format.components) > 2


def _time_losses(before: Contents, after: Contents, suffix: str) -> list[str]:
    old = sorted(time for time in before.times if time is not None)
    new = sorted(time for time in after.times if time is not None)
    if len(after.times) < len(before.times):
        return [f"{len(after.times)} of {len(before.times)} frames are in the output"]
    if len(old) != len(new) or not old:
        return []
    most = max(abs((a - old[0]) - (b - new[0])) for a, b in zip(old, new, strict=True))
    if most > max(0.0015, 1.01 * before.unit if before.unit < 0.002 else 0.0015):
        return [
            f"{after.main.codec} in {suffix} cannot keep the times of frames: they move by up to {most * 1000:.0f} ms"
        ]
    return []
