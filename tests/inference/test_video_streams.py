"""What surrounds the frames of a restored video: other streams, tags, flags, side data, and damage."""

from __future__ import annotations

import contextlib
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.inference.files import Outcome, restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.video.side_data import side_data_by_name
from helpers.command import clearer as command
from helpers.networks import stand_in, write_identity
from helpers.videos import read_planes, same_planes, write_hdr_matroska, write_video

av = pytest.importorskip("av")

from av.stream import Disposition  # noqa: E402

FONT = b"\x00\x01\x00\x00 not a real font" * 9


def restored(source: Path, target: Path) -> Outcome:
    return restore_path(stand_in(3), source, target, RestoreOptions(strength=0, check=False))


def add_sound(container: Any, language: str, flags: Any, codec: str = "aac") -> Any:
    voice = container.add_stream(codec, rate=48000)
    voice.layout = "mono"
    voice.metadata.update({"language": language, "title": f"voice in {language}"})
    voice.disposition = flags
    return voice


def write_sound(container: Any, voice: Any) -> None:
    wave = (np.sin(np.arange(4800) / 20) * 9000).astype(np.int16)[None]
    spoken = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
    spoken.sample_rate, spoken.pts, spoken.time_base = 48000, 0, Fraction(1, 48000)
    size = voice.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=voice.format, layout="mono", rate=48000, frame_size=size)
    for part in [*resampler.resample(spoken), *resampler.resample(None)]:
        container.mux(voice.encode(part))
    container.mux(voice.encode(None))


def write_subtitle(container: Any, stream: Any, text: bytes = b"Hello") -> None:
    packet = av.Packet(text)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 10
    packet.duration = 50
    container.mux(packet)


