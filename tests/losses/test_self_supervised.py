"""Losses that learn from noisy images alone: what the network sees and what it is compared with."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.losses.base import Batch, Loss
from clearer.losses.neighbor2neighbor import NEIGHBORS, Neighbor2Neighbor, subsampled
from clearer.losses.noise2noise import NOISE2NOISE
from clearer.losses.noise2void import NOISE2VOID, Noise2Void
from clearer.losses.registry import LOSSES

SELF_SUPERVISED = [name for name, loss in LOSSES.all().items() if not loss.needs_clean]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(height: int, width: int) -> Tensor:
    """Return an image whose values are the places of its pixels."""
    return torch.arange(height * width, dtype=torch.float64).view(1, 1, height, width)


@given(seed=st.integers(0, 99), height=st.integers(2, 9), width=st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_subsamplers_take_two_adjacent_pixels_of_each_cell(seed: int, height: int, width: int) -> None:
    choice = torch.randint(len(NEIGHBORS), (1, height // 2, width // 2), generator=seeded(seed))
    first, second = subsampled(places(height, width), choice)
    assert first.shape == second.shape == (1, 1, height // 2, width // 2)
    distances = [(first // width - second // width).abs(), (first % width - second % width).abs()]
    assert (distances[0] + distances[1] == 1).all()
    for image in (first, second):
        assert torch.equal(image // width // 2, torch.arange(height // 2).view(-1, 1).expand(image.shape).double())
        assert torch.equal(image % width // 2, torch.arange(width // 2).view(1, -1).expand(image.shape).double())


def test_subsamplers_take_all_channels_of_a_pixel() -> None:
    images = torch.cat([places(4, 6), places(4, 6) + 100], 1)
    choice = torch.randint(len(NEIGHBORS), (1, 2, 3), generator=seeded(0))
    for image in subsampled(images, choice):
        assert torch.equal(image[:, 0] + 100, image[:, 1])


def test_neighbor2neighbor_of_the_identity_has_a_known_value() -> None:
    # For the identity the second term vanishes, so the loss is the mean squared difference of the neighbors.
    images = torch.rand(2, 1, 8, 8, generator=seeded(1))
    batch = Batch(images, None, seeded(2))
    first, second = subsampled(images, Batch(images, None, seeded(2)).integers(len(NEIGHBORS), 4, 4))
    assert Neighbor2Neighbor()(lambda x: x, batch) == pytest.approx(float((first - second).square().mean()))


def test_the_second_term_of_neighbor2neighbor_grows_with_progress() -> None:
    images = torch.rand(1, 1, 8, 8, generator=seeded(1)).expand(6, -1, -1, -1)
    choice = seeded(2).get_state()

    def value(progress: float) -> float:
        generator = seeded(2)
        generator.set_state(choice)
        return float(Neighbor2Neighbor(every=1)(lambda x: 0 * x, Batch(images, None, generator, progress=progress)))

    values = [value(progress) for progress in (0.0, 0.5, 1.0)]
    # The restored images are 0, so both terms are the mean square of the second sub-image.
    assert values[1] == pytest.approx(2 * values[0]) and values[2] == pytest.approx(3 * values[0])


@given(seed=st.integers(0, 99), above=st.integers(0, 3), beside=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_hidden_pixels_stand_nowhere_in_the_images(seed: int, above: int, beside: int) -> None:
    images = places(17, 19).expand(3, 2, -1, -1)
    hidden = Noise2Void(above, beside).hide(Batch(images, None, seeded(seed)))
    assert hidden.centers.flatten(1).any(1).all()
    for shown, image, centers in zip(hidden.images, images, hidden.centers, strict=True):
        for y, x in centers[0].nonzero().tolist():
            covered = image[0, max(0, y - above) : y + above + 1, max(0, x - beside) : x + beside + 1]
            assert not torch.isin(covered, shown[0]).any()
        assert torch.equal(shown[0], shown[1])  # all channels of a pixel are hidden
        replaced = shown[0] != image[0]
        shift = (shown[0] // 19 - image[0] // 19).abs()[replaced], (shown[0] % 19 - image[0] % 19).abs()[replaced]
        assert shift[0].max() <= 2 * above + 2 and shift[1].max() <= 2


def test_noise2void_never_sees_the_pixels_that_it_predicts() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    images = torch.rand(1, 1, 12, 12, requires_grad=True)
    hidden = NOISE2VOID.hide(Batch(images, None, seeded(3)))
    predicted = network(hidden.images)[hidden.centers]
    (gradient,) = torch.autograd.grad(predicted.sum(), images)
    assert (gradient[hidden.centers] == 0).all() and (gradient[~hidden.centers] != 0).any()


class Blur(nn.Module):
    """A 3x3 convolution, which starts as the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(1, 1, 3, 3))
        self.kernel.data[0, 0, 1, 1] = 1

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), "reflect"), self.kernel)


def trained(loss: Loss, clean: Tensor, noise: float, paired: bool = False) -> float:
    """Train `Blur` on fixed noisy images; return its mean squared error against the clean ones."""
    generator = seeded(5)
    first, second = (clean + noise * torch.randn(clean.shape, generator=generator) for _ in range(2))
    network = Blur()
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(60):
        variance = torch.full_like(first, noise**2)
        value = loss(network, Batch(first, second if paired else None, generator, variance=variance))
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        return float((network(first) - clean).square().mean())


@pytest.mark.parametrize("name", [*SELF_SUPERVISED, "noise2noise"])
def test_learns_to_average_independent_noise_without_clean_images(name: str) -> None:
    noise = 0.2
    clean = torch.linspace(0.2, 0.8, 32).view(1, 1, 1, -1).expand(4, 1, 32, 32)
    error = trained(LOSSES.get(name), clean, noise, paired=name == "noise2noise")
    assert error < 0.35 * noise**2  # the mean of 9 pixels has 0.11, of the 8 around a pixel 0.125, the identity 1


def test_parts_of_a_batch_draw_what_the_whole_draws() -> None:
    images = torch.rand(4, 1, 8, 8, generator=seeded(1))
    whole = NOISE2VOID.hide(Batch(images, None, seeded(7)))
    part = NOISE2VOID.hide(Batch(images[2:], None, seeded(7), start=2, of=4))
    assert torch.equal(whole.images[2:], part.images) and torch.equal(whole.centers[2:], part.centers)


@pytest.mark.parametrize("parts", [[(0, 6)], [(0, 3), (3, 6)], [(k, k + 1) for k in range(6)]])
def test_processes_compute_the_second_term_of_the_whole_batch(parts: list[tuple[int, int]]) -> None:
    images = torch.rand(6, 1, 8, 8, generator=seeded(1))
    values = [
        float(Neighbor2Neighbor()(lambda x: x * x, Batch(images[a:b], None, seeded(2), start=a, of=6)))
        for a, b in parts
    ]
    whole = Neighbor2Neighbor()(lambda x: x * x, Batch(images, None, seeded(2)))
    assert sum(values) / len(values) == pytest.approx(float(whole), rel=1e-5)


def test_noise2noise_compares_with_the_other_exposure() -> None:
    assert NOISE2NOISE(lambda x: x + 0.5, Batch(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))) == 0.25
