"""The noise profile finds the noise that was added: its kind, its levels, its correlation."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.helpers.photos import SHIPPED

from clearer.core.errors import UserError
from clearer.images.view import read_image
from clearer.noise.blockiness import Grid
from clearer.noise.brightness import brightness_curve, fit_line
from clearer.noise.correlation import Correlation, noise_correlation
from clearer.noise.glance import glance
from clearer.noise.kind import kind_of
from clearer.noise.profile import NoiseProfile, profile_images
from clearer.noise.words import in_words
from clearer.pipeline.noisy import method_by

COFFEE = read_image(SHIPPED / "coffee.png", 3)[:384, :512]
UNIT = (COFFEE / np.float32(255)).astype(np.float32)
NOISE = np.random.default_rng(0).normal(0, 1, UNIT.shape).astype(np.float32)


def stored(image: np.ndarray) -> np.ndarray:
    """Return floats as an 8-bit file holds them."""
    return np.round(image.clip(0, 1) * 255).astype(np.uint8)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def test_a_clean_photograph_is_clean() -> None:
    found = profile_images([COFFEE])
    assert found.kind == "clean" and found.method == "none" and found.level * 255 < 1.5
    assert found.bits == found.used_bits == 8 and not found.blurred
    assert in_words(found)[0].startswith("Nearly no noise")


def test_white_noise_is_independent_and_has_its_level_at_every_brightness() -> None:
    found = profile_images([stored(UNIT + 10 / 255 * NOISE)])
    assert found.kind == "independent" and found.method == "neighbor2neighbor+sure"
    for brightness in (0.2, 0.5, 0.8):
        assert found.level_at(brightness) * 255 == pytest.approx(10, rel=0.06)
    assert max(np.abs(found.rows[2:])) < 0.1 and found.rows[0] == pytest.approx(1, abs=1e-3)
    assert found.channels == pytest.approx(0, abs=0.1)
    assert "the same at every brightness" in in_words(found)[0]


def test_poisson_gaussian_noise_gives_back_gain_and_offset() -> None:
    gain, offset = 0.004, 0.0004  # at white 16.9 gray levels, at black 5.1
    found = profile_images([UNIT + np.sqrt(gain * UNIT + offset) * NOISE])
    assert found.kind == "independent"
    assert np.mean(found.gain) == pytest.approx(gain, rel=0.1)
    assert np.mean(found.offset) == pytest.approx(offset, rel=0.3)
    assert found.level == pytest.approx(np.sqrt((gain * UNIT + offset).mean()), rel=0.06)
    assert "grows with brightness" in in_words(found)[0]


@pytest.mark.parametrize("sigma", [10, 40])
def test_noise_that_falls_with_brightness_is_said_so(sigma: float) -> None:
    slope = (sigma / 255) ** 2
    found = profile_images([(UNIT + np.sqrt(slope * (1 - UNIT)) * NOISE).astype(np.float32)])  # as of a negative
    for brightness in (0.1, 0.3, 0.6):
        assert found.level_at(brightness) == pytest.approx(np.sqrt(slope * (1 - brightness)), rel=0.12)
    assert "independent from pixel to pixel, falls with brightness" in in_words(found)[0]


def test_the_kind_of_falling_noise_is_not_that_of_the_brightest_blocks() -> None:
    """These have the least noise, so that faint texture is most of what they show; it was taken for all noise."""
    generator = np.random.default_rng(1)
    texture = gaussian_filter(generator.normal(0, 1, (256, 256)), 1.5)
    ramp = np.linspace(0.2, 0.97, 256)[:, None]
    level = np.sqrt(0.0125 * (1 - ramp))
    image = ramp + 0.02 * texture / texture.std() + level * generator.normal(0, 1, (256, 256))
    unit = image.astype(np.float32)[:, :, None]
    found = profile_images([unit])
    assert max(found.gain) < 0
    assert found.kind == glance(unit).kind == "independent" and found.rows[1] < 0.1


def test_other_noise_is_compared_with_a_line_that_does_not_fall() -> None:
    """So its figures are the ones, bit for bit, that they were before noise could fall."""
    for image in (UNIT, (UNIT + 10 / 255 * NOISE), UNIT + np.sqrt(0.004 * UNIT + 0.0004) * NOISE):
        units = [image.astype(np.float32)]
        curve = brightness_curve(units)
        seen = noise_correlation(units, *fit_line(curve.brightness, curve.total, curve.trust))
        found = profile_images(units)
        assert seen is not None and found.rows == tuple(map(float, seen.rows)) and found.channels == seen.channels


def test_few_photons_of_a_negative_exclude_sure_too() -> None:
    found = profile_images([(1 - np.random.default_rng(1).poisson((1 - UNIT) * 60) / 60).astype(np.float32)])
    assert method_by(found).settings == {"train.loss": "neighbor2neighbor"}
    assert "level is known" not in method_by(found).remarks[-1]


@pytest.mark.parametrize("photo", ["coffee.png", "astronaut.png"])
@pytest.mark.parametrize("sigma", [5, 20, 50])
def test_white_noise_is_not_said_to_fall(photo: str, sigma: int) -> None:
    image = read_image(SHIPPED / photo, 3)[:384, :384] / np.float32(255)
    drawn = np.random.default_rng(sigma).normal(0, sigma / 255, image.shape)
    assert min(profile_images([stored(image + drawn)]).gain) >= 0


@pytest.mark.parametrize(
    ("photons", "white", "method"), [(4, 20, "neighbor2neighbor"), (1000, 1200, "neighbor2neighbor+sure")]
)
def test_few_photons_exclude_sure(photons: int, white: int, method: str) -> None:
    found = profile_images([(np.random.default_rng(1).poisson(UNIT * photons) / white).astype(np.float32)])
    assert (found.kind, found.method) == ("independent", method)
    assert ("SURE" in found.recommendation) == method.endswith("sure")
    assert method_by(found).settings == {"train.loss": method}


def test_levels_are_stated_where_brightness_was_measured_and_not_beyond() -> None:
    found = profile_images([stored(UNIT + 10 / 255 * NOISE)])
    line = replace(found, gain=(0.04,), offset=(-0.002,), brightness=(0.1, 0.5), span=(0.0, 1.0))
    bright, dark = (255 * line.level_at(brightness) for brightness in (0.5, 0.1))
    assert (round(bright), round(dark)) == (34, 11)
    assert in_words(line)[0].endswith("about 34 gray levels at the brightest, about 11 at the darkest.")


def test_the_levels_of_channels_are_told_apart() -> None:
    levels = np.array([4, 8, 16], np.float32) / 255
    found = profile_images([UNIT + levels * NOISE])
    assert [np.sqrt(0.5 * a + b) for a, b in zip(found.gain, found.offset, strict=True)] == pytest.approx(
        levels, rel=0.15
    )


def test_noise_blurred_by_a_known_kernel_has_the_autocorrelation_of_that_kernel() -> None:
    kernel = np.array([1, 2, 1]) / np.sqrt(6)  # correlation 4/6 and 1/6 at distances 1 and 2, none beyond
    noise = sum(kernel[i] * np.roll(NOISE, i, 1) for i in range(3))
    noise = sum(kernel[i] * np.roll(noise, i, 0) for i in range(3))
    found = profile_images([UNIT + 15 / 255 * noise])
    assert found.kind == "correlated" and found.method == "subsampled-teacher"
    for along in (found.rows, found.columns):
        assert along[:5] == pytest.approx([1, 4 / 6, 1 / 6, 0, 0], abs=0.1)
    assert found.patch[4][4] == pytest.approx(1, abs=1e-3) and found.patch[5][5] == pytest.approx(16 / 36, abs=0.1)
    assert found.patch[3][6] == pytest.approx(found.patch[5][2], abs=1e-9)  # symmetric about the center
    assert found.level * 255 == pytest.approx(15, rel=0.2)


@pytest.mark.parametrize("axis, direction", [(1, "rows"), (0, "columns")])
def test_noise_correlated_along_one_direction_is_lines(axis: int, direction: str) -> None:
    noise = (NOISE + np.roll(NOISE, 1, axis) + np.roll(NOISE, 2, axis)) / np.sqrt(3)
    found = profile_images([UNIT + 12 / 255 * noise])
    assert (found.kind, found.direction, found.method) == ("lines", direction, "structured-blind-spots")
    assert f"along {direction}" in in_words(found)[0] and direction in found.recommendation


@pytest.mark.parametrize("sigma", [10, 25])
@pytest.mark.parametrize("blur", [0.42, 0.44, 0.46, 0.48, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_blurred_alike_both_ways_is_not_of_lines(blur: float, sigma: float, seed: int) -> None:
    drawn = gaussian_filter(np.random.default_rng(seed).normal(0, 1, (384, 512)), blur)
    gray = UNIT.mean(2) + sigma / 255 * drawn / drawn.std()
    assert profile_images([gray.astype(np.float32)]).kind in ("independent", "correlated")


@pytest.mark.parametrize(
    ("rows", "columns", "kind"),
    [
        (0.2, 0.09, "lines"), (0.19, 0.17, "independent"), (0.22, 0.17, "correlated"), (0.17, 0.3, "correlated"),
        (0.1, 0.3, "lines"), (0.19, -0.2, "lines"),
    ],
)  # fmt: skip
def test_lines_are_asked_for_a_margin_between_the_directions(rows: float, columns: float, kind: str) -> None:
    seen = Correlation(np.array([1, rows]), np.array([1, columns]), None, None, np.zeros((9, 9)))
    assert kind_of(0.1, 0.1, 1.0, seen, (0.0, 0.0), Grid(0.0, 0, 0)) == kind


@pytest.mark.parametrize("seed", range(4))
def test_faint_stripes_of_rows_are_along_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (UNIT.shape[0], 1))
    gray = UNIT.mean(2) + 10 / 255 * (rng.normal(0, 1, UNIT.shape[:2]) + 0.22 * rows)
    found = profile_images([gray.astype(np.float32)])
    assert (found.kind, found.direction) == ("lines", "rows")
    # The stripes count as a share of the noise, as the correlation does.
    assert replace(found, rows=(1, 0.05), columns=(1, 0.09)).direction == "rows"


def test_row_stripes_are_measured() -> None:
    rows = np.random.default_rng(1).normal(0, 1, (UNIT.shape[0], 1, 1)).astype(np.float32)
    found = profile_images([UNIT + 8 / 255 * NOISE + 5 / 255 * rows])
    assert found.row_stripes * 255 == pytest.approx(5, rel=0.15) and found.column_stripes * 255 < 0.8
    assert (found.kind, found.direction) == ("lines", "rows")
    assert any("Whole rows" in line for line in in_words(found))


def test_noise_shared_by_channels_is_said_so() -> None:
    found = profile_images([UNIT + 15 / 255 * NOISE[..., :1]])
    assert found.channels == pytest.approx(1, abs=0.05) and found.color is None
    assert any("same noise" in line for line in in_words(found))


@pytest.mark.parametrize("row, column", [(0, 0), (3, 5)])
def test_the_grid_of_jpeg_is_found_where_it_begins(row: int, column: int) -> None:
    found = profile_images([compressed(COFFEE, 30)[-row % 8 :, -column % 8 :]])
    assert found.level == pytest.approx(np.sqrt(np.mean(found.variance)), abs=1 / 255)  # words and curve agree
    assert found.level == pytest.approx(found.level_at(0.5), abs=1 / 255)
    assert (found.kind, found.method, found.grid_at) == ("blocky", "dejpeg", (row, column))
    assert found.grid > 0.08 > profile_images([COFFEE]).grid


def test_noise_that_was_saved_as_jpeg_is_correlated_in_color() -> None:
    found = profile_images([compressed(stored(UNIT + 25 / 255 * NOISE), 95)])
    assert found.kind == "correlated" and found.color is not None and found.color > 0.5
    assert "in color" in in_words(found)[0]


def test_twelve_bits_in_sixteen_are_seen_however_they_are_stored() -> None:
    gray = COFFEE[..., 0].astype(np.uint16) * 16 + np.arange(512, dtype=np.uint16) % 16
    gray[0, :2] = 0, 4095
    assert profile_images([gray]).used_bits == 12
    assert profile_images([gray * np.uint16(16)]).used_bits == 12
    assert profile_images([COFFEE.astype(np.uint16) * np.uint16(257)]).used_bits == 8
    assert profile_images([UNIT]).used_bits is None
    assert "The values use 12 of 16 bits." in in_words(profile_images([gray]))


def test_clipped_values_are_counted() -> None:
    image = COFFEE.copy()
    image[:96], image[96:144] = 0, 255
    found = profile_images([image])
    assert found.black == pytest.approx(0.25, abs=0.02) and found.white == pytest.approx(0.125, abs=0.02)


def test_a_blurred_and_an_enlarged_image_are_told_from_a_sharp_one() -> None:
    small = Image.fromarray(COFFEE).resize((256, 192), Image.Resampling.BOX)
    enlarged = np.array(small.resize((512, 384), Image.Resampling.BICUBIC))
    assert profile_images([enlarged]).blurred and not profile_images([COFFEE]).blurred
    assert not profile_images([stored(UNIT + 50 / 255 * NOISE)]).blurred  # noise hides it: not said


def test_a_profile_is_json_and_needs_pixels() -> None:
    found = json.loads(json.dumps(profile_images([COFFEE[..., 0], COFFEE[:200, :200, 1]]).to_dict()))
    assert found["images"] == 2 and found["method"] == "none" and found["recommendation"]
    assert {"gain", "rows", "kind", "blurred"} <= set(found)
    with pytest.raises(UserError, match="8x8"):
        profile_images([COFFEE[:7]])


def test_dim_data_of_sixteen_bits_is_measured_against_its_own_range() -> None:
    dim = np.round((UNIT * 0.02 + 0.001 * NOISE + 0.01) * 65535).astype(np.uint16)
    found: NoiseProfile = profile_images([dim])
    assert found.kind == "independent" and found.level == pytest.approx(0.001, rel=0.06)
    assert "gray levels of 65535" in in_words(found)[0]


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.57])
def test_a_smooth_gradient_is_clean(angle: float) -> None:
    y, x = np.mgrid[:160, :160]
    ramp = np.round(20 + 0.9 * (np.cos(angle) * x + np.sin(angle) * y)).astype(np.uint8)
    assert profile_images([ramp]).kind == "clean" and glance(ramp[:, :, None].astype(np.float32) / 255).kind == "clean"


def test_a_constant_image_is_clean() -> None:
    assert profile_images([np.full((64, 64), 7, np.uint8)]).kind == "clean"


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), channels=st.sampled_from([1, 3, 4]), value=st.floats(0, 1),
    noise=st.sampled_from([0.0, 1e-4, 0.1, 10.0]),
)  # fmt: skip
def test_no_image_is_too_small_or_too_flat_to_be_looked_at(
    height: int, width: int, channels: int, value: float, noise: float
) -> None:
    chance = np.random.default_rng(height * 100 + width)
    image = (value + noise * chance.normal(0, 1, (height, width, channels))).clip(0, 1).astype(np.float32)
    seen = glance(image)
    assert np.isfinite([seen.level, seen.span]).all()
    if min(height, width) >= 8:
        found = profile_images([image, image])
        assert np.isfinite([found.level, found.level_at(0.5), found.row_stripes, *found.rows]).all()
        assert in_words(found) and found.recommendation
