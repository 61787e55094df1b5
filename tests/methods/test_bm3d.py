import numpy as np
import pytest

from clearer.methods.bm3d import bm3d
from helpers.photos import photograph

library = pytest.importorskip("bm3d")


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_authors_default_profile_and_repeatable(channels: int) -> None:
    clean = np.repeat(photograph("camera.png", 48) / np.float32(255), channels, 2)
    noisy = clean + np.random.default_rng(0).standard_normal(clean.shape, np.float32) * np.float32(50 / 255)
    method = bm3d()
    found = method.restore(noisy, 50)
    assert np.array_equal(found, method.restore(noisy, 50))
    call = library.bm3d_rgb if channels == 3 else library.bm3d
    expected = call(noisy if channels == 3 else noisy[..., 0], 50 / 255)
    # It chooses its number of threads, and with several a few pixels differ from call to call.
    assert np.sqrt(np.mean((found - expected.reshape(found.shape)) ** 2)) < 1e-3
    assert "profile np, 1 thread" in method.setup and bm3d(2).setup != method.setup
