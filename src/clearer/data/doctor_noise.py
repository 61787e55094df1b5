"""The images of a dataset whose noise the doctor measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.images.pixels import WHOLE, Span, center_crop, to_unit
from clearer.images.types import AnyPixels
from clearer.noise.profile import MOST_IMAGES, MOST_SIDE, NoiseProfile, profile_images


@dataclass
class NoiseSample:
    """A few images at equal distances in a dataset, with the values of their files: of pairs, the degraded ones."""

    wanted: frozenset[str]
    images: list[AnyPixels] = field(default_factory=list)

    @classmethod
    def of(cls, items: Sequence[Item]) -> NoiseSample:
        """Return the sample of a set, to be filled as its images are read."""
        places = {round(x) for x in np.linspace(0, len(items) - 1, MOST_IMAGES)} if items else set()
        return cls(frozenset(items[i].name for i in places))

    def add(self, item: Item, image: AnyPixels) -> None:
        """Keep the center of an image if it belongs to the sample."""
        if item.name in self.wanted:
            self.images.append(center_crop(image, MOST_SIDE, MOST_SIDE).copy())

    def profile(self, span: Span) -> NoiseProfile | None:
        """Measure the noise; None if there is no image of 8x8 pixels.

        ``span``: the levels that are black and white in files of 16 bits and floating point.
        """
        try:
            scaled = [to_unit(image, span) if image.dtype.kind == "f" else image for image in self.images]
            deep = any(image.dtype != np.uint8 for image in scaled)
            return profile_images(scaled, span if deep else WHOLE) if scaled else None
        except UserError:
            return None
