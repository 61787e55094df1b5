"""Choose the encoder of a restored video and settings that it accepts: by trying them, nearest to the source first."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from clearer.core.errors import UserError
from clearer.core.scheduling import kept_scheduling
from clearer.inference.video.containers import Container, closing_quietly
from clearer.inference.video.headers import is_lossless
from clearer.inference.video.pixel_formats import format_losses, formats_to_try
from clearer.inference.video.side_data import hdr_parameters

_ENCODERS = {
    "h264": ("libx264",), "hevc": ("libx265",), "vp9": ("libvpx-vp9",), "vp8": ("libvpx",),
    "av1": ("libsvtav1", "libaom-av1"), "prores": ("prores_ks",), "theora": ("libtheora",),
    "wmv3": ("wmv2",), "vc1": ("wmv2",), "flv1": ("flv",), "msmpeg4v2": ("msmpeg4v2", "msmpeg4v3"),
}  # fmt: skip
"""The encoders of a codec, where the name differs or another codec of the same family has one."""
_KIN = {"vp9": ("libsvtav1", "libx265"), "av1": ("libvpx-vp9", "libx265")}
"""Encoders for frames whose depth or chroma those of the same codec do not hold."""
_OTHERS = ("libx264", "libvpx-vp9", "libvpx", "mpeg4", "mpeg2video", "mjpeg")
_CRF = {"libx264": 51, "libx264rgb": 51, "libx265": 51, "libvpx-vp9": 63, "libvpx": 63, "libsvtav1": 63}
"""The constant rate factor of lowest quality."""
_QUALITY = 67
"""The default: CRF 17 of 51, which is hardly distinguishable from the original."""
_LOSSLESS = {"libx264": {"qp": "0"}, "libx264rgb": {"qp": "0"}, "libx265": {"x265-params": "lossless=1"},
             "libvpx-vp9": {"lossless": "1"}, "libsvtav1": {"svtav1-params": "lossless=1"},
             "jpeg2000": {"pred": "1"}}  # fmt: skip
_LAMBDA = 118  # FFmpeg's FF_QP2LAMBDA
_PRORES = {"apco": "proxy", "apcs": "lt", "apcn": "standard", "apch": "hq", "ap4h": "4444", "ap4x": "4444xq"}
_DNXHD_RATES = (36, 45, 60, 75, 90, 110, 115, 120, 145, 175, 180, 185, 220, 240, 290, 365, 440)  # Mb/s
COLOR_TAGS = ("color_range", "color_primaries", "color_trc", "colorspace")
_INTERLACED = "+ildct+ilme"
_HIGHEST_RATE = 1000
_LONGEST_UNIT = 65535  # MPEG-4 stores the time unit in 16 bits
_FIELDS = {2: "tt", 3: "bb", 4: "tb", 5: "bt"}
"""FFmpeg's names of the values of PyAV's ``field_order``; 0 is unknown, 1 progressive."""


@dataclass(frozen=True)
class Settings:
    """What an encoder is opened with; ``options`` are FFmpeg's."""

    encoder: str
    pix_fmt: str
    rate: Fraction
    time_base: Fraction
    bit_rate: int = 0
    options: dict[str, str] = field(default_factory=dict)
    codec_tag: str = ""


@dataclass(frozen=True)
class Source:
    """The stream to restore.

    Attributes:
        stream: PyAV's video stream.
        first: its first decoded frame.
        place: of the chroma samples, see `clearer.inference.video.headers.chroma_place`.
        side_data: names of the stream's side data.
        lossless: whether it is coded without loss.
        tags: color tags of the stream before a frame was decoded, by name.
    """

    stream: Any
    first: Any
    place: str | None
    side_data: list[str]
    lossless: bool
    tags: dict[str, int]

    @property
    def codec(self) -> str:
        """The name of the codec, not of its decoder."""
        return codec_name(self.stream)

    def tag(self, key: str) -> int:
        """Return a color tag: that of the decoder, of the first frame, or of the container."""
        unset = 0 if key == "color_range" else 2
        values = (getattr(self.stream.codec_context, key), getattr(self.first, key), self.tags[key])
        return next((int(value) for value in values if value != unset), unset)


def codec_name(stream: Any) -> str:
    """Return the codec of a stream, such as "av1" where the decoder is "libdav1d"."""
    codec = stream.codec_context.codec
    return str(getattr(codec, "canonical_name", None) or codec.name)


def lossless_source(path: str, stream: Any) -> bool:
    """Return whether a video stream is coded without loss."""
    if is_always_lossless(stream.codec_context.codec) or is_lossless_jpeg(stream):
        return True
    return is_lossless(path, stream.index, codec_name(stream))


def is_lossless_jpeg(stream: Any) -> bool:
    """Return whether a stream of which a frame was decoded is lossless JPEG, which FFmpeg reads as Motion JPEG."""
    return codec_name(stream) == "mjpeg" and "lossless" in str(stream.codec_context.profile).lower()


