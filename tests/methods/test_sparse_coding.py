import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from clearer.methods.sparse_coding import SparseCode, k_svd, optimal_directions, sparse_code


def atoms_of(size: int, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(size, length, generator=generator, dtype=torch.float64), dim=1)


def plain_pursuit(patch: np.ndarray, dictionary: np.ndarray, count: int) -> dict[int, float]:
    chosen: list[int] = []
    rest, values = patch, np.zeros(0)
    for _ in range(count):
        chosen.append(int(np.abs(dictionary @ rest).argmax()))
        values = np.linalg.lstsq(dictionary[chosen].T, patch, rcond=None)[0]
        rest = patch - dictionary[chosen].T @ values
    return dict(zip(chosen, values, strict=True))


@settings(deadline=None, max_examples=15)
@given(size=st.integers(5, 30), length=st.integers(6, 20), count=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_pursuit_is_that_of_least_squares(size: int, length: int, count: int, seed: int) -> None:
    dictionary, patches = atoms_of(size, length, seed), atoms_of(7, length, seed + 1000)
    code = sparse_code(patches, dictionary, count)
    for patch, atoms, values in zip(patches, code.atoms.tolist(), code.values.tolist(), strict=True):
        expected = plain_pursuit(patch.numpy(), dictionary.numpy(), count)
        assert list(expected) == atoms and np.allclose(list(expected.values()), values, atol=1e-9)


def test_sparse_patches_are_found_exactly_and_extra_atoms_stay_unused() -> None:
    dictionary = torch.eye(6, dtype=torch.float64)[[0, 1, 2, 2, 3]]  # one atom twice
    patches = torch.tensor([[0, 3, -2, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 5, 0, 0, 1]], dtype=torch.float64)
    code = sparse_code(patches, dictionary, 4)
    decoded = code.decoded(dictionary)
    assert torch.allclose(decoded[:2], patches[:2]) and decoded[2].tolist() == [0, 0, 5, 0, 0, 0]
    assert torch.allclose(code.dense(5) @ dictionary, decoded)
    assert torch.allclose(code.energy(5), code.dense(5).square().sum(0))
    assert (code.values != 0).sum(1).tolist() == [2, 0, 1]


def test_k_svd_represents_patches_better_with_each_sweep() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = atoms_of(12, 9, 0)
    patches = truth[torch.randint(12, (400,), generator=generator)] * 2 - truth[torch.randint(12, (400,))]
    errors = []
    for sweeps in (0, 1, 6):
        dictionary = k_svd(patches, atoms_of(12, 9, 5), 2, sweeps)
        assert torch.allclose(dictionary.norm(dim=1), torch.ones(12, dtype=torch.float64))
        errors.append(float((patches - sparse_code(patches, dictionary, 2).decoded(dictionary)).square().mean()))
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]


def test_optimal_directions_recover_the_dictionary_of_given_codes() -> None:
    truth, generator = atoms_of(10, 8, 1), torch.Generator().manual_seed(2)
    codes = [
        SparseCode(torch.randint(9, (90, 3), generator=generator), torch.randn(90, 3, generator=generator).double())
        for _ in range(2)
    ]
    start = atoms_of(10, 8, 3)
    found = optimal_directions([(code.decoded(truth), code) for code in codes], start)
    assert torch.allclose(found[:9], truth[:9], atol=1e-4) and torch.equal(found[9], start[9])  # which none uses