def write_rich(path: Path) -> Path:
    """Write a Matroska file with two voices, two subtitles, chapters, a font, tags, and a second video."""
    kept: dict[str, Any] = {}

    def set_up(container: Any, stream: Any) -> None:
        stream.metadata["title"] = "the picture"
        container.metadata.update({"title": "A film", "artist": "Somebody", "comment": "öäü"})
        kept["voices"] = [
            add_sound(container, "deu", Disposition.default),
            add_sound(container, "fra", Disposition.comment | Disposition.forced),
        ]
        kept["texts"] = []
        for language, flags in (("eng", Disposition.forced), ("spa", Disposition.hearing_impaired)):
            text = container.add_mux_stream("subrip")
            text.metadata.update({"language": language, "title": f"in {language}"})
            text.disposition = flags
            kept["texts"].append(text)
        kept["second"] = second = container.add_stream("mpeg4", rate=25)
        second.width, second.height, second.pix_fmt = 48, 32, "yuv420p"
        container.add_attachment("font.ttf", "font/ttf", FONT)
        container.set_chapters([
            {"id": 1, "start": 0, "end": 60, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
            {"id": 2, "start": 60, "end": 120, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
        ])  # fmt: skip

    def more(container: Any) -> None:
        for k in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 60 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(kept["second"].encode(frame))
        container.mux(kept["second"].encode(None))
        for voice in kept["voices"]:
            write_sound(container, voice)
        for text in kept["texts"]:
            write_subtitle(container, text)

    return write_video(path, "ffv1", set_up=set_up, more=more)


def payloads(path: Path, kinds: tuple[str, ...] = ("audio", "subtitle", "video")) -> dict[int, list[bytes]]:
    with av.open(str(path)) as container:
        wanted = [s for s in container.streams if s.type in kinds]
        found: dict[int, list[bytes]] = {s.index: [] for s in wanted}
        for packet in container.demux(wanted):
            if packet.size:
                found[packet.stream.index].append(bytes(packet))
    return found


def test_all_streams_chapters_fonts_tags_and_flags_are_kept(tmp_path: Path) -> None:
    source, target = write_rich(tmp_path / "x.mkv"), tmp_path / "y.mkv"
    outcome = restored(source, target)
    assert not outcome.failed
    assert outcome.notes == [f"{source}: only video stream 0 is restored; the others are copied"]
    assert same_planes(read_planes(source), read_planes(target))
    before, after = payloads(source), payloads(target)
    assert list(before) == list(after) and all(before[k] == after[k] for k in before if k)
    with av.open(str(source)) as one, av.open(str(target)) as other:
        assert [s.type for s in one.streams] == [s.type for s in other.streams]
        for a, b in zip(one.streams, other.streams, strict=True):
            assert a.disposition == b.disposition
            assert a.metadata.get("language") == b.metadata.get("language")
            assert a.metadata.get("title") == b.metadata.get("title")
        assert other.streams.attachments[0].data == FONT
        assert other.streams.attachments[0].name == "font.ttf"
        assert [c["metadata"] for c in other.chapters()] == [{"title": "One"}, {"title": "Two"}]
        assert [c["start"] * c["time_base"] for c in other.chapters()] == [0, Fraction(60, 1000)]
        assert {k: v for k, v in other.metadata.items() if k != "ENCODER"} == {
            "title": "A film", "ARTIST": "Somebody", "COMMENT": "öäü",
        }  # fmt: skip


def test_what_another_container_cannot_hold_is_said(tmp_path: Path) -> None:
    source = write_rich(tmp_path / "x.mkv")
    notes = " ".join(restored(source, tmp_path / "y.mp4").notes)
    for words in ("subtitle stream 3 (subrip, eng)", "subtitle stream 4 (subrip, spa)", "attachment stream 6"):
        assert words in notes
    with av.open(str(tmp_path / "y.mp4")) as container:
        assert [s.type for s in container.streams][:3] == ["video", "audio", "audio"]
        assert [s.metadata["language"] for s in container.streams.audio] == ["deu", "fra"]
        assert len(container.chapters()) == 2


def test_sound_that_the_container_cannot_hold_is_refused_with_the_container_to_ask_for(tmp_path: Path) -> None:
    source = write_rich(tmp_path / "x.mkv")
    with pytest.raises(UserError, match=r"x\.mkv: \.webm cannot hold its sound \(aac\); name the output \.mkv$"):
        restored(source, tmp_path / "y.webm")
    assert not (tmp_path / "y.webm").exists()


def test_lost_packets_tags_and_flags_are_found_by_reading_the_output(tmp_path: Path) -> None:
    from clearer.inference.video.losses import contents_of, losses

    rich, poor = write_rich(tmp_path / "x.mkv"), write_video(tmp_path / "y.mkv", "ffv1", "yuv420p", count=2)
    notes = "\n".join(losses(contents_of(str(rich)), contents_of(str(poor)), ".mkv"))
    for words in ("2 of 3 frames", "audio stream 1 (aac, deu)", "chapters", "artist", "font", "title"):
        assert words in notes.replace("attachment stream", "font")
    assert losses(contents_of(str(rich)), contents_of(str(rich)), ".mkv") == []


@pytest.mark.parametrize("turn", [90, -90, 180])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotation_and_mirroring_are_kept(tmp_path: Path, turn: int, suffix: str, mirrored: bool) -> None:
    from clearer.inference.video.side_data import display_matrix

    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    write_video(source, "mpeg4", set_up=lambda _, s: s.set_display_rotation(turn, hflip=mirrored))
    outcome = restored(source, target)
    matrices = []
    for path in (source, target):
        with av.open(str(path)) as container:
            matrices.append(display_matrix(next(container.decode(video=0))))
    assert matrices[0] == matrices[1]
    assert matrices[0] is not None and not outcome.notes


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt"), [
    (".mov", "qtrle", "argb"), (".mov", "png", "rgba"), (".mkv", "ffv1", "yuva420p"), (".mkv", "ffv1", "bgra"),
    (".mkv", "ffv1", "gbrap16le"), (".mov", "prores_ks", "yuva444p10le"), (".webm", "libvpx-vp9", "yuva420p"),
    (".webm", "libvpx", "yuva420p"), (".avi", "utvideo", "gbrap"),
])  # fmt: skip
def test_alpha_is_kept(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"

    def set_up(_: Any, stream: Any) -> None:
        if suffix == ".webm":
            stream.metadata["alpha_mode"] = "1"

    options = {"auto-alt-ref": "0"} if codec == "libvpx" else None
    write_video(source, codec, pix_fmt, options, smooth=True, set_up=set_up)
    outcome = restore_path(stand_in(3, gain=0.5), source, target, RestoreOptions(check=False))
    assert not outcome.notes and not outcome.failed

    def planes(path: Path) -> list[list[Any]]:
        from clearer.inference.video.samples import components_of

        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            name = {"vp9": "libvpx-vp9", "vp8": "libvpx"}.get(stream.codec_context.name)
            decoder = av.CodecContext.create(name, "r") if name else stream.codec_context
            frames = [f for p in container.demux(stream) if p.size for f in decoder.decode(p)]
            return [[part.read() for part in components_of(f) or []] for f in [*frames, *decoder.decode(None)]]

    before, after = planes(source), planes(target)
    assert len(before) == len(after) == 3 and len(before[0]) == len(after[0]) == 4
    lossy = codec in ("prores_ks", "libvpx-vp9", "libvpx")
    for one, other in zip(before, after, strict=True):
        assert np.abs(one[3] - other[3]).mean() <= (8 if lossy else 0)
        assert np.abs(one[0] - other[0]).mean() > 10  # the rest was restored


@pytest.mark.parametrize(("suffix", "codec", "options"), [
    (".mkv", "ffv1", {"field_order": "tb"}),
    (".mov", "prores_ks", {"flags": "+ildct", "field_order": "tt"}),
    (".mkv", "mpeg2video", {"flags": "+ildct+ilme", "field_order": "tt"}),
    (".mp4", "libx264", {"flags": "+ildct+ilme", "field_order": "tt"}),
])  # fmt: skip
def test_fields_stay_fields(tmp_path: Path, suffix: str, codec: str, options: dict[str, str]) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    write_video(source, codec, pix_fmt, options, size=(64, 64), time_base=Fraction(1, 25))
    outcome = restored(source, target)
    seen = []
    for path in (source, target):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            seen.append((frame.interlaced_frame, container.streams.video[0].codec_context.field_order))
    assert seen[0] == seen[1] and not outcome.notes


HDR = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_hdr10_side_data_are_kept(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    tags = {"color_range": 1, "colorspace": 9, "color_primaries": 9, "color_trc": 16}
    options = {"x265-params": f"{HDR}:log-level=none"}
    write_video(source, "libx265", "yuv420p10le", options, tags=tags)
    outcome = restored(source, target)
    found = []
    for path in (source, target):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            data = side_data_by_name(frame)
            found.append([data[name] for name in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")])
            assert [getattr(frame, key) for key in tags] == list(tags.values())
    assert found[0] == found[1] and not outcome.notes


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(("codec", "codec_id"), [("ffv1", b"V_FFV1"), ("libvpx-vp9", b"V_VP9")])
def test_hdr10_of_the_container_is_kept_without_the_codec(
    tmp_path: Path, suffix: str, codec: str, codec_id: bytes
) -> None:
    source, target = write_hdr_matroska(tmp_path / "x.mkv", codec, codec_id), tmp_path / f"y{suffix}"
    outcome = restored(source, target)
    assert not outcome.notes and not outcome.failed
    found = []
    for path in (source, target):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            assert (frame.color_trc, frame.colorspace, frame.color_primaries) == (16, 9, 9)
            data = {name: np.frombuffer(value, np.int32) for name, value in side_data_by_name(frame).items()}
        display = data["MASTERING_DISPLAY_METADATA"][:20]
        found.append((display[::2] / display[1::2], data["CONTENT_LIGHT_LEVEL"][:2].tolist()))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-3) and found[0][1] == found[1][1] == [1000, 400]


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler") or os.geteuid() != 0, reason="only root is affected")
def test_restoring_av1_leaves_the_scheduling_of_the_process(tmp_path: Path) -> None:
    """SVT-AV1 makes the threads of a process of root real-time ones, which starve all other programs."""
    source = write_video(tmp_path / "x.mkv", "libsvtav1", size=(64, 64))
    before = os.sched_getscheduler(0)
    assert not restored(source, tmp_path / "y.mkv").failed
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            found.add(os.sched_getscheduler(int(task.name)))
    assert found == {before}


def test_hdr10_of_av1_keeps_its_light_and_colors(tmp_path: Path) -> None:
    from clearer.inference.video.side_data import side_data_of

    params = (
        "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001):content-light=1000,400"
    )
    source, target = tmp_path / "x.mkv", tmp_path / "y.mkv"
    write_video(source, "libsvtav1", "yuv420p10le", {"svtav1-params": params}, size=(64, 64))
    assert not restored(source, target).notes
    for path in (source, target):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            assert np.frombuffer(side_data_of(frame, "CONTENT_LIGHT_LEVEL") or b"", np.uint32).tolist() == [1000, 400]
            numbers = np.frombuffer(side_data_of(frame, "MASTERING_DISPLAY_METADATA") or b"", np.int32)[:20]
            values = numbers[::2] / numbers[1::2]
            expected = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.0001, 1000]
            assert np.allclose(values, expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "libx264"), (".mp4", "mpeg4"), (".mov", "qtrle")])
