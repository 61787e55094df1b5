"""Some frames of a video, to look at before it is restored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.images.types import UnitPixels, check_size
from clearer.inference.video.frame import Tags, values_of
from clearer.inference.video.reader import opened
from clearer.inference.video.restore import main_stream
from clearer.inference.video.writer import reason

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Where frames are looked at, as shares of the duration."""
_MICROSECONDS = 1_000_000


def some_frames(path: Path) -> list[UnitPixels]:
    """Return frames of a video, (H, W, 3) RGB or (H, W, 1) gray, in [0, 1].

    They are the first one and the keyframes before `SHARES` of the duration, none twice; the first one alone where the
    file does not state its duration or cannot be searched.

    Raises:
        UserError: PyAV is not installed, or no frame can be decoded.
    """
    try:
        import av
    except ImportError:
        raise UserError(f"{path}: videos need PyAV; run pip install 'clearer[video]'") from None
    try:
        with opened(path.absolute()) as container:
            found = dict(_keyframes(container))
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix('image: ')}") from error
    except (av.FFmpegError, ValueError) as error:
        raise UserError(f"{path}: not readable as a video ({reason(error)}); replace it") from error
    if not found:
        raise UserError(f"{path}: no frame can be decoded; replace the file")
    return list(found.values())


def _keyframes(container: Any) -> Iterator[tuple[Any, UnitPixels]]:
    """Yield frames with their times."""
    import av

    stream = main_stream(container)
    context = stream.codec_context
    check_size(context.width, context.height)
    tags = Tags(color_range=int(context.color_range), colorspace=int(context.colorspace))
    start, duration = container.start_time or 0, container.duration or 0
    for share in SHARES if duration > _MICROSECONDS / 1000 else SHARES[:1]:
        with contextlib.suppress(av.FFmpegError, ValueError, EOFError):
            if share:
                container.seek(int(start + share * duration))
            frame = next(container.decode(stream), None)
            if frame is not None:
                yield frame.pts, values_of(frame, tags)
