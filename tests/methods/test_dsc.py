import math

import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.evaluation.protocols import parse_protocol
from clearer.methods import dsc as module
from clearer.methods.dsc import dsc, rain_atoms, separated
from helpers.photos import photograph


def streaks(height: int, width: int, angle: float) -> torch.Tensor:
    """Return rain: the sum of 60 faint lines of one direction in radians from the x axis."""
    generator = np.random.default_rng(0)
    rain = torch.zeros(height, width)
    for y, x in zip(generator.integers(0, height, 60), generator.integers(0, width, 60), strict=True):
        for t in range(14):
            i, j = round(y + t * math.sin(angle)), round(x + t * math.cos(angle))
            if 0 <= i < height and 0 <= j < width:
                rain[i, j] = 0.5
    return rain


@pytest.mark.parametrize("degrees", [35, 80, 120])
def test_atoms_are_drawn_out_along_the_streaks(degrees: int) -> None:
    rain = streaks(90, 90, math.radians(degrees))
    found = math.degrees(module._streak_angle(rain)) % 180
    assert abs(found - degrees) <= 10
    atoms = rain_atoms(math.radians(degrees)).view(-1, 16, 16)
    assert torch.allclose(atoms.flatten(1).norm(dim=1), torch.ones(len(atoms))) and atoms.min() >= 0
    # The largest principal axis of an atom lies in the direction of the motion.
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    atom = atoms[atoms.amax((1, 2)).argmin()]  # the one that the border cuts least
    y, x = rows - (rows * atom).sum() / atom.sum(), columns - (columns * atom).sum() / atom.sum()
    spread = torch.stack([(x * x * atom).sum(), (x * y * atom).sum(), (y * y * atom).sum()])
    axis = 0.5 * math.degrees(math.atan2(2 * float(spread[1]), float(spread[0] - spread[2]))) % 180
    assert abs(axis - degrees) < 8


def test_patches_cover_all_pixels_and_their_mean_is_the_image() -> None:
    image = torch.rand(21, 34, generator=torch.Generator().manual_seed(0))
    patches = module._patches(image)
    assert patches.shape == (4 * 10, 256)
    assert torch.allclose(module._overlap_mean(patches, image.shape), image, atol=1e-6)


def test_streaks_on_a_smooth_image_are_removed_from_all_channels() -> None:
    rows, columns = torch.meshgrid(torch.linspace(0.2, 0.5, 64), torch.linspace(0, 0.2, 64), indexing="ij")
    clean = torch.stack([rows, rows + columns, columns + 0.3], 2)
    rain = streaks(64, 64, math.radians(80))[..., None]
    rainy = (clean + rain - clean * rain).numpy()
    method = dsc()
    before = rainy.copy()
    found = method.restore(rainy, None)
    assert found.dtype == np.float32 and found.shape == rainy.shape and np.array_equal(rainy, before)
    errors = [float(np.mean((x - clean.numpy()) ** 2)) for x in (rainy, found)]
    assert errors[1] < 0.85 * errors[0]
    removed = (rainy - found) / (1 - found)  # the screen blend's rain, which is the same in all channels
    inside = (found > 0).all(2)
    assert np.abs(removed - removed[..., :1])[inside].max() < 1e-3 and np.array_equal(
        found, method.restore(rainy, None)
    )


def test_layers_blend_to_the_rainy_image() -> None:
    rainy = torch.from_numpy(photograph("camera.png", 48)[..., 0].astype(np.float32) / 255)
    layers = separated(rainy)
    assert torch.allclose(layers.image + layers.rain - layers.image * layers.rain, rainy, atol=1e-5)
    assert layers.rain.min() >= 0 and layers.image.min() >= 0


def test_it_is_for_rain() -> None:
    method = dsc()
    suited = [method.suits(parse_protocol(p)) for p in ("rain-rgb", "rain-y", "gray-awgn-50")]
    assert suited == [True, True, False]
    with pytest.raises(UserError, match="20x15 pixels is too small"):
        method.restore(np.zeros((15, 20, 3), np.float32), None)
    assert np.array_equal(method.restore(np.zeros((20, 18, 3), np.float32), None), np.zeros((20, 18, 3)))
