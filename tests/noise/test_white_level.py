"""The level that color networks trained on white noise are told: raised where noise is not white, else the estimate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from clearer.degradations.base import Degradation
from clearer.degradations.chain import Chain
from clearer.degradations.correlated import Correlated
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.poisson_gaussian import PoissonGaussian
from clearer.images.tensors import to_batch
from clearer.noise.level import estimate_level
from clearer.noise.white_level import HIGHEST, RAISED, white_level

COFFEE = to_batch(skimage.data.coffee()[:256, :320].astype(np.float32) / 255)
GRAY = to_batch(skimage.data.camera()[:256, :320, None].astype(np.float32) / 255)
OTHER: dict[str, Degradation] = {
    "blurred": Correlated(25, 0.8, 1),
    "JPEG": Chain((Gaussian(25), Jpeg(92))),
    "shared": Gaussian(25, channel_correlation=1.0),
}


def noisy(image: torch.Tensor, degradation: Degradation, seed: int = 0) -> torch.Tensor:
    return degradation.apply(image, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [0, 4, 8, 15, 25, 50, 75])
@pytest.mark.parametrize("image", [COFFEE, GRAY], ids=["color", "gray"])
def test_white_noise_is_told_as_it_is_estimated(image: torch.Tensor, sigma: float) -> None:
    x = noisy(image, Gaussian(sigma))
    assert white_level(x).item() == pytest.approx(estimate_level(x).item(), rel=0.02, abs=0.05 / 255)


@pytest.mark.parametrize(
    "degradation",
    [
        Gaussian(20, clip8=True),
        Gaussian(20, channel_spread=1.0),
        PoissonGaussian(50, 0),
        Correlated(20, 0.35, 1),  # so little blurred that the network removes it
    ],
)
def test_so_is_noise_that_depends_on_brightness_and_channel(degradation: Degradation) -> None:
    for seed in range(3):
        x = noisy(COFFEE, degradation, seed)
        assert white_level(x).item() == pytest.approx(estimate_level(x).item(), rel=0.02)


@pytest.mark.parametrize("kind", OTHER)
def test_the_level_of_other_noise_is_raised(kind: str) -> None:
    x = noisy(COFFEE, OTHER[kind])
    assert 2.5 * estimate_level(x).item() < white_level(x).item() <= 1.0001 * HIGHEST


@pytest.mark.parametrize("kind", ["blurred", "JPEG"])
def test_gray_images_are_told_the_estimate(kind: str) -> None:
    x = noisy(GRAY, OTHER[kind])
    assert white_level(x).item() == estimate_level(x).item()


def text(ink: tuple[int, ...], paper: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    image = Image.new("RGB", (320, 256), paper)
    draw = ImageDraw.Draw(image)
    for top in range(2, 250, 13):
        draw.text((2, top), "the quick brown fox jumps over the lazy dog 0123456789", fill=ink)
    return np.asarray(image)


def tinted(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return (image[..., None] * np.array([1, 0.85, 0.6])).round().astype(np.uint8)


def sharpened(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.UnsharpMask(2, 150, 0)))


def halved(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.LANCZOS))


def green(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return image[..., None] * np.array([0, 1, 0], np.uint8)


GRASS, GRAVEL, BRICK = (getattr(skimage.data, name)() for name in ("grass", "gravel", "brick"))
CLEAN = {
    "text": text((0, 0, 0), (255, 255, 255)),
    "blue text": text((20, 40, 120), (245, 245, 245)),
    "light text": text((200, 200, 210), (30, 30, 35)),
    "gray texture": np.repeat(GRASS[..., None], 3, 2),
    "sharp gray texture": np.repeat(sharpened(GRASS)[..., None], 3, 2),
    "tinted texture": tinted(halved(GRASS)),
    "sharp tinted texture": tinted(sharpened(halved(BRICK))),
    "three textures": np.stack([GRAVEL, GRASS, BRICK], 2),
    "green alone": green(skimage.data.camera()),
    "green texture": green(GRAVEL),
    "photograph": skimage.data.chelsea(),
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_content_is_not_taken_for_noise(name: str) -> None:
    x = to_batch(CLEAN[name].astype(np.float32) / 255)
    assert white_level(x).item() == pytest.approx(estimate_level(x).item(), rel=0.02, abs=0.1 / 255)


def test_a_clipped_image_is_not_raised_by_chance() -> None:
    x = ((noisy(COFFEE, Gaussian(4)) - 0.5) * 20 + 0.5).clamp(0, 1)  # hardly a block is open
    assert white_level(x).item() == estimate_level(x).item()


def test_no_level_is_raised_beyond_what_the_network_was_trained_on() -> None:
    x = noisy(COFFEE, OTHER["shared"])
    level = estimate_level(x).item()
    assert white_level(x, 40 / 255).item() == pytest.approx(40 / 255)
    assert white_level(x, 10 / 255).item() == level > 10 / 255


def test_a_level_beyond_the_highest_stays() -> None:
    x = noisy(torch.full((1, 3, 128, 128), 0.5), Gaussian(120, channel_correlation=1.0))
    assert white_level(x).item() == estimate_level(x).item() > HIGHEST


def test_half_shared_noise_is_raised_less_in_doubt() -> None:
    told = []
    for correlation in (0.0, 0.3, 0.45, 0.7):
        x = noisy(COFFEE, Gaussian(10, channel_correlation=correlation))
        told.append(white_level(x).item() / estimate_level(x).item())
    assert told == sorted(told) and told[0] < 1.02 and told[-1] == pytest.approx(RAISED, rel=0.05)


def test_an_image_in_one_channel_of_three_is_white() -> None:
    x = noisy(COFFEE, Gaussian(20)) * torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)
    assert white_level(x).item() == pytest.approx(20 / 255, rel=0.05)


@pytest.mark.parametrize("size", [(3, 5), (8, 8), (7, 300), (20, 20)])
def test_small_images_do_not_tell(size: tuple[int, int]) -> None:
    x = noisy(COFFEE[..., : size[0], : size[1]], OTHER["shared"])
    assert white_level(x).item() == estimate_level(x).item()


@settings(max_examples=20, deadline=None)
@given(channels=st.integers(1, 5), height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 99))
def test_a_batch_is_told_what_each_image_is(channels: int, height: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand((3, channels, 1, 1), generator=generator) + 0.1 * torch.randn(
        (3, 1, height, width), generator=generator
    )
    found, level = white_level(x), estimate_level(x)
    assert found.shape == (3,) and bool((found >= level).all()) and bool(found.isfinite().all())
    assert torch.allclose(found, torch.cat([white_level(one[None]) for one in x]), rtol=1e-4)


def test_images_without_noise_are_told_none() -> None:
    assert white_level(torch.full((1, 3, 100, 100), 0.5)).item() == 0
    assert white_level(torch.ones(1, 1, 100, 100)).item() == 0
    for image in (COFFEE, GRAY):
        assert white_level(image).item() == estimate_level(image).item()
