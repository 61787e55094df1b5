"""Errors estimated without ground truth, against the errors that ground truth gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from torch import Tensor, nn

from clearer.evaluation.no_reference import Estimate, NoReference
from clearer.images.tensors import to_batch
from clearer.noise.model import NoiseModel

SIGMA = 0.08
MODEL = NoiseModel((0.0,), (SIGMA**2,))


def scene(k: int) -> np.ndarray:
    y, x = np.mgrid[:96, :96]
    return (0.5 + 0.2 * np.sin(x / (4 + k)) * np.cos(y / 7)).astype(np.float32)[:, :, None]


def noise_of(model: NoiseModel, k: int, clean: np.ndarray) -> np.ndarray:
    drawn = model.draw(torch.Size((1, 1, 96, 96)), torch.Generator().manual_seed(100 + k))
    return (drawn * model.variance(to_batch(clean)).sqrt())[0, 0].numpy()[:, :, None]


def mean_filter(size: int) -> nn.Module:
    return nn.Sequential(nn.ReflectionPad2d(size // 2), nn.AvgPool2d(size, 1)) if size > 1 else nn.Identity()


CLEAN = [scene(k) for k in range(4)]


def true_error(restore: nn.Module, noisy: list[np.ndarray]) -> float:
    restored = [restore(to_batch(image)).clamp(0, 1) for image in noisy]
    errors = [(r - to_batch(clean)).square().mean() for r, clean in zip(restored, CLEAN, strict=True)]
    return float(torch.stack(errors).mean())


@pytest.mark.parametrize(
    "model",
    [MODEL, NoiseModel((0.01,), (0.001,)), NoiseModel((0.0,), (SIGMA**2,), (0.6, 0.2), (0.3, 0.0))],
    ids=["gaussian", "poisson-gaussian", "correlated"],
)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_sure_is_the_true_error(model: NoiseModel, size: int) -> None:
    noisy = [clean + noise_of(model, k, clean) for k, clean in enumerate(CLEAN)]
    restore = mean_filter(size)
    estimate = NoReference([(image, None) for image in noisy], [model] * 4).estimate(restore)
    noise = float(np.mean([np.square(n - c).mean() for n, c in zip(noisy, CLEAN, strict=True)]))
    assert np.mean(estimate.errors) == pytest.approx(true_error(restore, noisy), abs=0.06 * noise)
    assert estimate.measure == "sure"


@pytest.mark.parametrize("between", [1.0, 0.5, -0.3])
@pytest.mark.parametrize("own", [0.5, 0.0])
def test_sure_counts_noise_that_channels_share(between: float, own: float) -> None:
    levels = SIGMA**2 * np.array([0.6, 1.0, 1.4])
    model = NoiseModel((0.0,) * 3, tuple(levels), between_channels=between)
    clean = [np.repeat(one, 3, 2) for one in CLEAN]
    shape, images = torch.Size((1, 3, 96, 96)), []
    for k, one in enumerate(clean):
        # Written out, not drawn by the model: a Cholesky factor of the covariance.
        factor = np.linalg.cholesky(np.full((3, 3), between) + (1 - between + 1e-9) * np.eye(3))
        white = torch.randn(shape, generator=torch.Generator().manual_seed(100 + k))[0].permute(1, 2, 0).numpy()
        images.append((one + white @ factor.T * np.sqrt(levels)).astype(np.float32))

    def restore(x: Tensor) -> Tensor:
        return own * x + (1 - own) * x.mean(1, keepdim=True)

    estimate = NoReference([(image, None) for image in images], [model] * 4).estimate(restore)
    results = [restore(to_batch(image)).clamp(0, 1) for image in images]
    truth = np.mean([float((r - to_batch(c)).square().mean()) for r, c in zip(results, clean, strict=True)])
    assert np.mean(estimate.errors) == pytest.approx(truth, abs=0.04 * SIGMA**2)


def test_drawn_noise_has_the_correlation_of_the_channels() -> None:
    model = NoiseModel((0.0,) * 3, (1.0,) * 3, (0.4,), (0.2,), between_channels=0.7)
    drawn = model.draw(torch.Size((1, 3, 256, 256)), torch.Generator().manual_seed(0))[0].flatten(1)
    expected = torch.tensor([[1, 0.7, 0.7], [0.7, 1, 0.7], [0.7, 0.7, 1]])
    assert torch.allclose(torch.corrcoef(drawn), expected, atol=0.02)


def test_sure_ranks_filters_as_the_truth_does() -> None:
    noisy = [clean + noise_of(MODEL, k, clean) for k, clean in enumerate(CLEAN)]
    images = NoReference([(image, None) for image in noisy], [MODEL] * 4)
    filters = {size: mean_filter(size) for size in (1, 3, 5, 9)}
    estimated = sorted(filters, key=lambda size: -images.estimate(filters[size]).psnr)
    assert estimated == sorted(filters, key=lambda size: true_error(filters[size], noisy))


def test_exposures_need_no_noise_model() -> None:
    noisy = [[clean + noise_of(MODEL, k + 10 * e, clean) for k, clean in enumerate(CLEAN)] for e in range(2)]
    images = NoReference(list(zip(*noisy, strict=True)), None)
    restore = mean_filter(3)
    assert np.mean(images.estimate(restore).errors) == pytest.approx(true_error(restore, noisy[0]), abs=0.06 * SIGMA**2)


def test_masked_pixels_are_predicted_without_being_seen() -> None:
    # The identity predicts a hidden pixel by a neighbor: twice the noise, of which one part is subtracted.
    flat = [np.full((96, 96, 1), 0.5, np.float32) + noise_of(MODEL, k, CLEAN[k]) for k in range(4)]
    images = NoReference([(image, None) for image in flat], [MODEL] * 4)
    assert np.mean(images.estimate(nn.Identity(), "masked").errors) == pytest.approx(SIGMA**2, rel=0.1)


def test_the_standard_error_covers_the_spread() -> None:
    inside = 0
    for trial in range(20):
        noisy = [clean + noise_of(MODEL, 50 * trial + k, clean) for k, clean in enumerate(CLEAN)]
        images = NoReference([(image, None) for image in noisy], [MODEL] * 4)
        restore = mean_filter(3)
        estimate, truth = images.estimate(restore), -10 * np.log10(true_error(restore, noisy))
        inside += abs(estimate.psnr - truth) < 2 * estimate.standard_error
    assert inside >= 17


def test_exposures_of_a_scene_are_no_independent_images() -> None:
    """The standard error is that of one exposure of each scene, not smaller by the root of their number."""
    levels, rng = (0.02, 0.08, 0.14), np.random.default_rng(0)
    drawn = [rng.normal(0, level, (6, 96, 96, 1)) for level in levels]
    takes = [(clean + noise).astype(np.float32) for clean, noise in zip(CLEAN[:3], drawn, strict=True)]
    images = [(one[e], one[(e + 1) % 6]) for one in takes for e in range(6)]
    measured = NoReference(images, None, scenes=[name for name in "abc" for _ in range(6)])
    estimate = measured.estimate(nn.Identity())
    # Written out: the spread of the mean errors of three scenes, by the delta method in dB.
    truth = np.square(levels)
    expected = 10 / np.log(10) * truth.std(ddof=1) / np.sqrt(3) / truth.mean()
    assert estimate.standard_error == pytest.approx(expected, rel=0.05)
    assert estimate.psnr == pytest.approx(-10 * np.log10(truth.mean()), abs=0.2)
    gain, error = measured.estimate(lambda x: (x + 0.5) / 2).gain_over(estimate)
    assert gain > 0 and error > 0.3


def test_one_scene_is_divided_into_parts() -> None:
    images = [(noisy, None) for noisy in (CLEAN[0] + noise_of(MODEL, k, CLEAN[0]) for k in range(9))]
    estimate = NoReference(images, [MODEL] * 9, scenes=["a"] * 9).estimate(mean_filter(3))
    assert len(estimate.errors) == 9 and set(estimate.scenes) == {0}
    assert 0 < estimate.standard_error < float("inf")


def test_gains_are_of_the_same_parts() -> None:
    first, second = Estimate("sure", (1e-3, 2e-3, 3e-3)), Estimate("sure", (2e-3, 4e-3, 6e-3))
    gain, error = first.gain_over(second)
    # A constant ratio is certain, though the errors differ from part to part.
    assert (gain, error) == (pytest.approx(10 * np.log10(2)), pytest.approx(0, abs=1e-12))
    assert first.standard_error > 0.5


def test_drawn_noise_has_the_correlation_of_the_model() -> None:
    model = NoiseModel((0.0,), (1.0,), (0.5, 0.1), (0.25,))
    drawn: Tensor = model.draw(torch.Size((1, 1, 512, 512)), torch.Generator().manual_seed(0))
    values = [(drawn[..., 1:] * drawn[..., :-1]).mean(), (drawn[..., 1:, :] * drawn[..., :-1, :]).mean()]
    assert [float(drawn.square().mean()), *map(float, values)] == pytest.approx([1, 0.5, 0.25], abs=0.03)


def test_white_residuals_have_no_correlation_and_blurs_of_texture_do() -> None:
    noisy = [clean + noise_of(MODEL, k, clean) for k, clean in enumerate(CLEAN)]
    images = NoReference([(image, None) for image in noisy], [MODEL] * 4)
    assert images.whiteness(lambda x: x * 0 + 0.5)[1] > 0.2  # all content removed
    exact = dict(zip((float(n.sum()) for n in noisy), CLEAN, strict=True))

    def perfect(x: Tensor) -> Tensor:
        key = min(exact, key=lambda total: abs(total - float(x.sum())))
        return to_batch(exact[key])

    assert images.whiteness(perfect) == pytest.approx((0, 0), abs=0.03)


@pytest.mark.parametrize("size", [3, 7])
def test_sure_counts_less_noise_where_it_was_clipped(size: int) -> None:
    dark = [0.02 + 0.5 * (clean - clean.min()) ** 2 for clean in CLEAN]
    drawn = [np.random.default_rng(k).normal(0, SIGMA, clean.shape) for k, clean in enumerate(dark)]
    noisy = [(clean + noise).clip(0, 1).astype(np.float32) for clean, noise in zip(dark, drawn, strict=True)]
    restore = mean_filter(size)
    estimate = NoReference([(image, None) for image in noisy], [MODEL] * 4).estimate(restore)
    # The mean of the clipped noise is what a filter can find.
    place = np.array(dark) / SIGMA
    means = SIGMA * (np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi) + place * ndtr(place))
    results = [restore(to_batch(image)) for image in noisy]
    targets = [to_batch(mean.astype(np.float32)) for mean in means]
    truth = np.mean([float((r - target).square().mean()) for r, target in zip(results, targets, strict=True)])
    assert np.mean(estimate.errors) == pytest.approx(truth, abs=0.03 * SIGMA**2)