def is_always_lossless(codec: Any) -> bool:
    """Return whether PyAV's ``codec`` loses nothing, whatever its settings."""
    from av.codec.codec import Properties

    return bool(codec.properties & Properties.LOSSLESS.value) and not codec.properties & Properties.LOSSY.value


def choose_settings(container: Container, source: Source, quality: int | None) -> Settings:
    """Return settings with which an encoder opens: of the source's codec if there is one for the container.

    Raises:
        UserError: no encoder opens; or no frame of this size fits the codec.
    """
    os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 prints its settings otherwise
    names = list(_encoder_names(container, source))
    own = [name for name in names if name in _own_encoders(source)]
    if own:  # the codec changes where its encoders hold less of the frames than a related one
        kin = [*(["ffv1"] if source.lossless else []), *_KIN.get(source.codec, ())]
        own += [name for name in kin if name not in own and _exists(name) and container.takes(name)]
    for name, keeps_all in [*((name, True) for name in own), *((name, False) for name in names)]:
        for settings in _attempts(name, container, source, quality):
            if keeps_all and format_losses(source.first.format.name, settings.pix_fmt):
                continue
            if _opens(settings, container, source):
                return settings
    frame = source.first
    raise UserError(
        f"no encoder for {container.suffix} takes its {source.codec} frames of {frame.width}x{frame.height} "
        f"{frame.format.name} (tried {', '.join(names) or 'none'}); name the output .mkv"
    )


def apply_settings(stream: Any, settings: Settings, source: Source, global_header: bool) -> None:
    """Set up PyAV's output ``stream``, or an encoder's context, before it is opened."""
    context = getattr(stream, "codec_context", stream)
    frame, origin = source.first, source.stream.codec_context
    context.width, context.height, context.pix_fmt = frame.width, frame.height, settings.pix_fmt
    context.framerate, context.time_base = settings.rate, settings.time_base
    context.bit_rate = settings.bit_rate
    if settings.codec_tag:
        context.codec_tag = settings.codec_tag
    if origin.sample_aspect_ratio or source.stream.sample_aspect_ratio:
        context.sample_aspect_ratio = source.stream.sample_aspect_ratio or origin.sample_aspect_ratio
    for key in COLOR_TAGS:
        setattr(context, key, source.tag(key))
    if global_header:
        from av.codec.context import Flags

        context.flags |= Flags.global_header
    context.options = dict(settings.options)
    if stream is not context:
        stream.time_base = settings.time_base


def _own_encoders(source: Source) -> list[str]:
    """Return the encoders of the source's codec."""
    if is_lossless_jpeg(source.stream):
        return ["ljpeg"]
    own = list(_ENCODERS.get(source.codec, (source.codec,)))
    return ["libx264rgb", "libx264"] if own == ["libx264"] and source.first.format.is_rgb else own


def _encoder_names(container: Container, source: Source) -> Iterator[str]:
    """Yield the encoders that the container holds: of the source's codec, then others."""
    own = _own_encoders(source)
    if source.codec == "ffv1" or not source.lossless:
        rest = [*_OTHERS, container.default_codec]
    else:
        rest = ["ffv1", *_OTHERS, container.default_codec]
    seen: set[str] = set()
    for name in [*own, *rest]:
        if name not in seen and _exists(name) and container.takes(name):
            seen.add(name)
            yield name


def _exists(encoder: str) -> bool:
    import av

    try:
        av.codec.Codec(encoder, "w")
    except ValueError:
        return False
    return True


def why_not(codec: str, size: str, pix_fmt: str, suffix: str) -> str:
    """Return in plain words why a video is not encoded with a codec, and what to ask for."""
    import av

    encoders = [name for name in _ENCODERS.get(codec, (codec,)) if _exists(name)]
    if not encoders:
        return f"FFmpeg has no encoder of {codec} here"
    holders = [other for other in (".mkv", ".mp4", ".mov", ".avi", ".nut") if Container(other).takes(encoders[0])]
    offered = [one.name for name in encoders for one in av.codec.Codec(name, "w").video_formats or []]
    if suffix in holders or (offered and all(format_losses(pix_fmt, name) for name in offered)):
        return f"the encoder of {codec} does not take such frames ({size} {pix_fmt})"
    keep = f"; to keep it, name the output {holders[0]}" if holders else ""
    return f"{codec} cannot be written to {suffix}{keep}"


def _attempts(name: str, container: Container, source: Source, quality: int | None) -> Iterator[Settings]:
    import av

    known = av.codec.Codec(name, "w")
    options = _options(name, source, quality)
    # Without the name that Apple asks for, its players refuse HEVC.
    apple = name == "libx265" and container.is_mov and source.stream.codec_context.codec_tag != "hev1"
    tag = "hvc1" if apple else ""
    for pix_fmt in formats_to_try(known, source.first):
        for rate, time_base in _timings(known, container, source.stream):
            for bit_rate, more in _rates(name, source, pix_fmt):
                if name.startswith("libvpx") and "a" in pix_fmt.removeprefix("yuv"):
                    more = {**more, "auto-alt-ref": "0"}  # libvpx has no alternate frames with alpha
                for strict in ({}, {"strict": "unofficial"}, {"strict": "experimental"}):
                    yield Settings(name, pix_fmt, rate, time_base, bit_rate, {**options, **more, **strict}, tag)


