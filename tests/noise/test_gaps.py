"""Noise is measured where images have values: pixels that continue an image in its gaps have no noise of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from clearer.data.doctor import examine
from clearer.data.folders import find_items
from clearer.images.nodata import without_gaps
from clearer.images.pixels import WHOLE
from clearer.noise.model import NoiseModel
from clearer.noise.profile import NoiseProfile, profile_images
from clearer.pipeline.noisy import method_by, noise_of_each, noise_of_set

LEVEL = 0.1
SIDE = 256


def scattered(share: float, seed: int = 1) -> np.ndarray:
    """Return where (SIDE, SIDE) a sensor has values whose dead pixels are a share of all, anywhere."""
    return np.random.default_rng(seed).random((SIDE, SIDE)) >= share


def noise(seed: int = 0, channels: int = 1, blur: float = 0, lines: float = 0) -> np.ndarray:
    """Return noise of variance 1: white, blurred, or blurred along rows."""
    found = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE, channels))
    found = gaussian_filter(found, (blur, blur, 0)) if blur else found
    found = gaussian_filter1d(found, lines, axis=1) if lines else found
    return np.asarray(found / found.std())


def measured(image: np.ndarray, known: np.ndarray) -> NoiseProfile:
    """Return the profile of an image whose other pixels were NaN and are continued."""
    holed = image.astype(np.float32)
    holed[~known] = np.nan
    (continued,), seen = without_gaps([holed])
    assert np.array_equal(seen, known)
    return profile_images([continued], WHOLE, [seen])


SCENE = np.broadcast_to(np.linspace(0.3, 0.7, SIDE)[:, None, None], (SIDE, SIDE, 1))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_noise_stays_white_and_keeps_its_level(share: float, channels: int) -> None:
    found = measured(SCENE + LEVEL * noise(channels=channels), scattered(share))
    assert found.level == pytest.approx(LEVEL, rel=0.04)
    assert found.kind == "independent"
    assert method_by(found).settings == {"train.loss": "neighbor2neighbor+sure"}
    assert max(abs(one) for one in (*found.rows[1:], *found.columns[1:])) < 0.06
    assert found.rows[0] == pytest.approx(1, abs=0.02)
    assert max(found.row_stripes, found.column_stripes) < 0.1 * LEVEL
    if channels == 3:
        assert found.channels == pytest.approx(0, abs=0.03) and found.colors[1] == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize(("share", "error"), [(0.5, 0.12), (0.7, 0.2)])
def test_many_gaps_lower_the_level_and_make_no_lines(share: float, error: float) -> None:
    for seed in range(3):
        found = measured(SCENE + LEVEL * noise(seed=seed), scattered(share))
        assert found.kind == "independent" and found.level == pytest.approx(LEVEL, rel=error)


def test_noise_that_grows_with_brightness() -> None:
    gain, offset = 0.02, 0.001
    found = measured(SCENE + np.sqrt(gain * SCENE + offset) * noise(), scattered(0.2))
    for brightness in (0.35, 0.65):
        assert found.level_at(brightness) == pytest.approx(np.sqrt(gain * brightness + offset), rel=0.08)


@pytest.mark.parametrize("shape", [{"blur": 0.8}, {"lines": 1.0}])
def test_correlated_noise_keeps_its_kind_and_correlation(shape: dict[str, float]) -> None:
    image = SCENE + LEVEL * noise(**shape)
    whole, found = profile_images([image.astype(np.float32)]), measured(image, scattered(0.2))
    assert found.kind == whole.kind == ("lines" if "lines" in shape else "correlated")
    assert found.rows[1:4] == pytest.approx(whole.rows[1:4], abs=0.06)
    assert found.columns[1:4] == pytest.approx(whole.columns[1:4], abs=0.06)


def test_row_noise_is_measured_between_gaps() -> None:
    rows = np.random.default_rng(5).normal(0, 1, (SIDE, 1, 1))
    found = measured(SCENE + 0.05 * noise() + 0.03 * rows, scattered(0.2))
    assert found.row_stripes == pytest.approx(0.03, rel=0.2) and found.column_stripes < 0.005


def test_a_clean_scene_stays_clean() -> None:
    assert measured(np.asarray(SCENE), scattered(0.2)).kind == "clean"


def test_a_sensor_without_every_second_row_does_not_tell_how_neighbors_correlate() -> None:
    known = np.zeros((SIDE, SIDE), bool)
    known[::2] = True
    found = measured(SCENE + LEVEL * noise(), known)
    assert not found.is_known and found.level == pytest.approx(LEVEL, rel=0.1)


def test_a_compact_hole_is_measured_by_the_blocks_around_it() -> None:
    known = np.ones((SIDE, SIDE), bool)
    known[:128] = False
    image = (SCENE + LEVEL * noise()).astype(np.float32)
    found, below = measured(image, known), profile_images([image[128:]])
    assert (found.gain, found.rows) == (below.gain, below.rows)


def test_gaps_that_are_none_change_nothing() -> None:
    image = (SCENE + LEVEL * noise()).astype(np.float32)
    everywhere = np.ones((SIDE, SIDE), bool)
    assert (
        profile_images([image], WHOLE, [everywhere])
        == profile_images([image], WHOLE, [None])
        == profile_images([image])
    )


def test_sets_and_single_images_and_the_doctor_leave_gaps_out(tmp_path: Path) -> None:
    images = []
    for k in range(3):
        image = (SCENE + LEVEL * noise(k)).astype(np.float32)
        image[~scattered(0.2, k)] = np.nan
        images.append(image)
        tifffile.imwrite(tmp_path / f"{k}.tif", image[:, :, 0])
    tifffile.imwrite(tmp_path / "nothing.tif", np.full((SIDE, SIDE), np.nan, np.float32))
    found = noise_of_set(find_items(tmp_path), 1, WHOLE)
    assert found.level == pytest.approx(LEVEL, rel=0.04) and found.kind == "independent" and found.images == 3
    (part,) = examine(tmp_path).parts
    assert part.noise is not None and part.noise.level == pytest.approx(LEVEL, rel=0.04)
    assert part.noise.kind == "independent"
    louder = np.where(np.isnan(images[0]), images[0], (SCENE + 2 * LEVEL * noise(7)).astype(np.float32))
    empty = np.full((SIDE, SIDE, 1), np.nan, np.float32)
    one, other, none = noise_of_each(found, [(images[0], None), (louder, None), (empty, None)])
    assert one == none == NoiseModel.of(found)
    assert other.offset[0] + 0.5 * other.gain[0] == pytest.approx((2 * LEVEL) ** 2, rel=0.1)
