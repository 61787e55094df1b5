"""The blind noise level: right values on photographs, whatever the noise, and no noise where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from tests.helpers.photos import SHIPPED
from torch import Tensor

from clearer.degradations.chain import Chain
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.images.view import read_image
from clearer.noise.level import estimate_level


def photo(name: str) -> Tensor:
    """Return a photograph of scikit-image, (1, 3, H, W)."""
    pixels = read_image(SHIPPED / name, 3)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def noise_like(image: Tensor, seed: int = 0) -> Tensor:
    return torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [5, 15, 25, 50, 75])
@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "chelsea.png"])
def test_white_noise_on_photographs_is_measured_within_6_percent(name: str, sigma: float) -> None:
    clean = photo(name)
    found = float(estimate_level(clean + sigma / 255 * noise_like(clean))) * 255
    assert found == pytest.approx(sigma, rel=0.06, abs=1.0)  # these photographs have noise of their own


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_a_batch_of_patches_has_no_bias(sigma: float) -> None:
    clean = photo("astronaut.png")
    patches = clean[0].unfold(1, 64, 64).unfold(2, 64, 64).reshape(3, -1, 64, 64).transpose(0, 1)
    found = estimate_level(patches + sigma / 255 * noise_like(patches)) * 255
    assert found.shape == (64,)
    assert float(found.median()) == pytest.approx(sigma, rel=0.04)


def test_clean_images_have_nearly_no_noise() -> None:
    for name in ("astronaut.png", "coffee.png"):
        assert float(estimate_level(photo(name))) * 255 < 2.5


def test_a_smooth_image_has_exactly_the_noise_added() -> None:
    ramp = torch.linspace(0.2, 0.8, 512).expand(1, 1, 512, 512)
    steep = torch.linspace(0.2, 0.8, 128).expand(1, 1, 128, 128)
    for smooth in (ramp, ramp.mT, steep, steep.mT, (steep + steep.mT) / 2):
        assert float(estimate_level(smooth)) < 5e-4
    assert float(estimate_level(ramp + 0.05 * noise_like(ramp))) == pytest.approx(0.05, rel=0.02)


def test_blurred_noise_on_a_photograph_is_not_overlooked() -> None:
    clean = photo("astronaut.png")
    noise = noise_like(clean)
    blurred = sum(noise.roll((y, x), (2, 3)) for y in range(3) for x in range(3)) / 3  # RMS 1
    assert float(estimate_level(clean + 20 / 255 * blurred)) * 255 == pytest.approx(20, rel=0.25)


def test_the_level_of_clipped_noise_is_that_of_the_noise_as_stored() -> None:
    clean = photo("coffee.png")
    stored = ((clean + 50 / 255 * noise_like(clean)).clamp(0, 1) * 255).round() / 255
    assert float(estimate_level(stored)) == pytest.approx(float((stored - clean).square().mean().sqrt()), rel=0.12)


def test_clipped_areas_do_not_count_as_free_of_noise() -> None:
    image = torch.full((1, 1, 256, 256), 0.5) + 0.1 * noise_like(torch.empty(1, 1, 256, 256))
    image[..., :128] = 0  # half of it black
    assert float(estimate_level(image)) == pytest.approx(0.1, rel=0.05)


def test_of_channels_the_level_is_the_rms() -> None:
    level = torch.tensor([0.02, 0.04, 0.1]).view(1, 3, 1, 1)
    noisy = 0.5 + level * noise_like(torch.empty(1, 3, 256, 256))
    assert float(estimate_level(noisy)) == pytest.approx(float(level.square().mean().sqrt()), rel=0.03)


def test_channels_without_noise_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(1, 3, 128, 128)
    x[:, 1] = 0.4 + 20 / 255 * torch.randn((128, 128), generator=generator)
    x[:, 2, 100:110, 20:60] = 1.0  # a scale bar
    assert estimate_level(x).item() * 255 == pytest.approx(20, rel=0.06)
    assert estimate_level(torch.zeros(1, 3, 128, 128)).item() == 0


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), channels=st.integers(1, 4), batch=st.integers(1, 3))
def test_any_shape_gives_a_finite_level_that_does_not_depend_on_the_batch(
    height: int, width: int, channels: int, batch: int
) -> None:
    images = 0.5 + 0.1 * noise_like(torch.empty(batch, channels, height, width))
    found = estimate_level(images)
    assert found.shape == (batch,) and bool(torch.isfinite(found).all())
    assert torch.allclose(found[-1:], estimate_level(images[-1:]), rtol=1e-5, atol=1e-7)


def test_the_level_scales_with_the_image_and_is_float32_without_gradient() -> None:
    image = (0.5 + 0.1 * noise_like(torch.empty(1, 1, 96, 96))).requires_grad_()
    found = estimate_level(image)
    assert found.dtype == torch.float32 and not found.requires_grad
    assert float(estimate_level(image * 0.25)) == pytest.approx(float(found) / 4, rel=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(estimate_level(image)) == float(found)


@pytest.mark.parametrize("shape", [(8, 900), (900, 9)])
def test_thin_images_have_a_level_however_few_blocks_are_read(shape: tuple[int, int]) -> None:
    image = 0.5 + 0.1 * torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    assert float(estimate_level(image, 16)) == pytest.approx(0.1, rel=0.4)


def page(sigma: float, quality: int | None) -> Tensor:
    """Return a page of text on plain paper with white noise, also as JPEG, (1, 1, H, W)."""
    paper = Image.new("L", (400, 300), 245)
    for row in range(12):
        ImageDraw.Draw(paper).text((20, 12 + 20 * row), "The quick brown fox jumps over the lazy dog" * 2, 40)
    clean = torch.from_numpy(np.array(paper))[None, None].float() / 255
    steps = [Gaussian(sigma), *([] if quality is None else [Jpeg(quality)])]
    return Chain(tuple(steps)).apply(clean, torch.Generator().manual_seed(0)).clamp(0, 1)


@pytest.mark.parametrize("sigma", [4, 8, 16])
@pytest.mark.parametrize("quality", [None, 95, 70, 50])
def test_text_on_plain_paper_is_no_noise(sigma: float, quality: int | None) -> None:
    found = float(estimate_level(page(sigma, quality))) * 255
    assert found <= 1.2 * sigma  # compression removes some
    if quality is None:
        assert found >= 0.75 * sigma  # what is above white is clipped


def test_a_page_of_text_without_noise_has_none() -> None:
    assert float(estimate_level(page(0, None))) * 255 < 0.1


@pytest.mark.parametrize("blur", [0.0, 0.5])
@pytest.mark.parametrize("dark", [0.02, 0.1])
def test_noise_of_photons_beside_dark_parts_is_no_content(blur: float, dark: float) -> None:
    clean = torch.full((1, 1, 256, 256), dark)
    clean[..., 128:] = 0.7
    reach = torch.arange(-2, 3).float()
    kernel = (-(reach**2) / (2 * blur**2)).exp() if blur else (reach == 0).float()
    kernel = kernel[:, None] * kernel / (kernel[:, None] * kernel).square().sum().sqrt()  # keeps the RMS
    noise = torch.nn.functional.conv2d(noise_like(clean), kernel[None, None], padding="same") * 0.07 * clean.sqrt()
    found, true = float(estimate_level(clean + noise)), float(noise.square().mean().sqrt())
    assert 0.55 * true < found < 1.1 * true  # noise that neighbors share is underestimated
