"""Transparent pixels: what lies under them changes no pixel that is seen, and stays in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clearer.images.transparent import extended
from clearer.images.types import ImagePage
from clearer.inference.color import restore_page
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import load
from helpers.networks import stand_in

SIZE = 72


def photo() -> np.ndarray:
    """Smooth shading of three colors, (SIZE, SIZE, 3) in [0, 1]."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    waves = [0.55 + 0.25 * np.sin(5 * x + k) * np.cos(4 * y - k) for k in range(3)]
    return np.stack(waves, 2).astype(np.float32)


def disc(radius: float = 24) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
    return x**2 + y**2 < radius**2


def blurred(x: np.ndarray) -> np.ndarray:
    """A network with a wide view: the mean of 9x9 pixels."""
    planes = torch.from_numpy(x.copy()).permute(2, 0, 1)[None]
    padded = torch.nn.functional.pad(planes, (4,) * 4, mode="reflect")
    return torch.nn.functional.avg_pool2d(padded, 9, 1)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("hidden", [0.0, 1.0])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_edge_is_restored_as_if_the_image_went_on(hidden: float, orientation: int) -> None:
    seen, clean = disc(), photo()
    color = np.where(seen[:, :, None], clean, np.float32(hidden))
    page = ImagePage(color, seen[:, :, None].astype(np.float32), orientation)
    found = restore_page(page, blurred, 3, RestoreOptions(), "float").color
    beneath = restore_page(replace(page, color=clean), blurred, 3, RestoreOptions(), "float").color
    want = blurred(clean)
    edge = seen & ~disc(20)
    error = np.sqrt(((found - want)[edge] ** 2).mean()) * 255
    smeared = np.sqrt(((blurred(color) - want)[edge] ** 2).mean()) * 255
    assert error < 4 and error < smeared / 4
    assert np.array_equal(beneath[seen], found[seen])  # what lies beneath counts nothing
    assert np.array_equal(found[~seen], color[~seen])


@pytest.mark.slow
def test_a_denoiser_restores_the_edge_as_well_as_with_an_image_beneath(tmp_path: Path) -> None:
    seen, clean = disc(), photo()
    noisy = (clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)).clip(0, 1)
    errors = {}
    for name, color in (("black", np.where(seen[:, :, None], noisy, 0)), ("image", noisy)):
        both = np.concatenate([color, seen[:, :, None]], 2)
        Image.fromarray(np.rint(both * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    model = load("denoise-color", "cpu", "fp32")
    for name in ("black", "image"):
        restore_path(model, tmp_path / f"{name}.png", tmp_path / "out")
        with Image.open(tmp_path / "out" / f"{name}.png") as image:
            found = np.asarray(image)[:, :, :3] / 255
        errors[name] = np.sqrt(((found - clean)[seen & ~disc(21)] ** 2).mean()) * 255
    whole = model.restore(noisy.astype(np.float32))
    best = np.sqrt(((whole - clean)[seen & ~disc(21)] ** 2).mean()) * 255
    assert errors["black"] == errors["image"] and errors["black"] < 1.3 * best + 1


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_only_colors_of_the_image_are_filled_in(height: int, width: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    color = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    seen = chance.random((height, width)) < chance.random()
    found = extended(color, seen)
    assert np.array_equal(found[seen], color[seen])
    assert not seen.any() or set(found.ravel()) <= set(color[seen].ravel())


def test_a_row_goes_on_as_in_a_mirror() -> None:
    row = np.arange(9, dtype=np.float32)[None, :, None]
    seen = np.array([[0, 0, 1, 1, 1, 0, 0, 0, 0]], bool)
    assert extended(row, seen).ravel().tolist() == [3, 2, 2, 3, 4, 4, 3, 2, 2]


def test_an_image_without_a_pixel_seen_stays(tmp_path: Path) -> None:
    both = np.full((9, 9, 4), 70, np.uint8)
    both[:, :, 3] = 0
    Image.fromarray(both).save(tmp_path / "x.png")
    restore_path(stand_in(3, 0.5), tmp_path / "x.png", tmp_path / "y.png")
    with Image.open(tmp_path / "y.png") as image:
        assert np.array_equal(np.asarray(image), both)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_multiplied_colors_are_restored_as_they_are_seen(tmp_path: Path, strength: float) -> None:
    straight = np.full((6, 8, 3), 200.0)
    alpha = np.broadcast_to(np.linspace(0, 255, 8).round()[None, :, None], (6, 8, 1))
    both = np.rint(np.concatenate([straight * alpha / 255, alpha], 2)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "x.tif", both, photometric="rgb", extrasamples=["assocalpha"], metadata=None, compression="zlib"
    )
    options = RestoreOptions(strength=strength)
    restore_path(stand_in(3, shift=-50 / 255), tmp_path / "x.tif", tmp_path / "y.tif", options)
    found = tifffile.imread(tmp_path / "y.tif")
    want = np.rint((straight - 50 * strength) * alpha / 255)
    assert np.array_equal(found[:, :, 3], both[:, :, 3])
    assert np.abs(found[:, :, :3] - want).max() <= (0 if strength == 0 else 1)
