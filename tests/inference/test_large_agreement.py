"""A TIFF restored by rows is the TIFF restored in memory: the same pixels, tags, order of pages and notes."""

from __future__ import annotations

from pathlib import Path

import pytest

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
