"""Subtitles that are images (PGS of Blu-ray): copied byte by byte, or said where a container cannot hold them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from helpers.networks import stand_in
from helpers.videos import write_video

av = pytest.importorskip("av")

from clearer.inference.files import restore_path  # noqa: E402
from clearer.inference.options import RestoreOptions  # noqa: E402


def pgs() -> bytes:
    """One subtitle of 8x4 pixels, shown for 0.2 s."""

    def segment(time: int, kind: int, body: bytes = b"") -> bytes:
        return b"PG" + struct.pack(">IIBH", time, 0, kind, len(body)) + body

    def composition(number: int, shown: bool) -> bytes:
        head = struct.pack(">HHBHBBBB", 32, 24, 0x10, number, 0x80 * shown, 0, 0, shown)
        return head + struct.pack(">HBBHH", 0, 0, 0, 0, 0) * shown

    lines = bytes([1] * 8 + [0, 0]) * 4
    image = struct.pack(">HBB", 0, 0, 0xC0) + (len(lines) + 4).to_bytes(3, "big") + struct.pack(">HH", 8, 4) + lines
    window = bytes([1, 0]) + struct.pack(">HHHH", 0, 0, 8, 4)
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    shown = [(0x16, composition(0, True)), (0x17, window), (0x14, palette), (0x15, image), (0x80, b"")]
    hidden = [(0x16, composition(1, False)), (0x17, window), (0x80, b"")]
    return b"".join(segment(0, *one) for one in shown) + b"".join(segment(18000, *one) for one in hidden)


def subtitles_of(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        streams = container.streams.subtitles
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(streams) if p.size] if streams else []


def test_pgs_is_copied_or_said(tmp_path: Path) -> None:
    video, source = write_video(tmp_path / "v.mkv", "ffv1", count=10), tmp_path / "x.mkv"
    (tmp_path / "s.sup").write_bytes(pgs())
    with av.open(str(video)) as one, av.open(str(tmp_path / "s.sup")) as other, av.open(str(source), "w") as made:
        pairs = [(c, c.streams[0], made.add_stream_from_template(c.streams[0])) for c in (one, other)]
        for container, stream, copy in pairs:
            for packet in container.demux(stream):
                if packet.size:
                    packet.stream = copy
                    made.mux(packet)
    assert len(subtitles_of(source)) == 2
    options = RestoreOptions(strength=0, check=False)
    assert not restore_path(stand_in(3), source, tmp_path / "y.mkv", options).notes
    assert subtitles_of(tmp_path / "y.mkv") == subtitles_of(source)
    notes = restore_path(stand_in(3), source, tmp_path / "y.mov", options).notes
    assert any("subtitle stream 1 (hdmv_pgs_subtitle)" in note for note in notes)
