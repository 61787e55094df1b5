"""Codecs and containers of restored videos: with strength 0 the output is that of a plain re-encode."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.core.scheduling import kept_scheduling
from clearer.inference.files import Outcome, restore_path
from clearer.inference.folder_files import VIDEO_SUFFIXES
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in
from helpers.videos import read_planes, same_planes, write_video

av = pytest.importorskip("av")

from clearer.inference.video import restore as restore_module  # noqa: E402
from clearer.inference.video.containers import Container  # noqa: E402
from clearer.inference.video.encoder import COLOR_TAGS, Settings  # noqa: E402
from clearer.inference.video.frame import plain_format  # noqa: E402
from clearer.inference.video.samples import components_of  # noqa: E402

DNXHR = {"yuv422p": "dnxhr_hq", "yuv422p10le": "dnxhr_hqx", "yuv444p10le": "dnxhr_444"}
CASES = [
    (".mkv", "mpeg1video", "yuv420p"), (".mkv", "mpeg2video", "yuv420p"), (".ts", "mpeg1video", "yuv420p"),
    (".ts", "mpeg2video", "yuv422p"), (".mpg", "mpeg1video", "yuv420p"), (".mpg", "mpeg2video", "yuv420p"),
    (".mpeg", "mpeg2video", "yuv420p"), (".vob", "mpeg2video", "yuv420p"), (".m2v", "mpeg2video", "yuv420p"),
    (".ts", "mpeg4", "yuv420p"), (".mp4", "mpeg4", "yuv420p"), (".avi", "mpeg4", "yuv420p"),
    (".mkv", "mpeg4", "yuv420p"),
    (".divx", "mpeg4", "yuv420p"), (".mts", "libx264", "yuv420p"), (".m2ts", "libx264", "yuv420p"),
    (".m2t", "libx264", "yuv420p"), (".ts", "libx265", "yuv420p10le"), (".mkv", "libx264", "yuv420p"),
    (".mov", "libx265", "yuv420p"), (".mp4", "libsvtav1", "yuv420p"), (".m4v", "libx264", "yuv420p"),
    (".qt", "libx264", "yuv420p"), (".f4v", "libx264", "yuv420p"), (".nut", "libx264", "yuv422p10le"),
    (".wmv", "wmv2", "yuv420p"), (".wmv", "wmv1", "yuv420p"), (".asf", "msmpeg4", "yuv420p"),
    (".avi", "msmpeg4v2", "yuv420p"), (".flv", "flv", "yuv420p"), (".flv", "libx264", "yuv420p"),
    (".3gp", "libx264", "yuv420p"), (".3gp", "h263", "yuv420p"), (".3g2", "mpeg4", "yuv420p"),
    (".mxf", "mpeg2video", "yuv422p"), (".mxf", "libx264", "yuv420p"), (".mxf", "prores_ks", "yuv422p10le"),
    (".mxf", "dnxhd", "yuv422p"), (".ogv", "libvpx", "yuv420p"), (".webm", "libvpx", "yuv420p"),
    (".mov", "prores_ks", "yuv422p10le"), (".mov", "prores_ks", "yuv444p10le"), (".mov", "prores_ks", "yuva444p10le"),
    (".mov", "mjpeg", "yuvj420p"), (".avi", "mjpeg", "yuvj422p"), (".mkv", "mjpeg", "yuvj444p"),
    (".mov", "dnxhd", "yuv422p"), (".mov", "dnxhd", "yuv422p10le"), (".mov", "dnxhd", "yuv444p10le"),
    (".avi", "huffyuv", "rgb24"), (".mov", "cfhd", "yuv422p10le"), (".avi", "cinepak", "rgb24"),
    (".mov", "svq1", "yuv410p"), (".mov", "jpeg2000", "yuv422p"), (".avi", "asv1", "yuv420p"),
    (".mkv", "snow", "yuv420p"),
]  # fmt: skip
SIZES = {"dnxhd": (256, 120), "h263": (176, 144), "libsvtav1": (64, 64), "cfhd": (96, 64), "svq1": (64, 48),
         "snow": (64, 48)}  # fmt: skip


def write(path: Path, codec: str, pix_fmt: str, **others: Any) -> Path:
    options = {"dnxhd": {"profile": DNXHR.get(pix_fmt, "")}, "snow": {"strict": "experimental"}}.get(codec, {})
    if codec == "prores_ks":
        options = {"profile": "4444" if "444" in pix_fmt else "hq"}
    time_base = Fraction(1, 25) if codec.startswith("mpeg") else None
    format = {".divx": "avi", ".qt": "mov", ".vob": "vob"}.get(path.suffix)
    size = SIZES.get(codec, (32, 24))
    small = path.suffix in (".ts", ".mts", ".m2ts", ".m2t")  # FFmpeg does not recognize very small ones
    others |= {"smooth": not small, "count": 12 if small else 3}
    return write_video(path, codec, pix_fmt, options, size=size, time_base=time_base, format=format, **others)


def restored(source: Path, target: Path, **options: Any) -> Outcome:
    return restore_path(stand_in(3), source, target, RestoreOptions(strength=0, check=False, **options))


def plainly_encoded(source: Path, settings: Settings, target: Path) -> list[list[Any]]:
    """Decode and encode without anything between, with the same settings; return the frames decoded again."""
    with av.open(str(source)) as origin, Container(target.suffix).open(str(target)) as container:
        video = origin.streams.video[0]
        stream = None
        for frame in origin.decode(video):
            if stream is None:
                stream = container.add_stream(settings.encoder, rate=settings.rate)
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, settings.pix_fmt
                stream.time_base = stream.codec_context.time_base = settings.time_base
                stream.codec_context.bit_rate, stream.codec_context.options = settings.bit_rate, dict(settings.options)
                for key in COLOR_TAGS:
                    setattr(stream.codec_context, key, getattr(video.codec_context, key))
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode(None))
    return read_planes(target)


def stream_codec(encoder: str) -> str:
    return str(av.codec.Codec(encoder, "w").canonical_name)


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt"), CASES)
def test_strength_zero_equals_a_plain_re_encode(
    tmp_path: Path, suffix: str, codec: str, pix_fmt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Settings] = []
    choose = restore_module.choose_settings

    def choose_one_thread(*arguments: Any) -> Settings:
        found = choose(*arguments)
        if found.encoder == "libx264":  # what its threads know of each other's frames depends on when they run
            found = dataclasses.replace(found, options={**found.options, "threads": "1"})
        chosen.append(found)
        return found

    monkeypatch.setattr(restore_module, "choose_settings", choose_one_thread)
    source, target = write(tmp_path / f"x{suffix}", codec, pix_fmt), tmp_path / f"y{suffix}"
    outcome = restored(source, target)
    assert not outcome.failed and not outcome.notes and outcome.written == [target]
    with av.open(str(source)) as one, av.open(str(target)) as other:
        first, second = one.streams.video[0], other.streams.video[0]
        assert stream_codec_of(first) == stream_codec_of(second) == stream_codec(chosen[0].encoder)
        assert first.codec_context.pix_fmt == second.codec_context.pix_fmt
        assert first.average_rate == second.average_rate
    after = read_planes(target)
    assert len(after) == len(read_planes(source))
    with kept_scheduling():
        plain = plainly_encoded(source, chosen[0], tmp_path / f"z{suffix}")
    # Encoders whose threads or seeds change some samples from run to run; so does, on a busy machine now and then,
    # libx264 into .mts and .m2ts, for a reason that is not known.
    if codec in ("libsvtav1", "cinepak") or suffix in (".mts", ".m2ts"):
        assert np.mean([np.abs(a[0] - b[0]).mean() for a, b in zip(plain, after, strict=True)]) < 1
    else:
        assert same_planes(plain, after)


def stream_codec_of(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name)


@pytest.mark.parametrize(("target", "codec"), [
    ("y.webm", "vp9"), ("y.ogv", "vp8"), ("y.mkv", "h264"), ("y.avi", "h264"), ("y.mov", "h264"),
    ("y.mxf", "h264"), ("y.flv", "h264"), ("y.3gp", "h264"), ("y.nut", "h264"), ("y.m2v", "mpeg2video"),
])  # fmt: skip
def test_another_container_gets_a_codec_that_it_holds_and_a_note(tmp_path: Path, target: str, codec: str) -> None:
    source = write(tmp_path / "x.mp4", "libx264", "yuv420p")
    notes = restored(source, tmp_path / target).notes
    with av.open(str(tmp_path / target)) as container:
        assert stream_codec_of(container.streams.video[0]) == codec
    assert len(read_planes(tmp_path / target)) == 3
    assert any(f"encoded as {codec}" in note for note in notes) == (codec != "h264")


def test_every_suffix_of_a_video_writes_or_says_what_to_ask_for(tmp_path: Path) -> None:
    source = write(tmp_path / "x.mkv", "libx264", "yuv420p")
    refused = {}
    for suffix in VIDEO_SUFFIXES:
        try:
            restored(source, tmp_path / f"y{suffix}")
        except UserError as error:
            refused[suffix] = str(error)
    assert all(text.endswith("name the output .mkv") and ".tmp" not in text for text in refused.values()), refused
    assert set(refused) <= {".dv", ".gxf", ".rm"}  # fixed frame sizes


@pytest.mark.parametrize("suffix", [".y4m", ".h264", ".hevc", ".ivf", ".mjpeg", ".m1v"])
def test_streams_without_a_container_are_read_and_written(tmp_path: Path, suffix: str) -> None:
    codec, pix_fmt = {
        ".y4m": ("wrapped_avframe", "yuv420p"), ".h264": ("libx264", "yuv420p"), ".hevc": ("libx265", "yuv420p"),
        ".ivf": ("libvpx-vp9", "yuv420p"), ".mjpeg": ("mjpeg", "yuvj420p"), ".m1v": ("mpeg1video", "yuv420p"),
    }[suffix]  # fmt: skip
    source = write(tmp_path / f"x{suffix}", codec, pix_fmt)
    assert not restored(source, tmp_path / f"y{suffix}").failed
    before, after = read_planes(source), read_planes(tmp_path / f"y{suffix}")
    assert len(before) == len(after)
    assert max(np.abs(a[0] - b[0]).mean() for a, b in zip(before, after, strict=True)) < (
        1e-9 if suffix == ".y4m" else 4
    )


def test_a_source_of_unknown_suffix_is_a_video_where_the_output_is_one(tmp_path: Path) -> None:
    source = write(tmp_path / "x.mkv", "libx264", "yuv420p").rename(tmp_path / "clip.recording")
    assert restored(source, tmp_path / "y.mp4").written == [tmp_path / "y.mp4"]
    (tmp_path / "text.recording").write_text("no video")
    with pytest.raises(UserError, match=r"text\.recording: not restored as a video to \.mp4"):
        restored(tmp_path / "text.recording", tmp_path / "z.mp4")
    (tmp_path / "image.png").write_text("no video")
    with pytest.raises(UserError, match=r"z\.mp4: cannot be written as '\.mp4'"):
        restored(tmp_path / "image.png", tmp_path / "z.mp4")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".nut"])
def test_uneven_times_are_kept(tmp_path: Path, suffix: str) -> None:
    times = [0, 40, 80, 200, 240, 400]
    source = uneven(tmp_path / f"x{suffix}", times)
    assert not restored(source, tmp_path / f"y{suffix}").notes
    with av.open(str(tmp_path / f"y{suffix}")) as container:
        found = [float(frame.time) for frame in container.decode(video=0)]
    assert np.allclose(np.array(found) - found[0], np.array(times) / 1000, atol=0.001)


def uneven(path: Path, times: list[int], codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 32, 24
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for k, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), 40 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_times_that_a_codec_cannot_hold_are_said(tmp_path: Path) -> None:
    source = uneven(tmp_path / "x.mkv", [0, 13, 80, 101, 240, 400])
    notes = restored(source, tmp_path / "y.m2v").notes
    assert any("mpeg2video in .m2v cannot keep the times of frames" in note for note in notes)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
def test_quality_100_loses_nothing(tmp_path: Path, codec: str) -> None:
    source = write_video(tmp_path / "x.mkv", codec, "yuv420p", {"crf": "30"})
    restored(source, tmp_path / "y.mkv", quality=100)
    restored(source, tmp_path / "z.mkv")
    assert same_planes(read_planes(source), read_planes(tmp_path / "y.mkv"))
    assert not same_planes(read_planes(source), read_planes(tmp_path / "z.mkv"))


def test_a_frame_that_no_encoder_takes_is_refused_in_one_sentence(tmp_path: Path) -> None:
    source = write_video(tmp_path / "x.mkv", "ffv1", "yuv420p")
    with pytest.raises(UserError, match=r"x\.mkv: no encoder for \.dv takes its ffv1 frames of 32x24 yuv420p \(tried "):
        restored(source, tmp_path / "y.dv")


@pytest.mark.parametrize("pix_fmt", ["pal8", "monob", "rgb555be"])
def test_palettes_and_packed_bits_keep_their_colors(tmp_path: Path, pix_fmt: str) -> None:
    source = tmp_path / "x.mov"
    codec = "qtrle" if pix_fmt == "rgb555be" else "png"
    with av.open(str(source), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, pix_fmt
        frame = av.VideoFrame(32, 24, pix_fmt)
        plane = frame.planes[0]
        plane.update(np.random.default_rng(0).integers(0, 128, plane.buffer_size, np.uint8).tobytes())
        if pix_fmt == "pal8":
            frame.planes[1].update((np.arange(256, dtype=np.uint32) * 0x010305 | 0xFF000000).tobytes())
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    restored(source, tmp_path / "y.mov")
    seen = []
    for path in (source, tmp_path / "y.mov"):
        with av.open(str(path)) as container:
            seen.append(next(container.decode(video=0)).to_ndarray(format="rgb24"))
    assert np.array_equal(*seen)


def test_every_pixel_format_has_one_in_which_it_is_restored() -> None:
    from av.video.format import VideoFormat, names

    for name in sorted(names):
        format = VideoFormat(name, 16, 16)
        try:
            av.VideoFrame(16, 16, name)
        except (av.FFmpegError, ValueError):
            continue  # frames of a device
        plain = plain_format(format)
        assert components_of(av.VideoFrame(16, 16, plain)) is not None, name


def test_a_container_in_memory_is_that_of_the_suffix() -> None:
    for suffix, name in ((".MKV", "matroska"), (".vob", "vob"), (".m2ts", "mpegts"), (".qt", "mov"), (".divx", "avi")):
        container = Container(suffix)
        assert container.name == name
        with container.open(io.BytesIO()) as probe:
            assert probe.format.name == name
