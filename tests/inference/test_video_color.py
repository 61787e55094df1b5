"""Colors of restored videos: with strength 0 every sample comes back, and tags travel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in
from helpers.videos import random_frame, read_planes, same_planes, write_video

av = pytest.importorskip("av")

from clearer.inference.video.chroma import Axis, enlarge, reduce  # noqa: E402
from clearer.inference.video.color import add_difference, layout_of, matrix_of, network_values  # noqa: E402
from clearer.inference.video.frame import Tags, restored_frame  # noqa: E402
from clearer.inference.video.samples import components_of  # noqa: E402

LOSSLESS = {
    "libx264": {"qp": "0"}, "libx264rgb": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"},
    "libx265": {"x265-params": "lossless=1:log-level=none"}, "libsvtav1": {"svtav1-params": "lossless=1"},
}  # fmt: skip
FULL_709 = {"color_range": 2, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
LIMITED_2020 = {"color_range": 1, "colorspace": 9, "color_primaries": 9, "color_trc": 16}
CASES = [
    *[(f, "ffv1", ".mkv") for f in (
        "yuv420p", "yuv422p", "yuv444p", "yuv410p", "yuv440p", "yuva420p", "yuv420p10le", "yuv422p10le", "yuv444p12le",
        "yuva444p10le", "yuv420p16le", "gray", "gray10le", "gray16le", "gbrp10le", "gbrap16le", "bgr0", "bgra",
        "rgb48le", "rgba64le", "ya8",
    )],
    *[(f, "libx264", ".mp4") for f in (
        "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray", "gray10le",
    )],
    ("rgb24", "libx264rgb", ".mkv"),
    *[(f, "libx265", ".mkv") for f in (
        "yuv420p", "yuv422p", "yuv444p", "gbrp", "yuv420p10le", "yuv444p12le", "gbrp10le", "gray",
    )],
    *[(f, "libvpx-vp9", ".webm") for f in ("yuv420p", "yuv422p", "yuv444p", "yuv440p", "gbrp")],
    *[(f, "libsvtav1", ".mp4") for f in ("yuv420p", "yuv420p10le")],
    *[(f, "huffyuv", ".avi") for f in ("yuv422p", "rgb24", "bgra")],
    *[(f, "ffvhuff", ".avi") for f in ("yuv420p", "gbrp", "yuv444p10le")],
    *[(f, "utvideo", ".avi") for f in ("yuv420p", "gbrp", "gbrap")],
    *[(f, "magicyuv", ".avi") for f in ("yuva444p", "gray")],
    *[(f, "qtrle", ".mov") for f in ("rgb24", "argb")],
    *[(f, "png", ".mov") for f in ("rgb24", "rgba", "rgb48be", "rgba64be", "gray", "ya8", "gray16be", "ya16be")],
    *[(f, "rawvideo", ".nut") for f in ("yuv420p", "rgb24", "nv12", "yuyv422", "p010le", "gray10le")],
    ("yuv422p10le", "v210", ".mov"), ("gbrp10le", "r210", ".mov"),
]  # fmt: skip


def restored(source: Path, strength: float = 0, suffix: str | None = None, **options: Any) -> tuple[Path, list[str]]:
    """Restore with a network that changes every pixel; return the output and the notes."""
    target = source.with_name(f"restored{suffix or source.suffix}")
    network = stand_in(3, gain=0.7, shift=0.1)
    outcome = restore_path(network, source, target, RestoreOptions(strength=strength, check=False, **options))
    assert not outcome.failed
    return target, [note.removeprefix(f"{source}: ") for note in outcome.notes]


@pytest.mark.parametrize(("pix_fmt", "codec", "suffix"), CASES, ids=lambda value: str(value))
@pytest.mark.parametrize("tags", [FULL_709, LIMITED_2020], ids=["full", "limited"])
def test_strength_zero_keeps_every_sample(
    tmp_path: Path, pix_fmt: str, codec: str, suffix: str, tags: dict[str, int]
) -> None:
    size = (64, 64) if codec == "libsvtav1" else (34, 26) if codec in ("ffv1", "libvpx-vp9") else (32, 24)
    source = write_video(tmp_path / f"x{suffix}", codec, pix_fmt, LOSSLESS.get(codec), size=size, count=2, tags=tags)
    target, _ = restored(source)
    assert same_planes(read_planes(source), read_planes(target))
    with av.open(str(source)) as one, av.open(str(target)) as other:
        before, after = one.streams.video[0].codec_context, other.streams.video[0].codec_context
        assert (before.codec.canonical_name, before.pix_fmt) == (after.codec.canonical_name, after.pix_fmt)
        rgb_or_gray = before.format.is_rgb or len(before.format.components) < 3 or "gray" in pix_fmt
        for key in tags:  # RGB and gray have no matrix, and RGB is full
            if not (rgb_or_gray and key in ("colorspace", "color_range")):
                assert getattr(before, key) == getattr(after, key), key


@pytest.mark.parametrize("tags", [{}, {"color_range": 2, "colorspace": 1}, {"color_range": 1, "colorspace": 6}])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p10le", "gray", "gbrp10le", "bgr0"])
def test_white_stays_white_and_black_black(tmp_path: Path, pix_fmt: str, tags: dict[str, int]) -> None:
    codec = "mjpeg" if pix_fmt == "yuvj420p" else "ffv1"

    def write(path: Path, level: float) -> Path:
        full = pix_fmt in ("gbrp10le", "bgr0", "yuvj420p") or tags.get("color_range", 2 * (pix_fmt == "gray")) == 2
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 24, pix_fmt
            for key, value in tags.items() if pix_fmt != "yuvj420p" else ():
                setattr(stream.codec_context, key, value)
            frame = random_frame(32, 24, pix_fmt)
            for k, part in enumerate(components_of(frame) or []):
                step = 2 ** (part.bits - 8)
                black, white = (0, 2**part.bits - 1) if full else (16 * step, 235 * step)
                is_chroma = k and not frame.format.is_rgb
                value = 2 ** (part.bits - 1) if is_chroma else round(black + level * (white - black))
                part.write(np.full(part.samples.shape, value, np.float32))
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    for level in (0.0, 1.0):
        source = write(tmp_path / f"{level}.mkv", level)
        target = tmp_path / f"o{level}.mkv"
        # A network that returns its input: 1 stays 1 and 0 stays 0 through both conversions.
        restore_path(stand_in(3), source, target, RestoreOptions(check=False))
        assert same_planes(read_planes(source), read_planes(target))


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize(
    ("pix_fmt", "tags", "step"),
    [("yuv420p", {"color_range": 1}, 219), ("yuv420p", {"color_range": 2}, 255), ("gray", {}, 255),
     ("yuv444p10le", {"color_range": 1}, 876), ("bgr0", {}, 255), ("gray16le", {}, 65535)],
)  # fmt: skip
def test_a_brighter_frame_is_brighter_by_as_much(
    tmp_path: Path, pix_fmt: str, tags: dict[str, int], step: int, strength: float
) -> None:
    source = tmp_path / "x.mkv"
    write_video(source, "ffv1", pix_fmt, tags=tags, smooth=True, count=1)
    target = tmp_path / "y.mkv"
    restore_path(stand_in(3, shift=0.04), source, target, RestoreOptions(strength=strength, check=False))
    (before,), (after,) = read_planes(source), read_planes(target)
    assert np.abs(after[0] - before[0] - 0.04 * strength * step).max() <= 0.51 + 1e-3 * step / 255
    if pix_fmt.startswith("yuv"):  # an equal change of R, G and B leaves chroma, up to clipped colors
        assert np.abs(after[1] - before[1]).mean() < 0.1 * step / 219


def test_the_same_frame_in_the_memory_keeps_its_time_and_side_data() -> None:
    frame = random_frame(32, 24, "yuv420p")
    frame.pts, frame.color_trc, frame.color_range = 77, 16, 1
    made = restored_frame(frame, Tags(), lambda x: x * 0.5, 3, RestoreOptions(strength=0.5))
    assert (made.pts, made.color_trc, made.color_range, made.pict_type) == (77, 16, 1, 0)


def test_gray_networks_change_luma_alone() -> None:
    frame = random_frame(32, 24, "yuv420p")
    before = [part.read() for part in components_of(frame) or []]
    made = restored_frame(frame, Tags(), lambda x: x * 0.5, 1, RestoreOptions())
    after = [part.read() for part in components_of(made) or []]
    assert np.array_equal(before[1], after[1]) and np.array_equal(before[2], after[2])
    assert np.abs(after[0] - before[0]).mean() > 20


@pytest.mark.parametrize("space", [1, 4, 5, 6, 7, 8, 9])
def test_matrices_turn_gray_into_luma_alone(space: int) -> None:
    matrix = matrix_of(space)
    assert np.allclose(matrix @ [1, 1, 1], [1, 0, 0], atol=1e-6)
    extremes = matrix[1:] @ np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)]).T
    assert np.allclose(extremes.max(1), 0.5, atol=1e-6) and np.allclose(extremes.min(1), -0.5, atol=1e-6)


def test_known_colors_of_bt709_and_bt601() -> None:
    # 100 % red of SMPTE RP 219 bars in limited range: Y 63, Cb 102, Cr 240 in BT.709; 81, 90, 240 in BT.601.
    for space, expected in ((1, (63, 102, 240)), (6, (81, 90, 240))):
        y, u, v = matrix_of(space) @ [1, 0, 0]
        assert [round(16 + 219 * y), round(128 + 224 * u), round(128 + 224 * v)] == list(expected)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv410p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_difference_of_smooth_colors_comes_back_through_chroma(pix_fmt: str, interlaced: bool) -> None:
    frame = random_frame(64, 48, pix_fmt, smooth=True)

    class Shown:  # PyAV cannot set the flag of a frame
        format, width, height, interlaced_frame = frame.format, 64, 48, interlaced
        color_range, colorspace = 1, 1

    layout = layout_of(Shown, "left", 1, 1)
    parts = components_of(frame) or []
    for part in parts:
        part.write(np.full(part.samples.shape, 2 ** (part.bits - 1), np.float32))
    y, x = np.mgrid[:48, :64] / 64
    change = np.stack([0.2 * x, 0.1 * y, 0.2 - 0.2 * x], 2).astype(np.float32)
    before = network_values(parts, layout, False)
    add_difference(parts, layout, change)
    error = np.abs(network_values(parts, layout, False) - before - change)
    assert error[4:-4, 4:-4].max() < 2.2 / 219  # rounding of Y, U and V


@pytest.mark.parametrize("first", [0.0, 0.25, 0.5, 0.75, 1.0, 1.5])
@pytest.mark.parametrize("factor", [2, 4])
def test_chroma_of_a_ramp_lies_where_its_place_says(factor: int, first: float) -> None:
    how = Axis(factor, first)
    luma = np.tile(np.arange(40, dtype=np.float32), (3, 1))
    small = reduce(luma, how, (Axis(1, 0),), (3, 40 // factor))
    assert np.allclose(small[:, 2:-2], (factor * np.arange(40 // factor) + first)[2:-2], atol=1e-4)
    large = enlarge(small, how, (Axis(1, 0),), (3, 40))
    assert np.allclose(large[:, 12:-12], luma[:, 12:-12], atol=1e-4)