def _timings(known: Any, container: Container, video: Any) -> list[tuple[Fraction, Fraction]]:
    """Return frame rates with time units to try: frames bring their timing, so the source's unit keeps it."""
    average = Fraction(video.average_rate or video.guessed_rate or 25)
    usual = Fraction(video.guessed_rate or average)
    if average > _HIGHEST_RATE:  # the unit of time, which FFmpeg states as the rate of DV
        average = usual
    allowed = [Fraction(rate.numerator, rate.denominator) for rate in known.frame_rates or []]
    if allowed:
        rate = min(allowed, key=lambda one: abs(one - usual))
        return [(rate, 1 / rate)]
    exact = [(average, Fraction(video.time_base))]
    if video.time_base.denominator > _LONGEST_UNIT and average != usual:
        exact.append((average, Fraction(1, 60000)))
    steady = [(usual, 1 / usual)]
    return steady + exact if container.steady else exact + steady


def _rates(name: str, source: Source, pix_fmt: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield bit rates and profiles to try, for encoders that need them."""
    context = source.stream.codec_context
    if name == "dnxhd":
        profile = (context.profile or "").lower().replace(" ", "_")
        if profile.startswith("dnxhr"):
            yield 0, {"profile": profile}
        else:
            near = (context.bit_rate or 0) / 1e6
            for rate in sorted(_DNXHD_RATES, key=lambda rate: abs(rate - near)):
                yield int(rate * 1e6), {"profile": "dnxhd"}
        for profile in ("dnxhr_hq", "dnxhr_hqx", "dnxhr_444"):
            yield 0, {"profile": profile}
    elif name == "prores_ks":
        profile = _PRORES.get(context.codec_tag, "4444" if "444" in pix_fmt else "hq")
        yield 0, {"profile": profile}
        yield 0, {"profile": "4444" if "444" in pix_fmt else "hq"}
    elif name == "ffv1":
        yield 0, {}
        yield 0, {"slices": "1"}  # of a few pixels there are no more
    else:
        yield 0, {}


def _options(name: str, source: Source, quality: int | None) -> dict[str, str]:
    """Return FFmpeg's options for the quality, the chroma place, the fields and HDR."""
    options: dict[str, str] = {}
    parameters: list[str] = ["log-level=error"] if name == "libx265" else []
    lossless = quality == 100 or (quality is None and source.lossless)
    if name in _LOSSLESS and lossless:
        for key, value in _LOSSLESS[name].items():
            if key.endswith("params"):
                parameters.append(value)
            else:
                options[key] = value
    elif name in _CRF:
        level = _QUALITY if quality is None else quality
        options["crf"] = str(round(_CRF[name] * (100 - level) / 100))
    parameters += hdr_parameters(name, source.first)
    order = _FIELDS.get(source.stream.codec_context.field_order)
    if name == "libx264" and source.first.interlaced_frame and order is not None:
        parameters.append("tff=1" if order.endswith("t") else "bff=1")  # which one is shown first
    if parameters:
        options[{"libx264": "x264-params", "libx265": "x265-params"}.get(name, "svtav1-params")] = ":".join(parameters)
    if source.place is not None:
        options["chroma_sample_location"] = source.place
    flags = _INTERLACED if source.first.interlaced_frame else ""
    if order is not None:
        options["field_order"] = order
    without_loss = name in _LOSSLESS and lossless
    if not without_loss and name not in _CRF and _has_quantizer(name):  # a fixed step from 1 to 31
        step = 2 if quality is None else max(1, round(31 * (100 - quality) / 100))
        flags += "+qscale"
        options |= {"global_quality": str(_LAMBDA * step), "qmin": str(min(2, step))}
    if flags:
        options["flags"] = flags
    return options


def _has_quantizer(name: str) -> bool:
    import av

    always_lossless = is_always_lossless(av.codec.Codec(name, "w"))
    return not always_lossless and name not in ("prores_ks", "dnxhd", "dvvideo", "gif", "cfhd", "vc2", "rawvideo")


def open_encoder(stream: Any) -> None:
    """Open the encoder of a stream; the scheduling of this process stays as it is."""
    with kept_scheduling():
        stream.codec_context.open()


def _opens(settings: Settings, container: Container, source: Source) -> bool:
    """Return whether the encoder opens with these settings and the container takes what it makes."""
    import av

    try:
        with closing_quietly(container.open(io.BytesIO())) as probe:
            stream = probe.add_stream(settings.encoder, rate=settings.rate)
            apply_settings(stream, settings, source, container.global_header)
            open_encoder(stream)
            probe.start_encoding()
    except (av.FFmpegError, ValueError, OverflowError):
        return False
    return True
