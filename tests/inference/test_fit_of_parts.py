"""Whether a model fits is said of files restored by parts as of those in memory: by their center."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from clearer.images.view import read_image
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.outcome import Outcome
from clearer.inference.restorer import load
from clearer.inference.window import LOOKED_AT
from helpers.photos import SHIPPED

CLEAN = read_image(SHIPPED / "coffee.png", 1)[:288, :352, 0].astype(np.float32)
NOISE = np.random.default_rng(0).normal(0, 1, CLEAN.shape).astype(np.float32)


def noisy(noise: np.ndarray) -> np.ndarray:
    return (CLEAN + 25 * noise).round().clip(0, 255).astype(np.uint8)


def restored(source: Path, target: Path, **how: object) -> Outcome:
    return restore_path(load("denoise-gray-fast", "cpu", "fp32"), source, target, RestoreOptions(tile=100, **how))  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_tiff_by_rows_is_judged_as_in_memory(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.tif"
    for noise, fits in ((NOISE, True), (0 * NOISE, False)):
        tifffile.imwrite(source, noisy(noise), extratags=[(274, "H", 1, orientation, True)])
        (whole,) = restored(source, tmp_path / "whole.tif").fits
        with monkeypatch.context() as patched:
            patched.setattr("clearer.inference.files.is_large", lambda path: True)
            (parts,) = restored(source, tmp_path / "parts.tif").fits
            assert restored(source, tmp_path / "parts.tif", check=False).fits == []
        assert (whole.problem is None) == (parts.problem is None) == fits
        assert parts.file == str(source) and parts.level_before == whole.level_before  # all of it is the center
        assert parts.change == pytest.approx(whole.change, rel=0.01)
    assert parts.problem == whole.problem is not None


def test_an_ome_zarr_is_judged_by_its_middle_plane(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="needs zarr; pip install 'clearer[zarr]'")
    from helpers.ome_zarr import write_image

    ends = np.full_like(noisy(NOISE), 7)  # nothing is in focus there
    for noise, fits in ((NOISE, True), (0 * NOISE, False)):
        planes = np.stack([ends, ends, noisy(noise), ends])
        source = write_image(tmp_path / f"{fits}.zarr", planes, "zyx", chunks=(1, 96, 352))
        (found,) = restored(source, tmp_path / "out.zarr").fits
        assert (found.problem is None) == fits


def test_only_the_center_of_a_large_image_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr("clearer.inference.files.is_large", lambda path: True)
    monkeypatch.setattr(
        "clearer.inference.fit_check.FitCheck.see", lambda self, x, y: seen.append((*x.shape, *y.shape))
    )
    tifffile.imwrite(tmp_path / "a.tif", np.tile(noisy(NOISE), (4, 4)))
    model = load("denoise-gray-fast", "cpu", "fp32")
    restore_path(model, tmp_path / "a.tif", tmp_path / "b.tif", RestoreOptions())
    assert seen == [(LOOKED_AT, LOOKED_AT, 1, LOOKED_AT, LOOKED_AT, 1)]
