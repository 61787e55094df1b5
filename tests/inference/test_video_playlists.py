"""Playlists under the names of videos: nothing of the files that they name is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command import clearer
from helpers.networks import NON_BLIND, write_model

pytest.importorskip("av")

from helpers.videos import write_video

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n"
PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile other.ts\n",
    "HLS": HLS.format("other.ts"),
    "HLS, network": HLS.format("http://127.0.0.1:9/other.ts"),
    "SDP": SDP + "a=rtpmap:96 H264/90000\r\n",
    "DASH": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_a_playlist_is_refused_in_one_line(tmp_path: Path, kind: str, suffix: str) -> None:
    write_model(tmp_path / "gray.safetensors", NON_BLIND, 1, "P-F")
    write_video(tmp_path / "other.ts", "mpeg2video", "yuv420p", size=(32, 24), count=3)
    path = tmp_path / f"x{suffix}"
    path.write_text(PLAYLISTS[kind])
    said = clearer("restore", tmp_path / "gray.safetensors", path, "-o", tmp_path / "y.mkv", "-q")
    assert said.status == 2 and said.err == f"clearer: {path}: a playlist, which names other files; give these files " \
        "themselves\n"  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["gray.safetensors", "other.ts", path.name])
