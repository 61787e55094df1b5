"""Demosaicing as one strided convolution, and the mosaic that it takes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

DEMOSAICS = ("bilinear", "gradient")
REACH = 2
"""Pixels around the image that demosaicing reads."""

RED, GREEN, BLUE = 0, 1, 2
_RGGB = ((RED, GREEN), (GREEN, BLUE))


def site_colors(phase: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the color of each pixel of a 2x2 tile of the RGGB mosaic, moved by ``phase`` (rows, columns).

    >>> site_colors((0, 1))
    ((1, 0), (2, 1))
    """
    down, right = phase
    upper, lower = (
        (_RGGB[(i + down) % 2][right % 2], _RGGB[(i + down) % 2][(1 + right) % 2]) for i in (0, 1)
    )  # fmt: skip
    return upper, lower


def mosaic(image: Tensor, phase: tuple[int, int]) -> Tensor:
    """Return what a sensor behind an RGGB mosaic sees of a color image.

    Args:
        image: (3, H, W), both even.
        phase: rows and columns by which the mosaic is moved.

    Returns:
        (H, W).
    """
    seen = image.new_empty(image.shape[1:])
    for i, colors in enumerate(site_colors(phase)):
        for j, color in enumerate(colors):
            seen[i::2, j::2] = image[color, i::2, j::2]
    return seen


def demosaic(seen: Tensor, phase: tuple[int, int], how: str, matrix: Tensor) -> Tensor:
    """Return the color image of a mosaic: linear interpolation of the missing colors, then a matrix.

    Args:
        seen: (H + 4, W + 4), both even, white-balanced: the image and `REACH` pixels around it.
        phase: of the mosaic at the first pixel of ``seen``.
        how: ``"bilinear"``, or ``"gradient"``: gradient-corrected (Malvar, He, Cutler: High-quality linear
            interpolation for demosaicing of Bayer-patterned color images, ICASSP 2004).
        matrix: (3, 3), applied to the colors of each pixel.

    Returns:
        (3, H, W).
    """
    import torch

    kernels = _kernels(phase, how).to(seen.device, seen.dtype)
    weight = (matrix @ kernels.flatten(1)).view(12, 1, 6, 6)
    found = torch.nn.functional.conv2d(seen[None, None], weight, stride=2)
    image: Tensor = torch.nn.functional.pixel_shuffle(found, 2)[0]
    return image


@cache
def _kernels(phase: tuple[int, int], how: str) -> Tensor:
    """Return the kernels of a 2x2 tile, (3 colors, 2 x 2 pixels, 6, 6)."""
    import torch

    cross, across, diagonal = (torch.tensor(rows) for rows in _TAPS[how])
    here = torch.zeros(5, 5)
    here[2, 2] = 1
    colors = site_colors(phase)
    kernels = torch.zeros(3, 2, 2, 6, 6)
    for i in (0, 1):
        for j in (0, 1):
            site, beside = colors[i][j], colors[i][1 - j]
            for color in (RED, GREEN, BLUE):
                if color == site:
                    taps = here
                elif color == GREEN:
                    taps = cross
                elif site == GREEN:
                    taps = across if color == beside else across.T
                else:
                    taps = diagonal
                kernels[color, i, j, i : i + 5, j : j + 5] = taps
    return kernels


_TAPS = {
    "bilinear": (
        [[0, 0, 0, 0, 0], [0, 0, 0.25, 0, 0], [0, 0.25, 0, 0.25, 0], [0, 0, 0.25, 0, 0], [0, 0, 0, 0, 0]],
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0.5, 0, 0.5, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        [[0, 0, 0, 0, 0], [0, 0.25, 0, 0.25, 0], [0, 0, 0, 0, 0], [0, 0.25, 0, 0.25, 0], [0, 0, 0, 0, 0]],
    ),
    "gradient": (
        [[0, 0, -0.125, 0, 0], [0, 0, 0.25, 0, 0], [-0.125, 0.25, 0.5, 0.25, -0.125], [0, 0, 0.25, 0, 0],
         [0, 0, -0.125, 0, 0]],
        [[0, 0, 0.0625, 0, 0], [0, -0.125, 0, -0.125, 0], [-0.125, 0.5, 0.625, 0.5, -0.125],
         [0, -0.125, 0, -0.125, 0], [0, 0, 0.0625, 0, 0]],
        [[0, 0, -0.1875, 0, 0], [0, 0.25, 0, 0.25, 0], [-0.1875, 0, 0.75, 0, -0.1875], [0, 0.25, 0, 0.25, 0],
         [0, 0, -0.1875, 0, 0]],
    ),
}  # fmt: skip
"""Green at red or blue; a color at green from its own row (transposed: column); red at blue and blue at red."""
