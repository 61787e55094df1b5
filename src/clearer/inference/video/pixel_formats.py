"""Pixel formats: which of an encoder's loses least of a frame, and what it loses."""

from __future__ import annotations

from typing import Any

from clearer.inference.video.frame import plain_format


def formats_to_try(known: Any, frame: Any) -> list[str]:
    """Return the pixel formats of an encoder in which to try a frame: the frame's own, or those that lose least."""
    own = frame.format
    offered = [format.name for format in known.video_formats or []]
    if not offered or (own.name in offered and not own.has_palette):
        return [own.name]
    plain = plain_format(own, frame)
    if plain in offered:
        return [plain]
    from av.video.format import VideoFormat

    wanted = VideoFormat(plain, 64, 64)
    return sorted(offered, key=lambda name: _distance(wanted, VideoFormat(name, 64, 64)))[:4]


def _distance(wanted: Any, other: Any) -> tuple[float, ...]:
    """Return how much a pixel format loses of another: by alpha, color, depth and chroma, most important first."""

    def facts(format: Any) -> tuple[int, int, int, int, int]:
        alpha = any(part.is_alpha for part in format.components)
        colors = len(format.components) - alpha
        chroma = format.chroma_width(64) * format.chroma_height(64) if colors > 1 else 0
        return (
            int(alpha), colors, min(part.bits for part in format.components), chroma, int(format.is_rgb),
        )  # fmt: skip

    if other.has_palette or other.is_bit_stream:
        return (9.0,)
    (alpha, colors, bits, chroma, rgb), (alpha2, colors2, bits2, chroma2, rgb2) = facts(wanted), facts(other)
    rgb_changes = colors > 1 and rgb != rgb2
    losses = (alpha > alpha2, colors > colors2, max(0, bits - bits2), rgb_changes, max(0, chroma - chroma2))
    gains = (alpha2 - alpha, colors2 - colors, bits2 - bits, chroma2 - chroma, other.name.startswith("yuvj"))
    return (*(float(x) for x in losses), *(float(abs(x)) for x in gains))


def format_losses(before: str, after: str) -> list[str]:
    """Return what the pixel format ``after`` holds less of than ``before``: alpha, color, depth or chroma."""
    from av.video.format import VideoFormat

    kinds = ("alpha", "color", "depth", "model", "chroma")
    if before == "pal8":  # its colors are those of RGB; whether it has alpha, the palette says
        return []
    lost = _distance(*(VideoFormat(plain_format(VideoFormat(name)), 64, 64) for name in (before, after)))[:5]
    return [kind for kind, less in zip(kinds, lost, strict=False) if less]