def test_the_shape_of_pixels_is_kept(tmp_path: Path, suffix: str, codec: str) -> None:
    def set_up(_: Any, stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)

    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    write_video(source, codec, "rgb24" if codec == "qtrle" else "yuv420p", set_up=set_up)
    assert not restored(source, target).notes
    for path in (source, target):
        with av.open(str(path)) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)
    if codec == "qtrle":  # PyAV cannot hand it to the muxer for codecs that do not hold it themselves
        assert not any("aspect ratio" in note for note in restored(source, tmp_path / "z.mkv").notes)
        assert any("aspect ratio" in note for note in restored(source, tmp_path / "z.nut").notes)


@pytest.mark.parametrize("codec", ["ffv1", "libx264", "libx265"])
def test_the_chroma_place_is_kept(tmp_path: Path, codec: str) -> None:
    from clearer.inference.video.headers import chroma_place, describe

    source, target = tmp_path / "x.mkv", tmp_path / "y.mkv"
    tags = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
    write_video(source, codec, "yuv420p", {"chroma_sample_location": "topleft"}, tags=tags)
    assert not restored(source, target).notes
    for path in (source, target):
        with av.open(str(path)) as container:
            assert chroma_place(describe(container), 0) == "topleft"


def test_a_cover_is_copied_and_is_not_the_video(tmp_path: Path) -> None:
    def set_up(container: Any, stream: Any) -> None:
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = Disposition.attached_pic
        kept.append(cover)

    def more(container: Any) -> None:
        frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 9, np.uint8), format="rgb24")
        frame.pts = 0
        container.mux(kept[0].encode(frame))
        container.mux(kept[0].encode(None))

    kept: list[Any] = []
    source, target = tmp_path / "x.mp4", tmp_path / "y.mp4"
    write_video(source, "mpeg4", set_up=set_up, more=more)
    assert not restored(source, target).notes
    with av.open(str(target)) as container:
        covers = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        assert len(covers) == 1 and len(container.streams.video) == 2
    assert payloads(source)[1] == payloads(target)[1]


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "ffv1"), (".avi", "huffyuv"), (".mp4", "mpeg4"), (".flv", "flv")]
)
def test_a_cut_file_keeps_what_could_be_read_and_says_so(tmp_path: Path, suffix: str, codec: str) -> None:
    source, target = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    options = {"movflags": "faststart"} if suffix == ".mp4" else None
    write_video(source, codec, "yuv422p" if codec == "huffyuv" else "yuv420p", count=60)
    if options:
        whole = tmp_path / "whole.mp4"
        with av.open(str(source)) as one, av.open(str(whole), "w", container_options=options) as other:
            stream = one.streams.video[0]
            made = other.add_stream_from_template(stream, opaque=True)
            for packet in one.demux(stream):
                if packet.size:
                    packet.stream = made
                    other.mux(packet)
        source.write_bytes(whole.read_bytes())
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    outcome = restored(source, target)
    count = len(read_planes(target))
    assert 25 <= count < 60
    assert outcome.written == [target]
    (fault,) = outcome.failed
    assert re.fullmatch(rf"{re.escape(str(source))}: {count} of (60|about 6[01]) frames could be read", fault.error)


