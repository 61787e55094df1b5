"""Draw training batches: patches of images in memory, augmented and degraded as one batch."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.data.variety import Variety, luma, soft_sides, softened
from clearer.degradations.base import Degradation
from clearer.degradations.choice import apply_by_choice
from clearer.images.pixels import WHOLE, Span, in_one_depth
from clearer.images.tensors import as_levels, unit_of
from clearer.losses.base import Batch
from clearer.noise.model import NoiseModel, lines_of, variance_for_stein

TrainingImages = Sequence[tuple[np.ndarray | None, np.ndarray | None]]
"""Decoded images, (clean, degraded) of each; one of the two may be None.

(H, W, C), uint8, uint16 or float32 in [0, 1]; NaN where a pixel has no value.
"""


class PatchSampler:
    """Draw batches of degraded and clean patches from random generators of its own.

    The images lie end to end in one buffer of their depth on the device, so that a batch is a single gather. Positions
    are drawn on the CPU and copied to the device as four numbers a patch, without synchronization. With
    ``state_dict`` a resumed run draws what the uninterrupted run would have drawn.

    Args:
        images: what to draw from; pairs and single images may be mixed. An image without ground truth is
            (None, degraded); with any of these, batches have no clean patches.
        patch: side of the patches in pixels, at most that of the smallest image.
        batch: number of patches in a batch.
        degradation: applied to the clean patch, or to the pair's degraded patch where there is one. A kind that
            ``replaces`` degraded patches does so in its ``share`` of the pairs.
        variety: flips, gray, soft and clean patches.
        seed: of both generators.
        device: where the images lie and the batches are made.
        part: of how many equal parts which one is returned, ``(0, 2)`` for the first half of each batch; the whole
            batch is drawn all the same.
        span: the integer levels that are black and white.
    """

    def __init__(
        self,
        images: TrainingImages,
        *,
        patch: int,
        batch: int,
        degradation: Degradation,
        variety: Variety,
        seed: int,
        device: torch.device,
        part: tuple[int, int] = (0, 1),
        span: Span = WHOLE,
    ) -> None:
        self.patch, self.batch, self.degradation, self.variety, self.device = patch, batch, degradation, variety, device
        place, parts = part
        self.mine = slice(place * (batch // parts), (place + 1) * (batch // parts))
        self.has_clean = all(clean is not None for clean, _ in images)
        if variety.clean_share and not self.has_clean:
            raise UserError(
                f"data.clean_share: {variety.clean_share:g}, but these images have no ground truth; leave it out"
            )
        # Where the ground truth is missing, the degraded image stands in its place and is not returned.
        targets = [_either(clean, degraded) for clean, degraded in images]
        self.channels = targets[0].shape[2]
        self.places_of = _places_without_gaps(images, patch)
        self.usable = torch.tensor([k for k in range(len(images)) if len(self.places_of.get(k, (0,)))])
        if not len(self.usable):
            raise UserError(f"training images: no patch of {patch} pixels has a value everywhere; make it smaller")
        self.heights = torch.tensor([target.shape[0] for target in targets])
        self.widths = torch.tensor([target.shape[1] for target in targets])
        sizes = self.heights * self.widths * self.channels
        self.starts = torch.cumsum(sizes, 0) - sizes
        self.clean = _buffer(targets, span).to(device)
        self.paired = torch.tensor([degraded is not None for _, degraded in images])
        self.has_pairs = bool(self.paired.any())
        # False if every patch is taken from disk: degrading them would be wasted.
        self.replaces = degradation.replaces and (degradation.share > 0 or not bool(self.paired.all()))
        if self.has_pairs:
            self.sources = _buffer([_either(degraded, clean) for clean, degraded in images], span).to(device)
        self.unit = partial(unit_of, span=span)
        self.lines: Tensor | None = None  # see `tell_noise`
        self.between = torch.zeros(0, device=device)
        side = torch.arange(patch, device=device)
        self.row, self.column = side[:, None], side[None, :]
        self.channel = torch.arange(self.channels, device=device)[:, None, None]
        # Positions are drawn on the CPU, noise on the device.
        self.places = torch.Generator().manual_seed(seed)
        self.noise = torch.Generator(device=device).manual_seed(seed + 1)

    def tell_noise(self, noise: Sequence[NoiseModel]) -> None:
        """State the noise of each image: batches have its variance and its correlation between channels from now on."""
        self.lines = lines_of(noise).to(self.device)
        self.between = torch.tensor([one.between_channels for one in noise], device=self.device)

    def draw(self) -> Batch:
        """Return the next batch, float32 (B / parts, C, patch, patch) in [0, 1], which noise may leave."""
        places = self._draw_places()
        degraded, clean = self._pair_at(places)
        variance = between = None
        if self.lines is not None:
            which = places[6, self.mine].to(self.device)
            variance, between = variance_for_stein(self.lines[:, which], degraded), self.between[which]
        return Batch(
            degraded,
            clean if self.has_clean else None,
            self.noise,
            self.mine.start,
            self.batch,
            variance=variance,
            between_channels=between,
        )

    def _pair_at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        gray = places[4].tolist() if self.variety.gray_share else []
        numbers = places[[0, 1, 2, 3, 7], self.mine]
        if self.device.type == "cuda":
            numbers = numbers.pin_memory().to(self.device, non_blocking=True)
        first, down, along, made, kept = numbers.to(self.device)[:, :, None, None, None]
        index = first + self.row * down + self.column * along + self.channel  # (B / parts, C, patch, patch)
        clean = self.unit(_gathered(self.clean, index))
        sides = places[5, self.mine]
        clean = softened(clean, sides.tolist())
        source = clean
        if self.has_pairs:
            source = self.unit(_gathered(self.sources, index))
            if bool((sides < self.patch).any()):  # of clean images alone
                soft = (sides < self.patch).to(self.device)[:, None, None, None]
                source = torch.where(soft, clean, source)
        if any(gray):
            turned = torch.tensor(gray[self.mine], dtype=torch.bool, device=self.device)[:, None, None, None]
            clean, source = (torch.where(turned, luma(image), image) for image in (clean, source))
        if self.degradation.replaces and not self.replaces:
            degraded = source
        elif self.replaces:
            degraded = torch.where(made.bool(), self._degraded(clean, gray), source)
        else:
            degraded = self._degraded(source, gray)
        return torch.where(kept.bool(), clean, degraded) if self.variety.clean_share else degraded, clean

    def _degraded(self, before: Tensor, gray: list[int]) -> Tensor:
        if gray:
            both = (self.degradation.apply, self._degraded_in_gray)
            return apply_by_choice(both, gray, before, self.noise, start=self.mine.start)
        return self.degradation.apply(before, self.noise, start=self.mine.start, of=self.batch)

    def _degraded_in_gray(self, gray: Tensor, generator: torch.Generator, *, start: int, of: int) -> Tensor:
        one = self.degradation.apply(gray[:, :1], generator, start=start, of=of)
        return one.expand(-1, self.channels, -1, -1)

    def _draw_places(self) -> Tensor:
        """Return (8, B): offset in the buffer, row and column strides, to be degraded, to be gray, side to enlarge, the
        image, and to be left clean.
        """
        n, side, g = self.batch, self.patch, self.places
        which = self.usable[torch.randint(len(self.usable), (n,), generator=g)]
        width = self.widths[which]
        chance = torch.rand(n, generator=g)
        top = (chance * (self.heights[which] - side + 1)).long()
        left = (torch.rand(n, generator=g) * (width - side + 1)).long()
        for k, image in enumerate(which.tolist() if self.places_of else ()):
            if (places := self.places_of.get(image)) is not None:
                place = int(places[min(int(chance[k] * len(places)), len(places) - 1)])
                top[k], left[k] = divmod(place, int(width[k]) - side + 1)
        down, along = width, torch.ones_like(width)
        if self.variety.augment:
            # One symmetry of the square for each patch: a transposition, then flips of the result.
            flip_y, flip_x, turn = (torch.rand(3, n, generator=g) < 0.5).unbind()
            if self.variety.augment == "mirror":
                flip_y, turn = torch.zeros_like(flip_y), torch.zeros_like(turn)
            from_below, from_right = torch.where(turn, flip_x, flip_y), torch.where(turn, flip_y, flip_x)
            top, down = torch.where(from_below, top + side - 1, top), torch.where(from_below, -down, down)
            left, along = torch.where(from_right, left + side - 1, left), torch.where(from_right, -along, along)
            down, along = torch.where(turn, along, down), torch.where(turn, down, along)
        first = self.starts[which] + (top * width + left) * self.channels
        made = ~self.paired[which]
        if self.replaces and self.degradation.share:
            made |= torch.rand(n, generator=g) < self.degradation.share
        # What is not asked for draws no numbers, so that the patches of a seed stay the same.
        gray = self._chosen(self.variety.gray_share)
        soft = torch.full((n,), side)
        if self.variety.soft_share:
            soft = torch.where(self.paired[which], soft, soft_sides(self.variety, side, n, g))
        kept = self._chosen(self.variety.clean_share)
        strides = down * self.channels, along * self.channels
        return torch.stack([first, *strides, made.long(), gray.long(), soft, which, kept.long()])

    def _chosen(self, share: float) -> Tensor:
        """Return which patches of a batch belong to a share."""
        if not share:
            return torch.zeros(self.batch, dtype=torch.bool)
        return torch.rand(self.batch, generator=self.places) < share

    def state_dict(self) -> dict[str, Tensor]:
        """Return the states of both generators, and the noise of the images: a resumed run does not measure it anew."""
        states = {"places": self.places.get_state(), "noise": self.noise.get_state()}
        return states if self.lines is None else states | {"lines": self.lines, "between": self.between}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the states of both generators; from another kind of device, noise continues with other numbers."""
        self.places.set_state(state["places"])
        if self.lines is not None:
            self.lines, self.between = (state[name].to(self.device) for name in ("lines", "between"))
        if len(state["noise"]) == len(self.noise.get_state()):
            self.noise.set_state(state["noise"])
        else:  # the state of another kind of device cannot be continued: seed from what is the same each time
            self.noise.manual_seed(zlib.crc32(state["places"].numpy().tobytes()))


