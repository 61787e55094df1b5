import pytest
import torch
from torch.distributions import MultivariateNormal

from clearer.methods.patch_mixture import FLOOR, Mixture, fitted


def two() -> Mixture:
    a = torch.tensor([[4.0, 1.9], [1.9, 1.0]], dtype=torch.float64)
    b = torch.tensor([[0.02, 0.0], [0.0, 0.5]], dtype=torch.float64)
    return Mixture(torch.tensor([0.3, 0.7], dtype=torch.float64), torch.stack([a, b]))


@pytest.mark.parametrize("variance", [FLOOR, 0.3])
def test_scores_are_log_densities(variance: float) -> None:
    mixture, x = two(), torch.randn(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise, zero = variance * torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    expected = torch.stack([MultivariateNormal(zero, c + noise).log_prob(x) for c in mixture.covariances], 1)
    found = mixture.scores(x, variance)
    assert torch.allclose(found[:, 1] - found[:, 0], (expected + mixture.weights.log())[:, 1] - (
        expected + mixture.weights.log())[:, 0])  # fmt: skip


def test_the_likeliest_patch_is_that_of_the_better_component() -> None:
    mixture = two()
    x = torch.tensor([[4.0, 2.0], [0.05, 0.6]], dtype=torch.float64)
    found = mixture.likeliest(x, 0.1)
    for k in range(2):
        covariance = mixture.covariances[k]
        expected = covariance @ torch.linalg.solve(covariance + 0.1 * torch.eye(2), x[k])
        assert torch.allclose(found[k], expected)
    assert torch.allclose(mixture.likeliest(x, 1e-12), x, atol=1e-6)


def test_a_mixture_is_recovered_from_its_samples() -> None:
    torch.manual_seed(0)
    truth = two()
    samples = [
        MultivariateNormal(torch.zeros(2, dtype=torch.float64), c).sample((round(20_000 * float(w)),))
        for w, c in zip(*truth, strict=True)
    ]
    found = fitted(torch.cat(samples), 2, 100)
    order = found.weights.argsort()
    assert torch.allclose(found.weights[order], truth.weights, atol=0.03)
    assert torch.allclose(found.covariances[order], truth.covariances, atol=0.2)
    assert torch.linalg.eigvalsh(found.covariances).min() > 0
