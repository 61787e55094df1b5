"""Blind denoisers do no harm: clean images stay as they are, and no row of the recorded robustness table is dead.

What a shipped model fails today is listed with the figure. Each is a strict expected failure: once other weights pass,
the test fails until the line is removed.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import clearer
from clearer.images.view import read_image
from clearer.inference.choice import Candidate
from clearer.inference.restorer import Restorer
from clearer.zoo.catalog import models
from clearer.zoo.locate import located
from clearer.zoo.weight_metadata import read_architecture
from helpers.photos import SHIPPED

LEAST, LEAST_OF_PHOTO = 45.0, 42.0
"""PSNR in dB against a clean image of 8 bits that was restored. Models for photographs see texture as fine as noise."""
SIDE = 256
IMAGES = ("camera", "coffee", "astronaut", "chelsea", "grass")
DRY = {"camera": 37.0, "coffee": 39.0, "astronaut": 30.0, "chelsea": 33.0, "grass": 27.0}
"""What `derain` keeps of images without rain, PSNR in dB; the former one is below each of them."""
TEXTURE = "fine texture is taken for noise"
NOT_CLEAN = {
    ("denoise-gray", "grass"): f"34.8 dB: {TEXTURE}",
    ("denoise-gray-fast", "grass"): f"33.7 dB: {TEXTURE}",
    ("denoise-photo", "grass"): f"33.6 dB: {TEXTURE}",
    ("denoise-photo-fast", "grass"): f"34.1 dB: {TEXTURE}",
}


def is_blind_denoiser(name: str) -> bool:
    one = Candidate.of(name, *read_architecture(located(name)))
    return one.denoises and one.levels is not None and one.levels[0] < one.levels[1]


BLIND = [model["name"] for model in models() if model["for_use"] and is_blind_denoiser(model["name"])]


def fails(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, raises=AssertionError, strict=True)


@cache
def restorer(name: str) -> Restorer:
    return clearer.load(name, "cpu", "fp32")


@cache
def dead_rows(name: str) -> set[str]:
    table = read_architecture(located(name))[1].robustness
    assert table is not None, f"run python tools/make_models.py --robustness {name}"
    return {row["name"] for row in table["rows"] if row["dead"]}


def clean(image: str, channels: int) -> np.ndarray:
    """Return the central part of a photograph: (H, W) of its green channel, or (H, W, 3)."""
    pixels = read_image(SHIPPED / f"{image}.png", 3)
    top, left = ((side - SIDE) // 2 for side in pixels.shape[:2])
    part = np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])
    return part if channels == 3 else np.ascontiguousarray(part[:, :, 1])


def psnr_of_clean(name: str, image: str) -> float:
    """Return the PSNR in dB of a clean image that a model restored."""
    one = restorer(name)
    before = clean(image, one.architecture.channels)
    error = np.mean((one.restore(before).astype(float) - before) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def test_all_blind_denoisers_are_tested() -> None:
    assert {"denoise-gray", "denoise-color", "denoise-photo"} <= set(BLIND)
    assert {name for name, _ in NOT_CLEAN} <= set(BLIND)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        pytest.param(name, image, marks=[fails(NOT_CLEAN[name, image])] if (name, image) in NOT_CLEAN else [])
        for name in BLIND
        for image in IMAGES
    ],
)
def test_a_clean_image_stays_as_it_is(name: str, image: str) -> None:
    assert psnr_of_clean(name, image) > (LEAST_OF_PHOTO if name.startswith("denoise-photo") else LEAST)


@pytest.mark.parametrize("image", IMAGES)
def test_a_derainer_keeps_what_has_no_rain(image: str) -> None:
    assert psnr_of_clean("derain", image) > DRY[image] > psnr_of_clean("derain@2026-11", image)


@pytest.mark.parametrize("name", BLIND)
def test_clean_rows_of_the_recorded_table(name: str) -> None:
    table = read_architecture(located(name))[1].robustness
    assert table is not None
    clean_rows = [row for row in table["rows"] if row["name"].endswith(":clean")]
    assert len(clean_rows) == 2 and all(row["psnr"] > LEAST for row in clean_rows)


@pytest.mark.parametrize("name", BLIND)
def test_no_row_is_dead(name: str) -> None:
    assert dead_rows(name) == set()
