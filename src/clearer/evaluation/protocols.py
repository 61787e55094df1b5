"""Named evaluation protocols, exact enough that two people's figures can be compared.

In all of them, PSNR and SSIM are measured in [0, 1] after clamping (the input is clamped too, for its own figures)
and averaged over images. Clean images are degraded after any crop, as
`clearer.degradations.base.Degradation.degrade_image` states. Each degradation declares its protocols:

- `clearer.degradations.gaussian.Gaussian`: ``gray-awgn-S``, ``color-awgn-S``, ``clearer-gray-S``,
  ``color-gray-noise-S``, ``color-uneven-S``.
- `clearer.degradations.correlated.Correlated`: ``color-correlated-S``, ``gray-correlated-S``.
- `clearer.degradations.poisson_gaussian.PoissonGaussian`: ``color-poisson-P``, ``gray-poisson-P``.
- `clearer.degradations.speckle.Speckle`: ``color-speckle-L``, ``gray-speckle-L``.
- `clearer.degradations.rain.Rain`: ``rain-synthetic``.
- `clearer.degradations.jpeg.Jpeg`: ``jpeg-Q``, ``jpeg-gray-Q``, ``jpeg-444-Q``,
  ``jpeg-twice-Q``, ``jpeg-gray-twice-Q``.
- `clearer.degradations.camera.kind.Camera`: ``camera-I``, ``camera-gray-I``, ``camera-processed-I``.
- `clearer.degradations.resize.Resize`: ``resize-F``, ``resize-gray-F``.
- `clearer.degradations.blur.Blur`: ``blur-X``, ``blur-gray-X``, ``blur-disk-X``, ``blur-motion-X``.
- `clearer.degradations.none.NoDegradation`, for pairs on disk: ``rain-rgb``, ``rain-y``, ``clearer-rain``,
  ``pairs-gray``, ``pairs-color``.

The protocol ``robustness`` is a table of many rows; see `clearer.evaluation.robustness`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clearer.core.errors import UserError, nearest
from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.registry import DEGRADATIONS

PROTOCOLS: dict[str, tuple[ProtocolFamily, type[Degradation]]] = {
    family.form: (family, kind) for kind in DEGRADATIONS.all().values() for family in kind.protocols
}
"""All protocols by the form of their names, such as ``"gray-awgn-S"``, and the degradation of their images."""


@dataclass(frozen=True)
class Protocol:
    """An evaluation protocol; `parse_protocol` makes it from its name.

    Args:
        name: as given to `parse_protocol`.
        channels: channels of the images that the network sees, 1 or 3.
        degradation: degrades the clean images, with a single level; `NoDegradation` for pairs on disk.
        crop: center crop to a multiple of this many pixels; 1 keeps whole images.
        luma: measure on Y of BT.601 (16-235) instead of on all channels.
        shows: the degradation that the images show, such as ``"rain"``; "" for any.
    """

    name: str
    channels: int
    degradation: Degradation
    crop: int = 1
    luma: bool = False
    shows: str = ""

    @property
    def needs_pairs(self) -> bool:
        """Whether the degraded images have to be on disk."""
        return self.degradation.needs_pairs

    @property
    def sigma(self) -> float | None:
        """The noise level in gray levels, which non-blind methods are given; None where there is no noise."""
        levels = self.degradation.noise_levels()
        return None if levels is None else levels[0]


def parse_protocol(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises:
        UserError: no protocol has this name; the message has the nearest one.

    >>> parse_protocol("clearer-gray-30").degradation.describe()
    'Gaussian noise of sigma 30 gray levels, clipped and floored to 8 bits'
    >>> parse_protocol("rain-y").luma
    True
    """
    found = _parsed(name)
    if found is not None:
        return found
    if name == "robustness":
        raise UserError("protocol: robustness is a table of many; use `clearer evaluate MODEL --protocol robustness`")
    # The level that the user wrote goes into the suggestion, so that it can be pasted back.
    number = re.search(r"[0-9]+(\.[0-9]+)?$", name)
    names = []
    for family, _ in PROTOCOLS.values():
        candidates = [family.name_at(level) for level in (number[0] if number else "", f"{family.example:g}")]
        names += [next(candidate for candidate in candidates if _parsed(candidate) is not None)]
    meanings = {family.form[-1]: family.meaning for family, _ in PROTOCOLS.values() if family.level}
    levels = ", ".join(f"{letter} {meaning}" for letter, meaning in meanings.items())
    raise UserError(
        f"protocol: {name!r} is not known{nearest(name, names)}; known are {', '.join(PROTOCOLS)} ({levels})"
    )


def example_names() -> list[str]:
    """Return a name of each family of protocols, with a level where it has one."""
    return [family.name_at(f"{family.example:g}") for family, _ in PROTOCOLS.values()]


def without_pairs(protocol: Protocol) -> list[str]:
    """Return the names of protocols for the same degradation that need clean images only."""
    return [
        form
        for form, (family, kind) in PROTOCOLS.items()
        if not kind.needs_pairs and family.shows == protocol.shows != "" and family.channels == protocol.channels
    ]


def _parsed(name: str) -> Protocol | None:
    """Return the protocol of this name, or None where there is none or its level is out of range."""
    for family, kind in PROTOCOLS.values():
        try:
            settings = family.settings_of(name)
            degradation = None if settings is None else kind(**settings)
        except UserError:
            return None
        if degradation is not None:
            return Protocol(name, family.channels, degradation, family.crop, family.luma, family.shows)
    return None
