"""SURE as a training loss: it is the error against the ground truth, for every noise that it is meant for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.losses.base import Batch
from clearer.losses.in_turn import NEIGHBOR2NEIGHBOR_SURE, InTurn
from clearer.losses.neighbor2neighbor import Neighbor2Neighbor
from clearer.losses.sure import Sure
from clearer.noise.model import NoiseModel, lines_of, variance_for_stein


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(count: int, side: int = 128) -> Tensor:
    """Return images between 0.3 and 0.6 without edges, (count, 1, side, side)."""
    x = torch.linspace(0, 6, side)
    return torch.stack([0.45 + 0.15 * torch.sin(x[:, None] + k) * torch.cos(x) for k in range(count)])[:, None]


def filtered(center: float) -> nn.Conv2d:
    """Return a 3x3 filter of one channel: this weight, and the rest of 1 in the four corners."""
    corner = (1 - center) / 4
    network = nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect", bias=False)
    network.weight.data = torch.tensor([corner, 0, corner, 0, center, 0, corner, 0, corner]).view(1, 1, 3, 3)
    return network.requires_grad_(False)


@given(seed=st.integers(0, 99), sigma=st.floats(0.02, 0.06), center=st.floats(-1, 2))
@settings(max_examples=10, deadline=None)
def test_the_mean_is_the_error_against_the_ground_truth_for_gaussian_noise(
    seed: int, sigma: float, center: float
) -> None:
    clean, generator = smooth(16), seeded(seed)
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    network = filtered(center)
    value = float(Sure(every=1)(network, Batch(noisy, None, generator, variance=torch.full_like(noisy, sigma**2))))
    error = float((network(noisy) - clean).square().mean())
    # The two differ by a mean over 0.26 million pixels, whose standard deviation is 0.5 % of this scale: five of them.
    assert value == pytest.approx(error, abs=0.025 * sigma**2 * (1 + center**2))


@pytest.mark.parametrize("read_noise", [0.0, 0.1])
def test_the_mean_is_the_error_against_the_ground_truth_for_photons(read_noise: float) -> None:
    clean, gain, generator = smooth(16), 0.02, seeded(1)  # 15 to 30 photons
    noisy = gain * torch.poisson(clean / gain, generator=generator)
    noisy = noisy + read_noise * torch.randn(clean.shape, generator=generator)
    variance = variance_for_stein(lines_of([NoiseModel((gain,), (read_noise**2,))]), noisy)
    batch = Batch(noisy, None, generator, variance=variance)

    def bent(x: Tensor) -> Tensor:  # a result that is not linear in the pixel would exploit the skewness of photons
        return x.square()

    for network in (filtered(0.0), filtered(0.6), bent):
        with torch.no_grad():
            error = float((network(noisy) - clean).square().mean())
        assert float(Sure(every=1)(network, batch)) == pytest.approx(error, abs=0.03 * float(variance.mean()))


def test_noise_that_channels_share_is_counted_in_all_of_them() -> None:
    clean, sigma, generator = smooth(12).expand(-1, 3, -1, -1), 0.05, seeded(2)
    one = sigma * torch.randn(clean[:, :1].shape, generator=generator)
    noisy = clean + one
    variance, between = torch.full_like(noisy, sigma**2), torch.ones(len(noisy))

    def mean_of_channels(x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True).expand_as(x)

    value = float(
        Sure(every=1)(mean_of_channels, Batch(noisy, None, generator, variance=variance, between_channels=between))
    )
    assert value == pytest.approx(sigma**2, rel=0.03)  # the mean of equal noise is as strong as before


@pytest.mark.parametrize("truth", [0.0, 0.03, 0.97, 1.0])
def test_clipped_regions_are_restored_to_what_they_were(truth: float) -> None:
    sigma, generator = 0.1, seeded(3)
    noisy = (truth + sigma * torch.randn(4, 1, 128, 128, generator=generator)).clamp(0, 1)
    assert abs(float(noisy.mean()) - truth) > 0.02
    batch = Batch(noisy, None, generator, variance=torch.full_like(noisy, sigma**2))
    value = torch.tensor(0.5, requires_grad=True)
    optimizer = torch.optim.SGD([value], 0.4)
    for _ in range(40):
        optimizer.zero_grad()
        Sure(every=1)(lambda x: value.expand_as(x), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(value.detach()) == pytest.approx(truth, abs=0.004)


def test_a_result_that_falls_steeply_at_black_gains_nothing() -> None:
    sigma, generator = 0.1, seeded(4)
    noisy = (0.05 + sigma * torch.randn(4, 1, 64, 64, generator=generator)).clamp(0, 1)
    batch = Batch(noisy, None, seeded(5), variance=torch.full_like(noisy, sigma**2))

    def falling(slope: float) -> float:
        return float(Sure(every=1)(lambda x: 0.05 + slope * (0.02 - x).clamp(min=0), batch))

    batch.generator.set_state(seeded(5).get_state())  # type: ignore[union-attr]
    values = [falling(slope) for slope in (0.0, 2.0, 5.0, 20.0)]
    assert values == sorted(values)


def test_values_beyond_the_range_are_disturbed_as_others_are() -> None:
    noisy = torch.linspace(-0.5, 1.5, 64).view(1, 1, 8, 8)
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    Sure(step=0.1, every=1)(network, Batch(noisy, None, seeded(6), variance=torch.full_like(noisy, 0.04)))
    inner = (noisy > -0.45) & (noisy < 1.45)
    assert torch.allclose((seen[0][:1] - noisy).abs()[inner], torch.tensor(0.02), atol=1e-6)


@pytest.mark.parametrize("parts", [[(0, 6)], [(0, 3), (3, 6)], [(k, k + 1) for k in range(6)]])
def test_processes_compute_the_estimate_of_the_whole_batch(parts: list[tuple[int, int]]) -> None:
    images = torch.rand(6, 1, 8, 8, generator=seeded(1))
    variance = 0.01 + images / 100
    values = [
        float(Sure()(torch.square, Batch(images[a:b], None, seeded(2), start=a, of=6, variance=variance[a:b])))
        for a, b in parts
    ]
    whole = Sure()(torch.square, Batch(images, None, seeded(2), variance=variance))
    assert sum(values) / len(values) == pytest.approx(float(whole), rel=1e-5)


def test_a_process_without_such_a_patch_adds_nothing_and_draws_as_the_others() -> None:
    images, generator, other = torch.rand(2, 1, 8, 8), seeded(2), seeded(2)

    def network(x: Tensor) -> Tensor:
        assert len(x), "networks take no empty batch"
        return x

    variance = torch.full((1, 1, 8, 8), 0.01)
    value = Sure()(network, Batch(images[1:], None, generator, start=1, of=2, variance=variance))
    Sure()(network, Batch(images[:1], None, other, start=0, of=2, variance=variance))
    assert float(value) == 0 and not value.requires_grad
    assert torch.equal(generator.get_state(), other.get_state())


@pytest.mark.parametrize(("progress", "loss"), [(0.1, Neighbor2Neighbor()), (0.6, Neighbor2Neighbor()), (0.61, Sure())])
def test_it_follows_neighbor2neighbor_at_its_share_of_the_training(
    progress: float, loss: Neighbor2Neighbor | Sure
) -> None:
    images = torch.rand(4, 1, 8, 8, generator=seeded(1))

    def value(of: Neighbor2Neighbor | Sure | InTurn) -> float:
        batch = Batch(images, None, seeded(2), progress=progress, variance=images / 100)
        return float(of(torch.square, batch))

    assert value(NEIGHBOR2NEIGHBOR_SURE) == value(loss)
    assert NEIGHBOR2NEIGHBOR_SURE.needs_noise and not NEIGHBOR2NEIGHBOR_SURE.needs_clean
    assert NEIGHBOR2NEIGHBOR_SURE.smallest_patch == Neighbor2Neighbor.smallest_patch
