"""JPEG compression."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from clearer.core.config import Range
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import at_share, checked_level, ends, in_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor

_WORST, _BEST = 1, 100
_family = partial(
    ProtocolFamily, level="quality", levels=Range(_WORST, below=_BEST + 1), meaning="a JPEG quality from 1 to 100",
    example=10, shows="jpeg",
)  # fmt: skip


@dataclass(frozen=True)
class Jpeg(Degradation):
    """JPEG compression by Pillow's encoder, in 8 bits.

    Color images are stored as YCbCr with the chroma at half the resolution (4:2:0), as Pillow does by default;
    gray images as gray. The encoder runs on the CPU, image by image.

    Protocols: ``jpeg-Q`` (color) and ``jpeg-gray-Q``, quality Q on whole images, measured on all channels.

    Args:
        quality: of the encoder, 1 (worst) to 100. A range ``(low, high)`` draws one quality for each image of
            a batch, uniformly.

    Raises:
        UserError: the quality is not a whole number, or is out of range.
    """

    quality: int | tuple[int, int] = (10, 95)

    kind: ClassVar[str] = "jpeg"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        _family("jpeg-Q", 3),
        _family("jpeg-gray-Q", 1),
    )

    def __post_init__(self) -> None:
        what = f"a quality from {_WORST} to {_BEST}"
        checked: Any = checked_level("quality", self.quality, _WORST, _BEST, what)
        if any(not end.is_integer() for end in ends(checked)):
            raise UserError(f"quality: {self.quality!r} is not a whole number; give {what}")
        whole = tuple(map(int, checked)) if isinstance(checked, tuple) else int(checked)
        object.__setattr__(self, "quality", whole)  # frozen: lists from YAML become tuples

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        if clean.shape[1] not in (1, 3):
            raise ValueError(f"JPEG images have 1 or 3 channels, not {clean.shape[1]}")
        batch = clean.shape[0] if of is None else of
        if isinstance(self.quality, tuple):
            low, high = self.quality
            shares = torch.rand(batch, generator=generator, device=generator.device)
            drawn = (low + (high - low + 1) * shares).long().clamp(max=high)
            qualities = drawn[start : start + clean.shape[0]].tolist()
        else:
            qualities = [self.quality] * clean.shape[0]
        pixels = (clean.float() * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        found = [torch.from_numpy(compressed(image, q)) for image, q in zip(pixels, qualities, strict=True)]
        return (torch.stack(found).permute(0, 3, 1, 2).float() / 255).contiguous().to(clean.device, clean.dtype)

    def describe(self) -> str:
        return f"JPEG compression of quality {in_words(self.quality)}, 4:2:0"

    def effect(self) -> str:
        return f"JPEG compression of quality {in_words(self.quality)}"

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, quality=round(at_share(self.quality, share)))


def compressed(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Return an image, (H, W, 1) or (H, W, 3), after JPEG compression by Pillow."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        return np.array(decoded).reshape(image.shape)
