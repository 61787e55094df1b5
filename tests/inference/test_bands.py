"""``--bands`` chooses what is restored; all else stays as it is, in memory and by rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.cli.options import bands_of
from clearer.core.errors import UserError
from clearer.inference import large_tiff
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

PIXELS = np.random.default_rng(0).integers(0, 200, (30, 20, 5)).astype(np.uint8)
HALF = stand_in(1, 0.5)


@pytest.mark.parametrize("rows", [False, True])
def test_only_the_chosen_bands_change(tmp_path: Path, rows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_tiff, "LARGE", 1 if rows else 10**9)
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, PIXELS, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    options = RestoreOptions(color="channels", bands=(2, 5))
    restore_path(HALF, source, tmp_path / "b.tif", options)
    found = tifffile.imread(tmp_path / "b.tif")
    assert np.array_equal(found[..., [0, 2, 3]], PIXELS[..., [0, 2, 3]])
    changed = PIXELS[..., [1, 4]]
    expected = np.where((PIXELS[..., 3:4] == 0) & (np.arange(2) == 0), changed, np.rint(changed / 2))
    assert np.abs(found[..., [1, 4]] - expected).max() <= 1 and (found[..., [1, 4]] < changed).mean() > 0.9
    with pytest.raises(UserError, match=r"a\.tif: has no band 4 .* from 1, 2, 3, 5"):
        restore_path(HALF, source, tmp_path / "c.tif", RestoreOptions(bands=(1, 4)))


def test_bands_are_the_channels_of_a_stack(tmp_path: Path) -> None:
    stack = np.moveaxis(PIXELS[..., :4], -1, 0).reshape(2, 2, 30, 20)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    restore_path(HALF, tmp_path / "a.tif", tmp_path / "b.tif", RestoreOptions(bands=(2,)))
    found = tifffile.imread(tmp_path / "b.tif")
    assert np.array_equal(found[:, 0], stack[:, 0]) and np.abs(found[:, 1] - stack[:, 1] / 2).max() <= 0.5


def test_bands_of_other_formats(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[..., :3]).save(tmp_path / "a.png")
    restore_path(HALF, tmp_path / "a.png", tmp_path / "b.png", RestoreOptions(color="channels", bands=(3,)))
    found = np.asarray(Image.open(tmp_path / "b.png"))
    assert np.array_equal(found[..., :2], PIXELS[..., :2]) and np.abs(found[..., 2] - PIXELS[..., 2] / 2).max() <= 0.5


def test_numbers_of_bands() -> None:
    assert bands_of("1,3") == (1, 3) and bands_of("2-4,3,7") == (2, 3, 4, 7)
    for text in ("", "0", "a", "3-1", "1,,2", "-2"):
        with pytest.raises(UserError, match="--bands"):
            bands_of(text)
    with pytest.raises(UserError, match="bands"):
        RestoreOptions(bands=())
