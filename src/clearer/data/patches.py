"""Training batches: patches cut from uint8 pictures in memory, flipped and degraded as one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clearer.data.degradations import Degradation, degrade


class PatchSampler:
    """Draws batches of (degraded, clean) patches; all randomness comes from its own generators.

    The pictures lie end to end in one uint8 buffer on the device, so that a batch is a single gather.
    ``state_dict`` holds the generators' states: a resumed run draws what the uninterrupted one would.

    Args:
        pictures: (clean, degraded or None) of each picture, uint8 (H, W, C).
        patch: side of the patches in pixels; no picture may be smaller.
        batch: patches in a batch.
        degradation: applied to the clean patch (and to the pair's degraded patch where there is one).
        augment: random flips and quarter turns.
    """

    def __init__(
        self,
        pictures: Sequence[tuple[np.ndarray, np.ndarray | None]],
        *,
        patch: int,
        batch: int,
        degradation: Degradation,
        augment: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        self.patch, self.batch, self.degradation, self.augment, self.device = patch, batch, degradation, augment, device
        self.channels = pictures[0][0].shape[2]
        self.heights = torch.tensor([clean.shape[0] for clean, _ in pictures])
        self.widths = torch.tensor([clean.shape[1] for clean, _ in pictures])
        sizes = self.heights * self.widths * self.channels
        self.starts = torch.cumsum(sizes, 0) - sizes
        self.clean = torch.from_numpy(np.concatenate([c.reshape(-1) for c, _ in pictures])).to(device)
        self.paired = pictures[0][1] is not None
        if self.paired:
            flat = [d.reshape(-1) for _, d in pictures if d is not None]
            self.degraded = torch.from_numpy(np.concatenate(flat)).to(device)
        # Places are drawn on the CPU, noise on the device.
        self.places = torch.Generator().manual_seed(seed)
        self.noise = torch.Generator(device=device).manual_seed(seed + 1)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return (degraded, clean), each float32 (B, C, patch, patch) in [0, 1] (noise may leave it)."""
        n, side, g = self.batch, self.patch, self.places
        which = torch.randint(len(self.starts), (n,), generator=g)
        top = (torch.rand(n, generator=g) * (self.heights[which] - side + 1)).long()
        left = (torch.rand(n, generator=g) * (self.widths[which] - side + 1)).long()
        corner = self.starts[which] + (top * self.widths[which] + left) * self.channels
        row, column, channel = torch.arange(side), torch.arange(side), torch.arange(self.channels)
        if self.augment:
            # A symmetry of the square for each patch: flips, and a transposition.
            flip_y, flip_x, turn = (torch.rand(3, n, generator=g) < 0.5).unbind()
            rows = torch.where(flip_y[:, None], side - 1 - row, row)  # (B, patch)
            columns = torch.where(flip_x[:, None], side - 1 - column, column)
            y = torch.where(turn[:, None, None], columns[:, None, :], rows[:, :, None])  # (B, patch, patch)
            x = torch.where(turn[:, None, None], rows[:, :, None], columns[:, None, :])
        else:
            y, x = row[None, :, None].expand(n, side, side), column[None, None, :].expand(n, side, side)
        pixel = corner[:, None, None] + (y * self.widths[which][:, None, None] + x) * self.channels
        index = (pixel[:, None] + channel[None, :, None, None]).to(self.device)  # (B, C, patch, patch)
        clean = self.clean[index].float() / 255
        source = self.degraded[index].float() / 255 if self.paired else clean
        return degrade(source, self.degradation, self.noise), clean

    def state_dict(self) -> dict[str, Tensor]:
        """Return the generators' states."""
        return {"places": self.places.get_state(), "noise": self.noise.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the generators' states."""
        self.places.set_state(state["places"])
        self.noise.set_state(state["noise"])
