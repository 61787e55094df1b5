"""The images of a dataset whose noise the doctor measures, and of pairs the distance to the clean ones."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.images.pixels import WHOLE, Span, center_crop, to_unit
from clearer.images.types import AnyPixels, HiddenPixels
from clearer.noise.profile import MOST_IMAGES, MOST_SIDE, NoiseProfile, profile_images


@dataclass
class NoiseSample:
    """A few images at equal distances in a dataset, with the values of their files: of pairs, the degraded ones.

    ``clean``: of pairs, the clean ones. ``hidden``: where (H, W) one of an image or pair has no value.
    """

    wanted: frozenset[str]
    images: list[AnyPixels] = field(default_factory=list)
    clean: list[AnyPixels] = field(default_factory=list)
    hidden: list[HiddenPixels] = field(default_factory=list)

    @classmethod
    def of(cls, items: Sequence[Item]) -> NoiseSample:
        """Return the sample of a set, to be filled as its images are read."""
        places = {round(x) for x in np.linspace(0, len(items) - 1, MOST_IMAGES)} if items else set()
        return cls(frozenset(items[i].name for i in places))

    def add(self, item: Item, image: AnyPixels, clean: AnyPixels | None, hidden: HiddenPixels) -> None:
        """Keep the center of an image, and of the clean one of its pair, if it belongs to the sample."""
        if item.name in self.wanted:
            self.hidden.append(center_crop(hidden, MOST_SIDE, MOST_SIDE).copy())
            self.images.append(center_crop(image, MOST_SIDE, MOST_SIDE).copy())
            if clean is not None:
                self.clean.append(center_crop(clean, MOST_SIDE, MOST_SIDE).copy())

    def profile(self, span: Span) -> NoiseProfile | None:
        """Measure the noise; None if there is no image of 8x8 pixels, or none has a value anywhere.

        ``span``: the levels that are black and white in files of 16 bits and floating point.
        """
        try:
            valued = [one for one in zip(self.images, self.hidden, strict=True) if not one[1].all()]
            scaled = [to_unit(image, span) if image.dtype.kind == "f" else image for image, _ in valued]
            deep = any(image.dtype != np.uint8 for image in scaled)
            return profile_images(scaled, span if deep else WHOLE, [~x for _, x in valued]) if scaled else None
        except UserError:
            return None

    def input_psnr(self, span: Span) -> float | None:
        """Return the mean PSNR of degraded against clean images in dB, as `evaluate` has it for input.

        None if there are no pairs, if all pairs show the same image twice, or if values lie far outside the span.
        """
        found = []
        try:
            # Without pairs, there are no clean ones.
            for *pair, hidden in zip(self.clean, self.images, self.hidden, strict=False):
                clean, degraded = (to_unit(x, WHOLE if x.dtype == np.uint8 else span).clip(0, 1) for x in pair)
                errors = np.square(clean - degraded, dtype=np.float64)[~hidden]
                error = float(errors.mean()) if errors.size else 0.0
                found += [-10 * math.log10(error)] if error else []
        except UserError:
            return None
        return statistics.fmean(found) if found else None
