"""Tags of a video file and its streams: which are kept, and what a container must be told to hold them."""

from __future__ import annotations

_STALE = ("encoder", "rotate", "bps", "duration", "number_of_frames", "number_of_bytes", "major_brand", "minor_version",
          "compatible_brands", "material_package_umid", "file_package_umid", "generation_uid", "uid",
          "product_version_num", "toolkit_version_num", "toolkit_version", "modification_date")  # fmt: skip
"""Tags about the old encoding."""
_QUICKTIME = frozenset(
    ("title", "artist", "author", "album", "date", "comment", "genre", "copyright", "make", "model", "location",
     "location-eng", "keywords", "creation_time", "timecode", "handler_name", "vendor_id", "language")
)  # fmt: skip
"""Tags with a place of their own in MOV files."""
_ITUNES = frozenset(
    ("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping",
     "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort", "season_number",
     "media_type", "hd_video", "gapless_playback", "compilation", "track", "disc", "tmpo", "location", "location-eng",
     "creation_time", "timecode", "handler_name", "vendor_id", "language")
)  # fmt: skip
"""Tags with a place of their own in MP4 files."""


def is_stale(tag: str, value: str = "") -> bool:
    """Return whether a tag is about the old encoding, which the new file does not need."""
    key = tag.lower().split("-")[0]
    return key in _STALE or key.startswith("_statistics") or (key == "software" and value.startswith("Lav"))


def kept_tags(metadata: dict[str, str], of_stream: bool = False) -> dict[str, str]:
    """Return the tags to keep; what MP4 calls the name of a track is the title of a stream elsewhere."""
    tags = {key: value for key, value in metadata.items() if not is_stale(key, value)}
    if of_stream and "name" in tags:
        tags.setdefault("title", tags["name"])
        del tags["name"]
    return tags


def needs_metadata_keys(muxer: str, tags: dict[str, str]) -> bool:
    """Return whether a container, by FFmpeg's name, holds these tags of a file only as keys with values.

    MOV and MP4 hold tags such as "com.apple.quicktime.model" in another place than titles, and all or none are there.
    """
    usual = {"mov": _QUICKTIME, "mp4": _ITUNES, "ipod": _ITUNES}.get(muxer)
    return usual is not None and not usual.issuperset(tags)
