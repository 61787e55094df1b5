"""Pixels without a value (NaN, GDAL_NODATA) train nothing and are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from clearer.core.errors import UserError
from clearer.data.doctor import examine
from clearer.data.folders import find_items
from clearer.data.items import read_images, read_item
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.degradations.gaussian import Gaussian
from clearer.images.view import read_image, read_with_hidden


def sampler(images: object, patch: int = 16, batch: int = 32) -> PatchSampler:
    degradation, variety = Gaussian(sigma=10), Variety(augment="all", gray_share=0, soft_share=0)
    how = {"patch": patch, "batch": batch, "seed": 0, "device": torch.device("cpu")}
    return PatchSampler(images, degradation=degradation, variety=variety, **how)  # type: ignore[arg-type]


def write(folder: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).uniform(0.2, 0.8, (60, 50)).astype(np.float32)
    tifffile.imwrite(folder / "whole.tif", pixels)
    gaps = pixels.copy()
    gaps[10:30, 5:20] = gaps[55, 40] = np.nan
    tifffile.imwrite(folder / "gaps.tif", gaps)
    return gaps


def test_patches_have_values_everywhere(tmp_path: Path) -> None:
    gaps = write(tmp_path)
    images = read_images(find_items(tmp_path), 1, gaps=True)
    found = sampler(images)
    for _ in range(20):
        batch = found.draw()
        assert batch.clean is not None and torch.isfinite(batch.clean).all() and torch.isfinite(batch.degraded).all()
    places = found.places_of[0]  # of gaps.tif, the first by name
    windows = np.lib.stride_tricks.sliding_window_view(np.isnan(gaps), (16, 16)).any((2, 3))
    assert np.array_equal(places, np.flatnonzero(~windows)) and len(found.places_of) == 1


def test_images_without_gaps_give_the_patches_that_they_gave(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "gaps.tif").unlink()
    items = find_items(tmp_path)
    one, other = sampler(read_images(items, 1, gaps=True)).draw(), sampler(read_images(items, 1)).draw()
    assert torch.equal(one.degraded, other.degraded)


def test_images_that_are_nothing_but_gaps_are_left_out(tmp_path: Path) -> None:
    nothing = np.full((40, 40, 1), np.nan, np.float32)
    whole = np.full((40, 40, 1), 0.5, np.float32)
    batch = sampler([(nothing, None), (whole, None)]).draw()
    assert batch.clean is not None and bool((batch.clean == 0.5).all())
    with pytest.raises(UserError, match="no patch of 16 pixels has a value everywhere"):
        sampler([(nothing, None)])


def test_the_value_for_none_of_integers(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(1000, 60000, (40, 40)).astype(np.uint16)
    pixels[5:9, 5:9] = 7
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(42113, "s", 0, "7", True)])
    (item,) = find_items(tmp_path)
    image, _ = read_item(item, 1, None, gaps=True)
    assert image.dtype == np.float32 and np.isnan(image[..., 0]).sum() == 16
    shown, hidden = read_with_hidden(tmp_path / "a.tif", None, None)
    assert shown.dtype == np.uint16 and hidden is not None and hidden.sum() == 16 and shown.min() >= 1000
    assert np.array_equal(read_image(tmp_path / "a.tif", None, None), shown)


def test_the_doctor_counts_them(tmp_path: Path) -> None:
    write(tmp_path)
    findings = examine(tmp_path)
    ((name, share),) = findings.parts[0].gaps
    assert name == "gaps.tif" and share == pytest.approx(301 / 3000)
    assert any("1 image of 2 have pixels without a value, at most 10.0% in gaps.tif" in a for a in _advice(findings))
    assert not findings.parts[0].unreadable


def _advice(findings: object) -> list[str]:
    from clearer.data.doctor_report import advice

    return advice(findings)  # type: ignore[arg-type]
