"""What cannot work is refused before a run folder is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.core.errors import UserError
from clearer.pipeline.fit import fit
from helpers.photos import write_photos
from helpers.recipes import TINY


@pytest.mark.parametrize("kind", ["camera", "mixture"])
def test_files_of_cameras_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    camera = {"kind": "camera", "curves": str(tmp_path / "none.csv")}
    changes = {f"data.degradation.{key}": value for key, value in camera.items()}
    if kind == "mixture":
        changes = {
            "data.degradation.kind": "mixture",
            "data.degradation.parts": [{**camera, "share": 0.5}, {"kind": "gaussian", "share": 0.5}],
        }
    folder = str(write_photos(tmp_path / "photos"))
    overrides = {**TINY, "data.folder": folder, "architecture": "PF", "evaluate.protocols": [], **changes}
    with pytest.raises(UserError, match=r"^data\.degradation: curves: .*none\.csv"):
        fit("denoise-gray", tmp_path / "run", overrides)
    assert not (tmp_path / "run").exists()
