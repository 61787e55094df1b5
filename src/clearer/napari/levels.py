"""Find what is black and white in a layer, by all its planes, and what is to be said about its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearer.core.errors import UserError
from clearer.images.pixels import WHOLE, Span, to_unit
from clearer.images.tiff.read import with_common_levels
from clearer.images.types import ImageFile, ImagePage
from clearer.inference.color import notes_on, training_levels_note
from clearer.inference.options import RestoreOptions

FIELD = "Range"
"""The name of the field that states black and white, which the command line calls --range."""
_UNITS = -0.5, 1.5
"""Floats that stay within these are units of [0, 1] with noise."""


@dataclass(frozen=True)
class Levels:
    """The values that are black and white in every plane of a layer, and notes of one line each.

    ``span``: None where the whole of the data type holds, or 0 and 1 of floating point.
    """

    span: Span | None = None
    notes: tuple[str, ...] = ()


class Extremes:
    """The lowest and the highest value of the planes of a layer, of which one at a time is looked at."""

    def __init__(self) -> None:
        self.ends: list[Any] = []
        self.seen = 0

    @staticmethod
    def matter(dtype: np.dtype[Any], options: RestoreOptions) -> bool:
        """Return whether the levels of a layer depend on its values."""
        if dtype.kind == "b":
            return False
        return dtype != np.uint8 or options.span is not None or options.levels is not None

    def add(self, plane: NDArray[Any]) -> None:
        """Take a plane.

        Raises:
            UserError: it holds no numbers, or values that are not finite.
        """
        self.seen += 1
        if plane.dtype.kind not in "iuf":
            raise UserError(f"layer: its values are of type {plane.dtype}; convert it to integers or floats")
        ends = [plane.min(), plane.max()]
        if not np.isfinite(ends).all():
            raise UserError(
                f"layer: plane {self.seen} holds values that are not finite (NaN or infinity); replace them first"
            )
        self.ends = [min(ends[0], *self.ends[:1]), max(ends[1], *self.ends[1:])] if self.ends else ends

    def levels(self, channels: int, options: RestoreOptions) -> Levels:
        """Return the levels of the layer for a network of ``channels``, as those of a file are found.

        Floats that neither are units nor hold levels of the model have their extremes as black and white.

        Raises:
            UserError: values lie far beyond what is stated as black and white.
        """
        least, most = self.ends
        page = ImagePage(np.array([least, most], least.dtype.newbyteorder("=")).reshape(1, 2, 1))
        (page,) = with_common_levels([page])
        (span,) = options.spans_of([page])
        low, high = float(least), float(most)
        is_float = page.color.dtype.kind == "f"
        if is_float and options.span is None and span == WHOLE and not _UNITS[0] <= low <= high <= _UNITS[1]:
            span = low, high if high > low else max(low + 1, math.nextafter(low, math.inf))
            own = f"its {page.color.dtype} values {low:.10g} and {high:.10g} are taken as black and white"
            return Levels(span, (f"{own}; set others with {FIELD} LOW,HIGH",))
        try:
            to_unit(page.color, span)  # refuses what lies far beyond black and white
        except UserError as error:
            raise UserError(f"layer: {_in_panel(str(error))}") from error
        image = ImageFile("TIFF", (page,))
        notes = [*notes_on(image, channels, options), *filter(None, [training_levels_note(image, options)])]
        # Of other integers than these, no range is the whole type.
        usual = span == WHOLE and (is_float or page.color.dtype in (np.uint8, np.uint16))
        return Levels(None if usual else span, tuple(map(_in_panel, notes)))


def span_of(text: str) -> Span | None:
    """Return the two numbers of the field, or None where it is empty.

    Raises:
        UserError: they are not two numbers, the smaller one first.
    """
    if not text.strip():
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UserError(f"{FIELD}: {text!r} is not LOW,HIGH, two numbers; leave it empty for the usual ones") from None
    return RestoreOptions(span=(low, high)).span


def _in_panel(text: str) -> str:
    """Return a text of the command line with the name that the range has in the panel."""
    return text.replace("--range", FIELD)
