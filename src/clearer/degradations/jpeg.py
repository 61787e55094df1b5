"""JPEG compression: once or twice, of any chroma subsampling and any place of the block grid."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from clearer.core.config import Range
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import at_share, checked_level, checked_share, ends, in_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor

_WORST, _BEST = 1, 100
_BLOCKS = 16
"""Pixels after which the blocks of 4:2:0 repeat; those of luma after half as many."""
SUBSAMPLINGS = {444: 0, 422: 1, 420: 2}
"""Pillow's number of each chroma subsampling, by its digits."""
_SPELLED = {f"{a}:{b}:{c}": 100 * a + 10 * b + c for a, b, c in ((4, 4, 4), (4, 2, 2), (4, 2, 0))}
# YAML reads 4:2:0 as a number of base 60.
_BASE_60 = {(d // 100 * 60 + d // 10 % 10) * 60 + d % 10: d for d in SUBSAMPLINGS}
_family = partial(
    ProtocolFamily, level="quality", levels=Range(_WORST, below=_BEST + 1), meaning="a JPEG quality from 1 to 100",
    example=10, shows="jpeg",
)  # fmt: skip


@dataclass(frozen=True)
class Jpeg(Degradation):
    """JPEG compression by Pillow's encoder, in 8 bits.

    Color images are stored as YCbCr, by default with the chroma at half the resolution (4:2:0), as Pillow does;
    gray images as gray. The encoder runs on the CPU, image by image.

    An image compressed twice was cropped in between by 0 to 15 pixels at the top and at the left, so that its first
    8x8 blocks (16x16 in 4:2:0 chroma) lie anywhere under the second ones. The image keeps its size: what the crop
    takes away are mirrored pixels.

    Protocols: ``jpeg-Q`` (color) and ``jpeg-gray-Q``, quality Q on whole images, measured on all channels;
    ``jpeg-444-Q``, of full chroma resolution; ``jpeg-twice-Q`` and ``jpeg-gray-twice-Q``, quality Q after another
    compression of quality 10 to 95, shifted.

    Args:
        quality: of the encoder, 1 (worst) to 100. A range ``(low, high)`` draws one quality for each image of
            a batch, uniformly.
        subsampling: 420, 422 or 444, or a list of these from which each compression draws one.
        twice: share of the images that are compressed twice.
        first_quality: quality or range of the first of two compressions.
        aligned: share of the images whose blocks begin at the first pixel, as those of a whole file do. Those of
            the others begin anywhere, as in a crop of a decoded file.

    Raises:
        UserError: a quality is not a whole number, or a value is out of range.
    """

    quality: int | tuple[int, int] = (10, 95)
    subsampling: int | str | list[int | str] = 420
    twice: float = 0.0
    first_quality: int | tuple[int, int] = (10, 95)
    aligned: float = 1.0

    kind: ClassVar[str] = "jpeg"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        _family("jpeg-Q", 3),
        _family("jpeg-gray-Q", 1),
        _family("jpeg-444-Q", 3, settings={"subsampling": 444}),
        _family("jpeg-twice-Q", 3, settings={"twice": 1}),
        _family("jpeg-gray-twice-Q", 1, settings={"twice": 1}),
    )

    def __post_init__(self) -> None:
        # frozen: lists from YAML become tuples
        for name in ("quality", "first_quality"):
            object.__setattr__(self, name, _checked_quality(name, getattr(self, name)))
        object.__setattr__(self, "subsampling", _checked_subsampling(self.subsampling))
        for name in ("twice", "aligned"):
            object.__setattr__(self, name, checked_share(name, getattr(self, name)))

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        if clean.shape[1] not in (1, 3):
            raise ValueError(f"JPEG images have 1 or 3 channels, not {clean.shape[1]}")
        batch = clean.shape[0] if of is None else of
        mine = slice(start, start + clean.shape[0])

        def drawn(low: int, high: int, *shape: int) -> Tensor:
            shares = torch.rand((batch, *shape), generator=generator, device=generator.device)
            return (low + (high - low + 1) * shares).long().clamp(max=high)[mine]

        def qualities(level: int | tuple[int, int]) -> list[int]:
            return drawn(*level).tolist() if isinstance(level, tuple) else [level] * clean.shape[0]

        def subsamplings() -> list[int]:
            numbers = [SUBSAMPLINGS[one] for one in _choices(self.subsampling)]
            if len(numbers) == 1:
                return numbers * clean.shape[0]
            return [numbers[i] for i in drawn(0, len(numbers) - 1).tolist()]

        def happens(share: float) -> Tensor:
            return (torch.rand(batch, generator=generator, device=generator.device) < share)[mine]

        pixels = list((clean.float() * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy())
        # Nothing is drawn for settings that are off, so that each quality is drawn as it was without them.
        rounds = (qualities(self.quality), subsamplings())
        corners = [(0, 0)] * len(pixels)
        if self.aligned < 1:
            moved = drawn(0, _BLOCKS - 1, 2) * ~happens(self.aligned)[:, None]
            corners = moved.tolist()
        if self.twice > 0:
            shifts, again = drawn(0, _BLOCKS - 1, 2).tolist(), happens(self.twice).tolist()
            first = zip(pixels, qualities(self.first_quality), subsamplings(), shifts, again, strict=True)
            pixels = [compressed(image, q, s, at) if twice else image for image, q, s, at, twice in first]
        last = zip(pixels, *rounds, corners, strict=True)
        found = [torch.from_numpy(compressed(image, q, s, at)) for image, q, s, at in last]
        return (torch.stack(found).permute(0, 3, 1, 2).float() / 255).contiguous().to(clean.device, clean.dtype)

    def describe(self) -> str:
        sampled = " or ".join(":".join(str(one)) for one in _choices(self.subsampling))
        twice = f", {self.twice:.0%} of the images twice (first {in_words(self.first_quality)})" if self.twice else ""
        place = f", {1 - self.aligned:.0%} with a moved block grid" if self.aligned < 1 else ""
        return f"JPEG compression of quality {in_words(self.quality)}, {sampled}{twice}{place}"

    def effect(self) -> str:
        return f"JPEG compression of quality {in_words(self.quality)}"

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, quality=round(at_share(self.quality, share)))

    def to_dict(self) -> dict[str, Any]:
        added = {field.name: field.default for field in dataclasses.fields(self) if field.name != "quality"}
        return {
            name: value
            for name, value in super().to_dict().items()
            if name not in added or getattr(self, name) != added[name]  # as cards were stored before these settings
        }


def compressed(
    image: npt.NDArray[np.uint8], quality: int, subsampling: int = 2, corner: Sequence[int] = (0, 0)
) -> npt.NDArray[np.uint8]:
    """Return an image, (H, W, 1) or (H, W, 3), after JPEG compression by Pillow.

    Args:
        image: 8 bits.
        quality: 1 to 100.
        subsampling: Pillow's number: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
        corner: rows and columns of mirrored pixels before the first pixel at which blocks begin.
    """
    import numpy as np
    from PIL import Image

    top, left = corner
    padded = np.pad(image, ((top, 0), (left, 0), (0, 0)), mode="symmetric") if top or left else image
    file = io.BytesIO()
    pixels = Image.fromarray(padded[..., 0] if image.shape[2] == 1 else padded)
    pixels.save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as decoded:
        return np.array(decoded).reshape(padded.shape)[top:, left:]


def _checked_quality(name: str, value: Any) -> int | tuple[int, ...]:
    what = f"a quality from {_WORST} to {_BEST}"
    checked: Any = checked_level(name, value, _WORST, _BEST, what)
    if any(not end.is_integer() for end in ends(checked)):
        raise UserError(f"{name}: {value!r} is not a whole number; give {what}")
    return tuple(map(int, checked)) if isinstance(checked, tuple) else int(checked)


def _checked_subsampling(value: Any) -> int | tuple[int, ...]:
    several = isinstance(value, list | tuple)
    digits = [_SPELLED.get(one, _BASE_60.get(one, one)) for one in (value if several else [value])]
    if not digits or any(isinstance(one, bool) or one not in SUBSAMPLINGS for one in digits):
        raise UserError(f"subsampling: {value!r} is neither 420, 422 or 444, nor a list of these")
    return tuple(digits) if several else digits[0]


def _choices(subsampling: Any) -> tuple[int, ...]:
    return subsampling if isinstance(subsampling, tuple) else (subsampling,)
