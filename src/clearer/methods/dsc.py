"""DSC (Luo et al., ICCV 2015): rain and image layers by sparse codes in one dictionary that tell them apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clearer.core.errors import UserError
from clearer.images.pixels import BT601
from clearer.methods.base import ImageArray, Method
from clearer.methods.card import Classical
from clearer.methods.sparse_coding import SparseCode, k_svd, optimal_directions, sparse_code

SIDE, STEP = 16, 2
"""Side of a patch and distance between patches, in pixels."""
IMAGE_ATOMS, RAIN_ATOMS = 512, 128
IMAGE_COUNT, RAIN_COUNT = 5, 8
"""Atoms a patch of the image layer and of the rain layer."""
SAMPLE = 10
"""Images that tables measure this method on: it takes minutes for a megapixel."""
ROUNDS = 5
FIRST_PATCHES, FIRST_STEP, FIRST_SWEEPS = 10_000, 3, 5
"""Patches from which the first image atoms are learned, the distance between them, and sweeps of K-SVD."""
STREAK = 24
"""Length in pixels of the motion that draws out a rain drop to a streak."""
BIN = 5
"""Width in degrees of the bins of gradient orientations."""
NEAR_ONE = 1e-3
"""Least transmission of the rain layer."""


class Layers(NamedTuple):
    """The image and the rain that a rainy image is made of, (H, W) in [0, 1]."""

    image: Tensor
    rain: Tensor


def dsc() -> Method:
    """Return DSC with the screen blend of rain, J = I + R - I R."""

    def restore(image: ImageArray, sigma: float | None) -> ImageArray:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).clamp(0, 1)
        channels = pixels.shape[2]
        luma = pixels @ torch.tensor(BT601) if channels == 3 else pixels.mean(2)
        rain = separated(luma).rain[..., None]
        restored: ImageArray = _without(pixels, rain).clamp(0, 1).numpy()
        return restored

    return Method("DSC", "rain", restore, setup="float32, on luma", sample=SAMPLE)


@torch.no_grad()
def separated(rainy: Tensor) -> Layers:
    """Separate a rainy image (H, W) in [0, 1] into two layers.

    Raises:
        UserError: the image is smaller than a patch.
    """
    height, width = rainy.shape
    if min(height, width) < SIDE:
        raise UserError(f"DSC: an image of {width}x{height} pixels is too small; it takes {SIDE}x{SIDE} or more")
    dictionary = torch.cat([_first_image_atoms(rainy), rain_atoms(_streak_angle(rainy))])
    is_rain = torch.arange(len(dictionary)) >= IMAGE_ATOMS
    image, image_patches = rainy, _patches(rainy)
    rain = torch.zeros_like(rainy)
    rain_patches = _part(sparse_code(image_patches, dictionary, RAIN_COUNT), is_rain).decoded(dictionary)
    for _ in range(ROUNDS):
        image_code = sparse_code(image_patches, dictionary, IMAGE_COUNT)
        rain_patches += _part(image_code, is_rain).decoded(dictionary)
        rain_code = sparse_code(rain_patches, dictionary, RAIN_COUNT)
        rain = _overlap_mean(rain_code.decoded(dictionary), rainy.shape).clamp(min=0).minimum(rainy)
        image = _without(rainy, rain)
        image_patches, rain_patches = _patches(image), _patches(rain)
        is_rain = is_rain & (rain_code.energy(len(dictionary)) > 0)
        dictionary = optimal_directions([(image_patches, image_code), (rain_patches, rain_code)], dictionary)
    return Layers(image, rain)


def _without(pixels: Tensor, rain: Tensor) -> Tensor:
    result: Tensor = (pixels - rain) / (1 - rain).clamp(min=NEAR_ONE)
    return result


def _part(code: SparseCode, chosen: Tensor) -> SparseCode:
    """Return the code with the values of the chosen atoms alone."""
    return SparseCode(code.atoms, code.values * chosen[code.atoms])


def _starts(length: int) -> list[int]:
    """Return where patches begin along a side; the last one ends at the border."""
    return sorted({*range(0, length - SIDE + 1, STEP), length - SIDE})


def _patches(image: Tensor) -> Tensor:
    """Return the overlapping patches (K, SIDE * SIDE) of an image."""
    rows, columns = (torch.tensor(_starts(length)) for length in image.shape)
    every = image.unfold(0, SIDE, 1).unfold(1, SIDE, 1)
    patches: Tensor = every[rows[:, None], columns].flatten(2).flatten(0, 1)
    return patches


def _overlap_mean(patches: Tensor, shape: torch.Size) -> Tensor:
    """Return the image whose pixels are the means of the patches that cover them."""
    rows, columns = (torch.tensor(_starts(length)) for length in shape)
    grid = patches.view(len(rows), len(columns), SIDE * SIDE)
    total, count = patches.new_zeros(2, *shape)
    for k in range(SIDE * SIDE):
        at = (rows[:, None] + k // SIDE, columns + k % SIDE)
        total[at] += grid[..., k]
        count[at] += 1
    mean: Tensor = total / count
    return mean


def _first_image_atoms(rainy: Tensor) -> Tensor:
    every: Tensor = rainy.unfold(0, SIDE, FIRST_STEP).unfold(1, SIDE, FIRST_STEP).flatten(2).flatten(0, 1)
    generator = torch.Generator().manual_seed(0)
    patches = every[torch.randperm(len(every), generator=generator)[:FIRST_PATCHES]]
    patches = patches[patches.square().sum(1) > 0]
    if len(patches) == 0:  # a black image, which any atoms represent
        return functional.normalize(torch.rand(IMAGE_ATOMS, SIDE * SIDE, generator=generator), dim=1)
    first = patches[torch.arange(IMAGE_ATOMS) % len(patches)]
    first = first + 1e-3 * torch.rand(first.shape, generator=generator)  # small images repeat their patches
    return k_svd(patches, functional.normalize(first, dim=1), IMAGE_COUNT, FIRST_SWEEPS)


def _streak_angle(rainy: Tensor) -> float:
    """Return the direction of streaks in radians from the x axis: across the most frequent gradient.

    Gradients are those of the smoothed image, since neighboring pixels alone show few directions.
    """
    weights = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / 2)
    smooth = functional.conv2d(rainy[None, None], (weights[:, None] * weights / weights.sum() ** 2)[None, None])
    down, right = torch.gradient(smooth[0, 0])
    degrees = torch.rad2deg(torch.atan2(down, right)) % 180
    bins = (degrees / BIN).long().clamp(max=180 // BIN - 1)
    weight = torch.hypot(down, right)
    total = torch.bincount(bins.flatten(), weight.flatten(), minlength=180 // BIN)
    return math.radians((int(total.argmax()) + 0.5) * BIN + 90)


def rain_atoms(angle: float) -> Tensor:
    """Return unit atoms (RAIN_ATOMS, SIDE * SIDE): drops at random places, drawn out along an angle in radians."""
    generator = torch.Generator().manual_seed(0)
    places = 1 + torch.randint(0, SIDE - 2, (RAIN_ATOMS, 2), generator=generator)
    drop = torch.tensor([-1.0, 0.0, 1.0])
    drop = torch.exp(-(drop[:, None] ** 2 + drop**2) / 2)
    atoms = torch.zeros(RAIN_ATOMS, 1, SIDE, SIDE)
    for atom, (row, column) in zip(atoms, places.tolist(), strict=True):
        atom[0, row - 1 : row + 2, column - 1 : column + 2] = drop
    blurred = functional.conv2d(atoms, _motion(angle)[None, None], padding="same")
    return functional.normalize(blurred.flatten(1), dim=1)


def _motion(angle: float) -> Tensor:
    """Return the kernel of a linear motion, each point of the path shared among the 4 pixels around it."""
    reach = STREAK // 2
    kernel = torch.zeros(2 * reach + 3, 2 * reach + 3)
    for t in np.linspace(-(STREAK - 1) / 2, (STREAK - 1) / 2, 8 * STREAK):
        y, x = t * math.sin(angle) + reach + 1, t * math.cos(angle) + reach + 1
        i, j = math.floor(y), math.floor(x)
        for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
            kernel[i + di, j + dj] += (1 - abs(y - i - di)) * (1 - abs(x - j - dj))
    return kernel / kernel.sum()


DSC = Classical(
    title="DSC",
    task="derain",
    about="sparse codes of image and rain in one dictionary, whose atoms exclude each other",
    source="Luo, Xu and Ji, ICCV 2015",
    make=dsc,
    reading="The solver of its authors is not public: orthogonal matching pursuit, K-SVD with one power iteration an "
    "atom, and the method of optimal directions stand for it. Rain is found on luma, and the same rain is removed from "
    "all channels; the means of patches stay; the rain layer begins with the rain atoms of a code of the image, and is "
    "at most the image itself. The direction of streaks is that of the most frequent gradient of the smoothed image, "
    "weighted by its strength, turned by 90 degrees.",
    checked="parts alone (pursuit, dictionary); its authors' solver is not public",
)
