"""Gaussian mixtures of zero mean as priors of patches: their fit, and the patches most likely under them (EPLL)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 16_384
"""Patches that are handled at once."""
FLOOR = 1e-6
"""Least variance of a component in any direction, in units of [0, 1] squared."""


class Mixture(NamedTuple):
    """Gaussians of zero mean.

    Args:
        weights: (M,), which sum to 1.
        covariances: (M, N, N).
    """

    weights: Tensor
    covariances: Tensor

    def scores(self, patches: Tensor, variance: float = 0.0) -> Tensor:
        """Return the log densities of patches (K, N) with white noise of a variance, weighted, (K, M)."""
        eye = torch.eye(self.covariances.shape[1], dtype=patches.dtype)
        factors = torch.linalg.cholesky(self.covariances + max(variance, FLOOR) * eye)
        whitening = torch.linalg.solve_triangular(factors, eye.expand_as(factors), upper=False)
        constant = self.weights.log() - factors.diagonal(dim1=1, dim2=2).log().sum(1)
        distances = [(patches @ one.T).square().sum(1) for one in whitening]
        scores: Tensor = constant - torch.stack(distances, 1) / 2
        return scores

    def likeliest(self, patches: Tensor, variance: float) -> Tensor:
        """Return the most probable clean patches (K, N) if noise of a variance was added to them.

        As in EPLL, each patch is taken for one of the component that is the most probable for it.
        """
        eye = torch.eye(self.covariances.shape[1], dtype=patches.dtype)
        filters = torch.linalg.solve(self.covariances + variance * eye, self.covariances)
        result = torch.empty_like(patches)
        for first in range(0, len(patches), CHUNK):
            part = patches[first : first + CHUNK]
            best = self.scores(part, variance).argmax(1)
            for k in torch.unique(best).tolist():
                chosen = best == k
                result[first : first + CHUNK][chosen] = part[chosen] @ filters[k]
        return result


def fitted(patches: Tensor, components: int, iterations: int, seed: int = 0) -> Mixture:
    """Return the mixture that expectation maximization finds for patches (K, N) of zero mean.

    It begins with the patches that are most parallel to each of ``components`` patches at random.
    """
    generator = torch.Generator().manual_seed(seed)
    centers = patches[torch.randperm(len(patches), generator=generator)[:components]]
    nearest = (patches @ torch.nn.functional.normalize(centers, dim=1).T).abs().argmax(1)
    shares = torch.nn.functional.one_hot(nearest, len(centers)).to(patches.dtype)
    mixture = _maximized(patches, shares)
    for _ in range(iterations):
        scores = torch.cat([mixture.scores(part) for part in torch.split(patches, CHUNK)])
        mixture = _maximized(patches, scores.softmax(1))
    return mixture


def _maximized(patches: Tensor, shares: Tensor) -> Mixture:
    total = shares.sum(0)
    kept = total > 1  # a component of one patch is none
    eye = torch.eye(patches.shape[1], dtype=patches.dtype)
    covariances = [(patches * (share / share.sum())[:, None]).T @ patches + FLOOR * eye for share in shares[:, kept].T]
    return Mixture(total[kept] / total[kept].sum(), torch.stack(covariances))
