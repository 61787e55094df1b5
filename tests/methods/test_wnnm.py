import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.evaluation.protocols import parse_protocol
from clearer.methods.wnnm import iterations, wnnm
from helpers.peers import golden, needs_peers


def simple(noisy: np.ndarray, sigma: float, count: int) -> np.ndarray:
    """Return iteration ``count`` by a loop over patches and the singular value decomposition; sigma is 20 or less."""
    p, n, step, window, scale = 6, 70, 2, 30, 0.54
    rows, columns = noisy.shape[0] - p + 1, noisy.shape[1] - p + 1
    at = [(i, j) for i in range(rows) for j in range(columns)]
    last = [(length - 1) // step * step for length in (rows, columns)]
    keys = [(i, j) for i, j in at if (i % step == 0 or i > last[0]) and (j % step == 0 or j > last[1])]
    x = noisy.copy()
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for t in range(1, count + 1):
        x = x + 0.1 * (noisy - x)
        patch = {(i, j): x[i : i + p, j : j + p].ravel() for i, j in at}
        if t % 2 == 1:
            n -= 10
            for i, j in keys:
                near = [(a, b) for a, b in at if abs(a - i) <= window and abs(b - j) <= window]
                near.sort(key=lambda k: float(np.sum((patch[k] - patch[i, j]) ** 2)))
                groups[i, j] = near[:n]
        total, hits = np.zeros_like(x), np.zeros_like(x)
        for i, j in keys:
            removed = np.mean((noisy[i : i + p, j : j + p] - x[i : i + p, j : j + p]) ** 2)
            level = sigma if t == 1 else scale * np.sqrt(abs(sigma**2 - removed))
            y = np.stack([patch[k] for k in groups[i, j]], 1)
            mean = y.mean(1, keepdims=True)
            u, s, v = np.linalg.svd(y - mean, full_matrices=False)
            d = np.sqrt(np.maximum(s**2 - n * level**2, 0))
            for _ in range(3):
                d = np.maximum(s - 2 * np.sqrt(2) * np.sqrt(n) * level**2 / (d + 1e-16), 0)
            for k, column in zip(groups[i, j], (u * d @ v + mean).T, strict=True):
                total[k[0] : k[0] + p, k[1] : k[1] + p] += column.reshape(p, p)
                hits[k[0] : k[0] + p, k[1] : k[1] + p] += 1
        x = total / hits
    return x


def test_it_is_what_a_plain_writing_of_the_steps_gives() -> None:
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:21, :18]
    noisy = 120 + 60 * np.sin(rows / 3) * np.cos(columns / 4) + 20 * generator.standard_normal((21, 18))
    for count, found in enumerate(iterations(torch.from_numpy(noisy), 20), 1):  # float64
        if count == 3:
            assert np.abs(found.numpy() - simple(noisy, 20, 3)).max() < 1e-5
            break
    single = next(iterations(torch.from_numpy(noisy).float(), 20))
    assert np.abs(single.numpy() - simple(noisy, 20, 1)).max() < 0.05


@needs_peers
@pytest.mark.slow
@pytest.mark.parametrize("sigma", [20, 40, 60, 80])  # each has settings of its own
def test_psnr_is_that_of_the_authors_program_in_each_iteration(sigma: int) -> None:
    clean, public = golden("wnnm_house")["clean"], golden(f"wnnm_sigma{sigma}")
    found = [
        20 * np.log10(255 / np.sqrt(np.mean((estimate.double().numpy() - clean) ** 2)))
        for estimate in iterations(torch.from_numpy(public["noisy"]), sigma)
    ]
    assert len(found) == len(public["psnr_matlab_by_iteration"])
    assert np.abs(np.array(found) - public["psnr_matlab_by_iteration"]).max() < 0.01


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    noisy = 128 + 30 * torch.randn(40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(next(iterations(noisy, 30)))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.allclose(found[0], found[1], rtol=0, atol=1e-9)


def test_it_is_for_gray_images_of_any_noise_level() -> None:
    method = wnnm()
    suited = [method.suits(parse_protocol(p)) for p in ("clearer-gray-70", "gray-awgn-15", "color-awgn-50", "rain-rgb")]
    assert suited == [True, True, False, False]
    with pytest.raises(UserError, match=r"WNNM: takes 1 channel.* got 3"):
        method.restore(np.zeros((16, 16, 3), np.float32), 30)
    with pytest.raises(UserError, match="8x5 pixels is too small"):
        method.restore(np.zeros((5, 8, 1), np.float32), 20)


def test_a_constant_image_and_no_noise_are_kept() -> None:
    image = np.full((24, 30, 1), 0.5, np.float32)
    assert np.allclose(wnnm().restore(image, 20), image, atol=1e-5)
    textured = np.random.default_rng(0).random((24, 30, 1), np.float32)
    assert np.allclose(wnnm().restore(textured, 0), textured, atol=1e-4)
