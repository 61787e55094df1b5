"""A TIFF restored by rows is the TIFF restored in memory: the same pixels, tags, order of pages and notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from clearer.images.io import read_file
from clearer.images.nodata import hidden_of
from clearer.images.pixels import dtype_of
from clearer.inference import large_tiff
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import smear
from helpers.tiffs import kinds, same_files, written


@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize("kind", sorted(kinds()))
def test_by_rows_and_in_memory_agree(
    kind: str, strength: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(tmp_path / "a.tif", kind)
    restorer, notes = smear(), []
    for name, large in (("memory", 10**9), ("rows", 1)):
        monkeypatch.setattr(large_tiff, "LARGE", large)
        monkeypatch.setattr(large_tiff, "BAND_ROWS", 40)
        options = RestoreOptions(strength=strength, tile="auto" if large == 1 else "none", overlap="full")
        if large == 1:
            assert large_tiff.is_large(source)
            options = RestoreOptions(strength=strength, tile=24, overlap="full")
        outcome = restore_path(restorer, source, tmp_path / f"{name}.tif", options)
        notes.append(outcome.notes)
    assert notes[0] == notes[1]
    same_files(tmp_path / "memory.tif", tmp_path / "rows.tif")
    if strength == 0 and not notes[0]:
        same_files(source, tmp_path / "rows.tif")


@pytest.mark.parametrize("kind", [kind for kind in sorted(kinds()) if "nan" in kind or "nodata" in kind])
def test_what_has_no_value_is_black_and_counted_where_a_new_depth_cannot_state_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a TIFF restored by rows, as in memory, and in a PNG. A stated value that the depth can hold stays."""
    source = written(tmp_path / "a.tif", kind)
    page = read_file(source).pages[0]
    hidden = hidden_of(page)
    assert hidden is not None
    depth = "8" if page.color.dtype.name == "uint16" else "16"
    said = f"{source}: {hidden.sum():,} samples have no value (NaN or GDAL_NODATA), and are black in the new file"
    options = RestoreOptions(tile=24, overlap="full", depth=depth)
    for name, large in (("memory.tif", 10**9), ("rows.tif", 1), ("memory.png", 10**9)):
        monkeypatch.setattr(large_tiff, "LARGE", large)
        outcome = restore_path(smear(), source, tmp_path / name, options)
        pixels = read_file(tmp_path / name).pages[0].color
        assert pixels.dtype == dtype_of(depth) and (said in outcome.notes) == (kind != "nodata")
        assert (pixels[hidden] == (7 if kind == "nodata" else 0)).all()
        assert hidden.all() or not (pixels == 7).all(2)[~hidden.any(2)].any()
    same_files(tmp_path / "memory.tif", tmp_path / "rows.tif")


def test_a_stated_value_that_a_new_depth_cannot_hold_is_black(tmp_path: Path) -> None:
    pixels = np.full((40, 40), 0.5, np.float32)
    pixels[:10], pixels[10:12] = -9999, np.nan
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(42113, "s", 0, "-9999", True)])
    outcome = restore_path(smear(), tmp_path / "a.tif", tmp_path / "b.png", RestoreOptions(depth="8"))
    assert any("480 samples have no value" in note for note in outcome.notes)
    assert not read_file(tmp_path / "b.png").pages[0].color[:12].any()
    outcome = restore_path(smear(), tmp_path / "a.tif", tmp_path / "b.tif")
    assert not any("samples have no value" in note for note in outcome.notes)
    kept = read_file(tmp_path / "b.tif").pages[0].color[..., 0]
    assert (kept[:10] == -9999).all() and np.isnan(kept[10:12]).all()