def test_the_command_says_how_many_frames_could_be_read_and_exits_with_1(tmp_path: Path) -> None:
    model = write_identity(tmp_path / "m.safetensors", 3)
    source, target = write_video(tmp_path / "x.mkv", count=60), tmp_path / "y.mkv"
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    ended = command("restore", model, source, "-o", target, "--strength", "0")
    assert ended.status == 1 and target.exists()
    assert re.search(r"clearer: .*x\.mkv: \d+ of about 60 frames could be read\n", ended.err)


def test_a_damaged_transport_stream_names_the_file(tmp_path: Path) -> None:
    source, target = tmp_path / "x.ts", tmp_path / "y.ts"
    write_video(source, "libx264", count=40)
    data = bytearray(source.read_bytes())
    chance = np.random.default_rng(0)
    start, stop = len(data) // 3, len(data) * 2 // 3
    data[start:stop] = chance.integers(0, 256, stop - start, np.uint8).tobytes()
    source.write_bytes(bytes(data))
    outcome = restored(source, target)
    assert len(outcome.failed) == 1 and outcome.failed[0].error.startswith(f"{source}: ")
    assert ".tmp" not in outcome.failed[0].error + " ".join(outcome.notes)


def test_a_change_of_size_ends_the_output_and_names_the_file(tmp_path: Path) -> None:
    write_video(tmp_path / "a.ts", "mpeg2video", count=5, time_base=Fraction(1, 25))
    write_video(tmp_path / "b.ts", "mpeg2video", count=5, size=(64, 48), time_base=Fraction(1, 25))
    source, target = tmp_path / "x.ts", tmp_path / "y.ts"
    source.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    outcome = restored(source, target)
    (fault,) = outcome.failed
    count = len(read_planes(target))
    assert count >= 4  # the decoder may keep the last frame before the change to itself
    assert fault.error.startswith(f"{source}: {count} frames of 32x24 pixels were restored; from there on")
    assert "64x48" in fault.error


@pytest.mark.parametrize("data", [b"", b"\x47" * 188 * 5, b"G@\x00\x10" + b"\xff" * 184])
def test_files_without_frames_are_refused_by_their_name(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "x.ts"
    source.write_bytes(data)
    with pytest.raises(UserError, match=r"x\.ts: ") as caught:
        restored(source, tmp_path / "y.ts")
    assert ".tmp" not in str(caught.value) and "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["x.ts"]
