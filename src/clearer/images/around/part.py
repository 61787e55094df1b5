"""A part of a file beside its pixels, and the names that parts have in every format."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import NamedTuple

EXIF, XMP, PROFILE, RESOLUTION = "EXIF", "XMP", "color profile", "resolution"
FRAMES, TIMES, PLAYS = "number of frames", "times of the frames", "how often it is played"


class Part(NamedTuple):
    """Something beside the pixels.

    Attributes:
        name: what messages call it.
        digest: of its content; "" if only its presence counts.
        exact: whether the content is compared between files of different formats, too.
        of_format: whether it means nothing in another format.
    """

    name: str
    digest: str = ""
    exact: bool = False
    of_format: bool = False


def whole_milliseconds(times: Iterable[float]) -> list[int]:
    """Return the times of frames in whole milliseconds, so that no frame begins off by more than half of one.

    >>> whole_milliseconds([100 / 3, 100 / 3, 100 / 3])
    [33, 34, 33]
    """
    ends = [round(end) for end in accumulate(times, initial=0.0)]
    return [after - before for before, after in pairwise(ends)]


def digest(content: bytes) -> str:
    """Return what stands for a content; "" for nothing."""
    return blake2b(content, digest_size=12).hexdigest() if content else ""
