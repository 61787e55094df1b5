"""A TIFF restored by rows is the TIFF restored in memory: the same pixels, tags, order of pages and notes."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor
from torch.nn.functional import pad

from clearer.inference import large_tiff
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from helpers.networks import StandIn
from helpers.tiffs import kinds, same_files, written


class Smear(StandIn):
    """Moves light down and to the right, with the same bits whatever the size of the tile."""

    def forward(self, x: Tensor) -> Tensor:
        around = pad(x, (2, 0, 1, 0), mode="replicate")
        return 0.5 * x + 0.3 * around[..., :-1, 2:] + 0.2 * around[..., 1:, :-2]


def smear(channels: int = 1) -> Restorer:
    return Restorer(Smear(channels), device="cpu", precision="fp32")  # type: ignore[arg-type]


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