def _places_without_gaps(images: TrainingImages, patch: int) -> dict[int, npt.NDArray[np.int64]]:
    """Return, by the number of each image with pixels that have no value, where patches without any begin.

    A place is ``top * (width - patch + 1) + left``.
    """
    found: dict[int, npt.NDArray[np.int64]] = {}
    for number, pair in enumerate(images):
        gaps = [np.isnan(image).any(2) for image in pair if image is not None and image.dtype.kind == "f"]
        hidden = np.logical_or.reduce(gaps) if gaps else np.zeros((1, 1), bool)
        if hidden.any():
            # Counts of all squares, from sums over the rectangles that begin at the first pixel.
            sums = np.pad(hidden.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
            counts = sums[patch:, patch:] - sums[:-patch, patch:] - sums[patch:, :-patch] + sums[:-patch, :-patch]
            found[number] = np.flatnonzero(counts == 0)
    return found


def _either(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray:
    image = second if first is None else first
    if image is None:
        raise ValueError("an image with neither a clean nor a degraded version")
    return image


def _buffer(images: Sequence[np.ndarray], span: Span) -> Tensor:
    """Return the pixels of all images, one after another, in their depth."""
    return as_levels(np.concatenate([image.reshape(-1) for image in in_one_depth(images, span)]))


def _gathered(levels: Tensor, index: Tensor) -> Tensor:
    # On the CPU several times faster than levels[index].
    return levels.index_select(0, index.view(-1)).view(index.shape)
