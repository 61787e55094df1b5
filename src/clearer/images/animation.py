"""Times and playback of animations that Pillow reads and writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PIL import Image

from clearer.images.around.box_parts import frame_times
from clearer.images.around.part import whole_milliseconds
from clearer.images.types import ImageFile, ImagePage


def with_exact_times(frames: list[ImagePage], data: bytes) -> list[ImagePage]:
    """Return the frames of an AVIF file with the times that it states; Pillow rounds them one by one."""
    times = frame_times(data)
    if len(times) != len(frames) or len(frames) == 1:
        return frames
    return [replace(frame, own={**frame.own, "duration": time}) for frame, time in zip(frames, times, strict=True)]


def animation_keys(image: ImageFile, others: list[Image.Image]) -> dict[str, Any]:
    """Return what Pillow needs to save the first page with ``others`` as an animation."""
    durations = whole_milliseconds(page.own.get("duration", 100) for page in image.pages)
    keys = {"save_all": True, "append_images": others, "duration": durations, "loop": image.own.get("loop", 0)}
    if image.format == "WEBP" and "background" in image.own:
        keys["background"] = image.own["background"]
    return keys
