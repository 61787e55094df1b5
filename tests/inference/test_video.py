"""Restored videos: new frames, unchanged timing and sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

av = pytest.importorskip("av")

TIMES = [0, 40, 80, 200, 240, 400]  # milliseconds: no even rate


def write_video(
    path: Path, codec: str = "libx264", pix_fmt: str = "yuv420p", sound: str | None = "aac", turn: int = 0
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        stream.codec_context.color_range = 1
        if turn:
            stream.set_display_rotation(turn)
        if sound:
            voice = container.add_stream(sound, rate=48000)
            voice.layout = "mono"
        for k, time in enumerate(TIMES):
            image = np.full((48, 64, 3), 40 + 20 * k, np.uint8)
            image[:, 32:] //= 2
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            wave = (np.sin(np.arange(24000) / 20) * 9000).astype(np.int16)[None]
            spoken = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            spoken.sample_rate, spoken.pts, spoken.time_base = 48000, 0, Fraction(1, 48000)
            resampler = av.AudioResampler(format=voice.format, layout="mono", rate=48000, frame_size=1024)
            for part in [*resampler.resample(spoken), *resampler.resample(None)]:
                container.mux(voice.encode(part))
            container.mux(voice.encode(None))
    return path


def frames(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(round(float(f.time), 3), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        found = container.demux(container.streams.audio[0])
        return [(float(p.pts * p.time_base), bytes(p)) for p in found if p.dts is not None]


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("x.mp4", "libx264", "aac"), ("x.mkv", "libx265", "aac"), ("x.webm", "libvpx-vp9", "libopus"),
     ("x.mp4", "mpeg4", None)],
)  # fmt: skip
def test_timing_sound_and_codec_are_kept(tmp_path: Path, name: str, codec: str, sound: str | None) -> None:
    source = write_video(tmp_path / name, codec, sound=sound)
    done: list[tuple[int, int]] = []
    outcome = restore_path(
        stand_in(3, shift=20 / 255), source, tmp_path / "out", progress=lambda k, n: done.append((k, n))
    )
    assert outcome.written == [tmp_path / "out" / name] and done[-1] == (6, 6)
    before, after = frames(source), frames(tmp_path / "out" / name)
    assert [t for t, _ in before] == [t for t, _ in after] == [t / 1000 for t in TIMES]
    for (_, one), (_, other) in zip(before, after, strict=True):
        assert abs(float(other.mean()) - float(one.mean()) - 20) < 4
    if sound:
        assert packets(source) == packets(tmp_path / "out" / name)
    with av.open(str(source)) as one, av.open(str(tmp_path / "out" / name)) as other:
        first, second = one.streams.video[0].codec_context, other.streams.video[0].codec_context
        assert first.name == second.name and first.pix_fmt == second.pix_fmt
        assert second.color_range == first.color_range


def test_a_rotated_video_stays_rotated(tmp_path: Path) -> None:
    source = write_video(tmp_path / "x.mp4", turn=90)
    restore_path(stand_in(3), source, tmp_path / "y.mp4")
    turns = []
    for path in (source, tmp_path / "y.mp4"):
        with av.open(str(path)) as found:
            turns.append(next(found.decode(video=0)).rotation)
    assert turns[0] == turns[1] and abs(turns[0]) == 90


def test_ten_bits_stay_ten_and_gray_models_work(tmp_path: Path) -> None:
    source = write_video(tmp_path / "x.mkv", "libx265", "yuv420p10le")
    restore_path(stand_in(1), source, tmp_path / "y.mkv")
    with av.open(str(tmp_path / "y.mkv")) as found:
        assert found.streams.video[0].codec_context.pix_fmt == "yuv420p10le"
    for (_, one), (_, other) in zip(frames(source), frames(tmp_path / "y.mkv"), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 3


def test_quality_is_that_of_the_encoder(tmp_path: Path) -> None:
    source = write_video(tmp_path / "x.mp4")
    restorer = stand_in(3)
    chance = np.random.default_rng(0).random((1, 3, 48, 64)).astype(np.float32)
    restorer.network.forward = lambda x: x * 0.5 + 0.5 * x.new_tensor(chance)  # type: ignore[method-assign]
    sizes = []
    for quality in (10, 50, 90):
        restore_path(restorer, source, tmp_path / f"{quality}.mp4", RestoreOptions(quality=quality))
        sizes.append((tmp_path / f"{quality}.mp4").stat().st_size)
    assert sizes == sorted(set(sizes))


def test_errors_of_videos_are_reported_and_leave_nothing(tmp_path: Path) -> None:
    source = write_video(tmp_path / "x.mp4")
    data = source.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 3])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mkv").write_text("not a video")
    for name, target, words in (
        ("cut.mp4", "y.mp4", "cut.mp4: "),
        ("empty.mp4", "y.mp4", "empty.mp4: "),
        ("text.mkv", "y.mkv", "text.mkv: "),
        ("x.mp4", "y.png", "cannot hold a video"),
        ("x.mp4", "-", "standard output"),
        ("x.mp4", "y.webm", "x.mp4: "),  # H.264 is not for WebM
    ):
        with pytest.raises(UserError, match=words) as caught:
            restore_path(stand_in(3), tmp_path / name, target if target == "-" else tmp_path / target)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.mp4", "empty.mp4", "text.mkv", "x.mp4"]
