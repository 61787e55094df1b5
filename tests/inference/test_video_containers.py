"""What containers do to a video: times without a zero, tags in other places, tracks that they make by themselves."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in
from helpers.videos import random_frame, read_planes, same_planes, write_video

av = pytest.importorskip("av")

from av.stream import Disposition  # noqa: E402

from clearer.inference.video.containers import has_index_first  # noqa: E402
from clearer.inference.video.encoder import why_not  # noqa: E402
from clearer.inference.video.matroska import write_pixel_shapes  # noqa: E402
from clearer.inference.video.pixel_formats import format_losses  # noqa: E402
from clearer.inference.video.side_data import side_data_by_name  # noqa: E402


def notes_of(source: Path, target: Path) -> list[str]:
    """Restore with strength 0; return notes and faults."""
    outcome = restore_path(stand_in(3, gain=0.7, shift=0.1), source, target, RestoreOptions(strength=0, check=False))
    found = [*outcome.notes, *(fault.error for fault in outcome.failed)]
    return [text.removeprefix(f"{source}: ") for text in found]


def packet_times(path: Path, kind: str = "video") -> list[float]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return sorted(float(p.pts * p.time_base) for p in container.demux(stream) if p.size)


def test_frames_between_others_in_avi_are_not_out_of_order(tmp_path: Path) -> None:
    source, target = tmp_path / "x.avi", tmp_path / "y.avi"
    write_video(source, "libx264", "yuv420p", {"bf": "3", "b_strategy": "0"}, count=12, smooth=True)
    assert notes_of(source, target) == []
    assert packet_times(source) == packet_times(target)
    levels = []
    for path in (source, target):
        with av.open(str(path)) as container:
            levels.append([float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)])
    assert np.ptp(levels[0]) > 5 and np.allclose(*levels, atol=1)  # the frames come in the same order


@pytest.mark.parametrize(("suffix", "codec"), [
    (".mkv", "libx264"), (".mp4", "libx264"), (".ts", "mpeg2video"), (".flv", "flv"), (".nut", "ffv1"),
    (".mpg", "mpeg1video"), (".webm", "libvpx-vp9"), (".wmv", "wmv2"),
])  # fmt: skip
def test_a_late_start_is_kept_and_no_frame_is_missed(tmp_path: Path, suffix: str, codec: str) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    with av.open(str(source), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = container.add_stream("mp2", rate=48000) if suffix in (".mkv", ".mp4", ".ts", ".mpg") else None
        for k in range(5):
            frame = random_frame(64, 48, "yuv420p", k, smooth=True)
            frame.pts, frame.time_base = 125 + k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            for k in range(9):
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), format="s16", layout="stereo")
                sound.sample_rate, sound.pts, sound.time_base = 48000, 239_712 + 1152 * k, Fraction(1, 48000)
                container.mux(voice.encode(sound))
            container.mux(voice.encode(None))
    assert notes_of(source, target) == []
    for kind in ("video", "audio") if voice is not None else ("video",):
        assert np.allclose(packet_times(source, kind), packet_times(target, kind), atol=0.0011), kind


def test_sound_without_compression_may_be_cut_into_other_packets(tmp_path: Path) -> None:
    kept: list[Any] = []

    def set_up(container: Any, _: Any) -> None:
        kept.append(container.add_stream("pcm_s16le", rate=8000))
        kept[0].layout = "mono"

    def more(container: Any) -> None:
        for k in range(40):
            sound = av.AudioFrame.from_ndarray(np.full((1, 100), k, np.int16), format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 8000, 100 * k, Fraction(1, 8000)
            container.mux(kept[0].encode(sound))

    source, target = tmp_path / "x.mov", tmp_path / "y.mov"
    write_video(source, "png", "rgb24", set_up=set_up, more=more, count=12)
    assert notes_of(source, target) == []
    heard = []
    for path in (source, target):
        with av.open(str(path)) as container:
            heard.append(b"".join(bytes(p) for p in container.demux(audio=0)))
    assert heard[0] == heard[1] and len(heard[0]) == 8000


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "png"), (".mp4", "libx264"), (".mxf", "mpeg2video")])
def test_the_time_code_is_kept(tmp_path: Path, suffix: str, codec: str) -> None:
    def set_up(container: Any, stream: Any) -> None:
        (container if suffix == ".mxf" else stream).metadata["timecode"] = "01:02:03:04"

    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    write_video(source, codec, "rgb24" if codec == "png" else "yuv420p", set_up=set_up, size=(64, 64))
    assert notes_of(source, target) == []
    for path in (source, target):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.metadata | container.metadata)["timecode"] == "01:02:03:04"


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
@pytest.mark.parametrize("tags", [
    {"com.apple.quicktime.model": "a phone", "own": "value", "title": "öäü"}, {"title": "T", "artist": "A"},
])  # fmt: skip
def test_tags_without_a_place_of_their_own_are_kept(tmp_path: Path, suffix: str, tags: dict[str, str]) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    with av.open(str(source), "w", container_options={"movflags": "use_metadata_tags"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 32, 24
        stream.metadata["title"] = "a track"
        container.metadata.update(tags)
        container.mux([*stream.encode(random_frame(32, 24, "yuv420p")), *stream.encode(None)])
    assert notes_of(source, target) == []
    with av.open(str(target)) as container:
        assert {key: container.metadata.get(key) for key in tags} == tags


def test_side_data_of_a_type_unknown_to_pyav_do_not_hide_the_others() -> None:
    encoder = av.CodecContext.create("tiff", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 24, "rgb24", Fraction(1, 25)
    frame = random_frame(32, 24, "rgb24")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoder = av.CodecContext.create("tiff", "r")
    (decoded,) = [f for p in packets for f in decoder.decode(p)] or decoder.decode(None)
    assert all(isinstance(name, str) and data for name, data in side_data_by_name(decoded).items())
    from av.sidedata.sidedata import Type

    assert Type(31).name == "EXIF" and Type(99).name == "UNKNOWN_99" and Type["DISPLAYMATRIX"].name == "DISPLAYMATRIX"


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "ffv1"), (".webm", "libvpx-vp9"), (".mkv", "libx264")])
@pytest.mark.parametrize("shape", [Fraction(16, 11), Fraction(3, 2), Fraction(1, 2)])
def test_matroska_states_the_shape_of_pixels_in_its_own_header(
    tmp_path: Path, suffix: str, codec: str, shape: Fraction
) -> None:
    source, plain = tmp_path / f"x{suffix}", tmp_path / "plain"
    write_video(source, codec, "yuv420p", count=2)
    plain.write_bytes(source.read_bytes())
    assert write_pixel_shapes(str(source), {0: shape})
    assert source.stat().st_size == plain.stat().st_size
    assert notes_of(source, tmp_path / f"y{suffix}") == []
    for path in (source, tmp_path / f"y{suffix}"):
        with av.open(str(path)) as container:
            assert container.streams.video[0].sample_aspect_ratio == shape
            assert len(list(container.decode(video=0))) == 2
    assert same_planes(read_planes(plain), read_planes(source))


def test_files_of_another_build_are_left_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "x.mkv", "ffv1", count=1)
    data = path.read_bytes()
    for wrong in (data[:60], data.replace(b"\x16\x54\xae\x6b", b"\x16\x54\xae\x6a"), b"", data[::-1]):
        path.write_bytes(wrong)
        assert not write_pixel_shapes(str(path), {0: Fraction(2)})
        assert path.read_bytes() == wrong


def test_the_phase_of_a_late_start_is_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "x.mkv", tmp_path / "y.mpg"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.time_base = 32, 24, Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        voice = container.add_stream("mp2", rate=48000)
        for k in range(6):
            frame = random_frame(32, 24, "yuv420p", k)
            frame.pts, frame.time_base = 17 + 40 * k, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), format="s16", layout="stereo")
        sound.sample_rate, sound.pts = 48000, 0
        container.mux([*voice.encode(sound), *voice.encode(None)])
    notes_of(source, target)
    between = [packet_times(path)[0] - packet_times(path, "audio")[0] for path in (source, target)]
    assert between[0] > 0.015 and abs(between[0] - between[1]) < 0.001


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix", "words"), [
    ("libx264", "yuv420p", ".webm", "h264 cannot be written to .webm; to keep it, name the output .mkv"),
    ("ffvhuff", "yuv420p", ".mkv", "ffvhuff cannot be written to .mkv; to keep it, name the output .avi"),
])  # fmt: skip
def test_another_codec_is_explained_in_plain_words(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str, words: str
) -> None:
    source = write_video(tmp_path / ("x.avi" if codec == "ffvhuff" else "x.mp4"), codec, pix_fmt)
    codec = "vp9" if suffix == ".webm" else "ffv1"
    assert f"encoded as {codec}: {words}" in notes_of(source, tmp_path / f"y{suffix}")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 31)])
@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), [
    ("ffv1", "yuv420p", ".mkv"), ("ffv1", "yuv422p10le", ".mkv"), ("png", "rgb48be", ".mov"),
    ("rawvideo", "nv12", ".nut"),
])  # fmt: skip
def test_odd_sizes_keep_every_sample(
    tmp_path: Path, size: tuple[int, int], codec: str, pix_fmt: str, suffix: str
) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    write_video(source, codec, pix_fmt, {"slices": "1"} if codec == "ffv1" else None, size=size, count=2)
    assert notes_of(source, target) == []
    assert same_planes(read_planes(source), read_planes(target))


@pytest.mark.parametrize("first", ["tt", "bb"])
def test_the_field_order_of_h264_holds_from_the_first_frame(tmp_path: Path, first: str) -> None:
    source, target = tmp_path / "x.mp4", tmp_path / "y.mp4"
    options = {"flags": "+ildct+ilme", "field_order": first, "x264-params": f"{first[0]}ff=1"}
    write_video(source, "libx264", "yuv420p", options, size=(64, 64), count=4)
    assert notes_of(source, target) == []
    orders = []
    for path in (source, target):
        with av.open(str(path)) as container:
            orders.append(container.streams.video[0].codec_context.field_order)
    assert orders[0] == orders[1] == {"tt": 2, "bb": 3}[first]


def test_what_a_pixel_format_and_a_codec_lose_is_named() -> None:
    assert format_losses("gray10le", "yuv420p10le") == [] and format_losses("yuv420p10le", "yuv420p") == ["depth"]
    words = "the encoder of vp9 does not take such frames (64x48 yuv420p10le)"
    assert why_not("vp9", "64x48", "yuv420p10le", ".webm") == words
    assert why_not("h264", "17x31", "yuv420p", ".mp4") == (
        "the encoder of h264 does not take such frames (17x31 yuv420p)"
    )
    assert why_not("h264", "16x16", "yuv420p", ".ogv") == (
        "h264 cannot be written to .ogv; to keep it, name the output .mkv"
    )
    assert why_not("indeo5", "16x16", "yuv410p", ".avi") == "FFmpeg has no encoder of indeo5 here"


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix", "options"), [
    ("ljpeg", "yuvj420p", ".avi", {}), ("ljpeg", "bgr24", ".avi", {}),
    ("jpeg2000", "yuv422p10le", ".mov", {"pred": "1"}),
    ("jpeg2000", "rgb24", ".mov", {"pred": "1"}),
])  # fmt: skip
def test_lossless_kinds_of_jpeg_stay_lossless(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str, options: dict[str, str]
) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    write_video(source, codec, pix_fmt, options, count=2)
    assert notes_of(source, target) == []
    assert same_planes(read_planes(source), read_planes(target))


@pytest.mark.parametrize("damage", ["zeros", "noise"])
def test_frames_of_a_damaged_part_in_the_middle_are_missed(tmp_path: Path, damage: str) -> None:
    source, target = tmp_path / "x.mkv", tmp_path / "y.mkv"
    with av.open(str(source), "w", container_options={"cluster_time_limit": "200"}) as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = 64, 48
        for k in range(50):
            frame = random_frame(64, 48, "yuv420p", k)
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000) if damage == "zeros" else np.random.default_rng(0).bytes(9000)
    source.write_bytes(data)
    (fault,) = notes_of(source, target)
    count = len(read_planes(target))
    assert 30 < count < 50 and fault == f"{count} of about 50 frames could be read"


def test_pauses_between_frames_are_not_missing_frames(tmp_path: Path) -> None:
    source, target = tmp_path / "x.mkv", tmp_path / "y.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = 32, 24
        for k, time in enumerate([0, 1, 2, 9, 10, 11, 60]):
            frame = random_frame(32, 24, "yuv420p", k)
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert notes_of(source, target) == []


@pytest.mark.parametrize(("suffix", "target"), [(".mkv", ".mkv"), (".mp4", ".mkv")])
def test_a_cover_is_an_attachment_of_matroska(tmp_path: Path, suffix: str, target: str) -> None:
    kept: list[Any] = []
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, "rgb24", Fraction(1)
    frame = random_frame(16, 16, "rgb24")
    frame.pts = 0
    (packet,) = [*encoder.encode(frame), *encoder.encode(None)]

    def set_up(container: Any, _: Any) -> None:
        if suffix == ".mkv":
            container.add_attachment("front.png", "image/png", bytes(packet))
        else:
            kept.append(container.add_stream("png", rate=1, width=16, height=16, pix_fmt="rgb24"))
            kept[0].disposition = Disposition.attached_pic

    def more(container: Any) -> None:
        for cover in kept:
            container.mux([*cover.encode(frame), *cover.encode(None)])

    source = write_video(tmp_path / f"x{suffix}", "libx264", set_up=set_up, more=more)
    path = tmp_path / f"y{target}"
    assert notes_of(source, path) == []
    with av.open(str(path)) as container:
        cover = container.streams.video[1]
        assert cover.disposition & Disposition.attached_pic and len(container.streams) == 2
        assert cover.metadata["filename"] == ("front.png" if suffix == ".mkv" else "cover.png")
        assert [bytes(p) for p in container.demux(cover) if p.size] == [bytes(packet)]


@pytest.mark.parametrize(
    "name", ["file:x.mkv", "concat:a|b.mkv", "100%d %s.mkv", "a%03d.mkv", os.fsdecode(b"caf\xe9.mkv")]
)
def test_names_are_names_of_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "plain.mkv", "ffv1").rename(tmp_path / name)
    (tmp_path / "out").mkdir()
    outcome = restore_path(stand_in(3), Path(name), Path("out"), RestoreOptions(check=False))
    assert not outcome.notes and not outcome.failed
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert notes_of(Path(name), Path(f"again {name}")) == []
    assert same_planes(read_planes(tmp_path / name), read_planes(tmp_path / f"again {name}"))


def test_sound_that_a_transport_stream_would_hide_is_refused(tmp_path: Path) -> None:
    def set_up(container: Any, _: Any) -> None:
        kept.append(container.add_stream("flac", rate=48000))

    def more(container: Any) -> None:
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 9216), np.int16), format="s16", layout="stereo")
        sound.sample_rate, sound.pts = 48000, 0
        container.mux([*kept[0].encode(sound), *kept[0].encode(None)])

    kept: list[Any] = []
    source = write_video(tmp_path / "x.mkv", "mpeg2video", set_up=set_up, more=more)
    with pytest.raises(UserError, match=r"\.ts cannot hold its sound \(flac\); name the output \.mkv"):
        notes_of(source, tmp_path / "y.ts")


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("tag", ["hvc1", "hev1"])
def test_the_name_of_hevc_is_kept(tmp_path: Path, suffix: str, tag: str) -> None:
    def set_up(_: Any, stream: Any) -> None:
        stream.codec_context.codec_tag = tag

    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    write_video(source, "libx265", "yuv420p", size=(64, 64), set_up=set_up)
    assert notes_of(source, target) == []
    for path in (source, target):
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.codec_tag == tag


@pytest.mark.parametrize("first", [True, False])
def test_an_index_before_the_media_stays_there(tmp_path: Path, first: bool) -> None:
    source, target = tmp_path / "x.mp4", tmp_path / "y.mp4"
    with av.open(str(source), "w", container_options={"movflags": "faststart"} if first else {}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 32, 24
        container.metadata["own tag"] = "kept beside it"
        container.mux([*stream.encode(random_frame(32, 24, "yuv420p")), *stream.encode(None)])
    notes_of(source, target)
    assert has_index_first(str(source)) == has_index_first(str(target)) == first
    data = target.read_bytes()
    assert (data.index(b"moov") < data.index(b"mdat")) == first


def test_frames_of_another_pixel_format_are_said(tmp_path: Path) -> None:
    data = b""
    for k, pix_fmt in enumerate(("yuv420p", "yuv444p")):
        write_video(tmp_path / f"{k}.h264", "libx264", pix_fmt, {"bf": "0"}, count=3)
        data += (tmp_path / f"{k}.h264").read_bytes()
    source, target = tmp_path / "x.h264", tmp_path / "y.h264"
    source.write_bytes(data)
    assert "3 frames of another pixel format than the first were converted to yuv420p" in notes_of(source, target)
    assert len(read_planes(target)) == 6


def test_dv_has_its_rate_in_mov(tmp_path: Path) -> None:
    source, target = tmp_path / "x.dv", tmp_path / "y.mov"
    write_video(source, "dvvideo", "yuv420p", size=(720, 576), count=2, smooth=True)
    notes_of(source, target)
    with av.open(str(target)) as container:
        assert container.streams.video[0].average_rate == 25
        assert len(list(container.decode(video=0))) == 2
