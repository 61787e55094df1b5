"""Sparse coding of patches: orthogonal matching pursuit, K-SVD, and the method of optimal directions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from clearer.methods.threads import in_threads

CHUNK = 1024
"""Patches that are coded at once."""
SMALLEST = 1e-6
"""Correlations and directions below this are taken for zero."""


class SparseCode(NamedTuple):
    """Patches as sums of few atoms. An atom that is listed with the value zero is not used.

    Args:
        atoms: (K, T) int64, the atoms of each patch.
        values: (K, T), by what each is multiplied.
    """

    atoms: Tensor
    values: Tensor

    def decoded(self, dictionary: Tensor) -> Tensor:
        """Return the patches (K, N)."""
        result = dictionary.new_zeros(len(self.atoms), dictionary.shape[1])
        for atoms, values in zip(self.atoms.T, self.values.T, strict=True):
            result += values[:, None] * dictionary[atoms]
        return result

    def dense(self, size: int) -> Tensor:
        """Return the values as a matrix (K, size), zero for atoms that a patch does not use."""
        return self.values.new_zeros(len(self.atoms), size).scatter_add_(1, self.atoms, self.values)

    def energy(self, size: int) -> Tensor:
        """Return the sum of the squared values of each atom, (size,)."""
        return self.values.new_zeros(size).index_add_(0, self.atoms.flatten(), self.values.flatten() ** 2)


def sparse_code(patches: Tensor, dictionary: Tensor, count: int) -> SparseCode:
    """Code patches by orthogonal matching pursuit.

    Args:
        patches: (K, N).
        dictionary: (M, N), atoms of unit length.
        count: number of atoms a patch.
    """
    products = dictionary @ dictionary.T
    parts = torch.split(patches, CHUNK)
    found = list(in_threads(lambda part: _pursuit(part @ dictionary.T, products, count), parts))
    return SparseCode(torch.cat([code.atoms for code in found]), torch.cat([code.values for code in found]))


def _pursuit(correlation: Tensor, products: Tensor, count: int) -> SparseCode:
    """Code patches, given only their products with the atoms and those of the atoms with one another.

    Each step adds to an orthonormal basis the part of the best atom that is new. ``bases`` holds the product of each
    atom with each vector of the basis.
    """
    length = len(correlation)
    rows = torch.arange(length)
    correlation = correlation.clone()
    bases = correlation.new_zeros(count, length, products.shape[0])
    atoms = torch.zeros(length, count, dtype=torch.int64)
    along = correlation.new_zeros(length, count)  # the patch's component along each vector of the basis
    for k in range(count):
        atoms[:, k] = best = correlation.abs().argmax(1)
        known = bases[:k, rows, best]  # (k, K)
        new = (1 - known.square().sum(0)).clamp(min=0).sqrt()
        used = (new > SMALLEST**0.5) & (correlation[rows, best].abs() > SMALLEST)
        scale = torch.where(used, 1 / new.clamp(min=SMALLEST), 0)
        bases[k] = products[best]
        for j in range(k):
            bases[k].addcmul_(bases[j], known[j, :, None], value=-1)
        bases[k] *= scale[:, None]
        along[:, k] = correlation[rows, best] * scale
        correlation.addcmul_(bases[k], along[:, k, None], value=-1)
        correlation[rows, best] = 0
    triangle = bases[:, rows[:, None], atoms].permute(1, 0, 2).triu()  # (K, basis, atom)
    diagonal = triangle.diagonal(dim1=1, dim2=2)
    diagonal[diagonal == 0] = 1  # an atom that is not used
    values = torch.linalg.solve_triangular(triangle, along[..., None], upper=True)[..., 0]
    return SparseCode(atoms, values)


def k_svd(patches: Tensor, dictionary: Tensor, count: int, sweeps: int) -> Tensor:
    """Fit a dictionary to patches, atom by atom with one power iteration each (Rubinstein et al., 2008).

    Args:
        patches: (K, N).
        dictionary: (M, N), the initial atoms of unit length.
        count: number of atoms a patch.
        sweeps: number of times that patches are coded and atoms updated.
    """
    dictionary = dictionary.clone()
    for _ in range(sweeps):
        code = sparse_code(patches, dictionary, count)
        values = code.dense(len(dictionary))
        rest = patches - code.decoded(dictionary)
        for k, atom in enumerate(dictionary):
            users = values[:, k].nonzero()[:, 0]
            if len(users) == 0:
                continue
            explained = rest[users] + values[users, k, None] * atom
            atom.copy_(functional.normalize(values[users, k] @ explained, dim=0))
            rest[users] = explained - (explained @ atom)[:, None] * atom
    return dictionary


def optimal_directions(pairs: list[tuple[Tensor, SparseCode]], dictionary: Tensor) -> Tensor:
    """Return the unit atoms that represent patches best by given codes; an atom that no patch uses stays.

    Args:
        pairs: patches (K, N) and their codes.
        dictionary: (M, N), the present atoms.
    """
    size = len(dictionary)
    square, cross = dictionary.new_zeros(size, size), torch.zeros_like(dictionary)
    for patches, code in pairs:
        for first in range(0, len(patches), CHUNK):
            part = slice(first, first + CHUNK)
            values = SparseCode(code.atoms[part], code.values[part]).dense(size)
            square.addmm_(values.T, values)
            cross.addmm_(values.T, patches[part])
    used = square.diagonal() > SMALLEST
    square, cross = square[used][:, used].double(), cross[used].double()
    # A small multiple of the present atoms keeps the solution unique where atoms are used together only.
    ridge = 1e-6 * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
    found = torch.linalg.solve(square + ridge, cross + ridge @ dictionary[used].double())
    result = dictionary.clone()
    result[used] = functional.normalize(found, dim=1).to(dictionary.dtype)
    return result
