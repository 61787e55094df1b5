"""The commands of docs/microscopy.md, in their order, on small computed images."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import fsspec
import numpy as np
import pytest
import tifffile

from clearer.data.folders import find_items
from clearer.data.ranges import settled_range
from helpers.command import clearer as command
from helpers.command import settings
from helpers.microscope import exposure, structure, write_pairs
from helpers.ome_zarr import read, write_image
from helpers.recipes import TINY

PAGE = (Path(__file__).parents[2] / "docs" / "microscopy.md").read_text(encoding="utf-8")
FEW_STEPS = settings({key: value for key, value in TINY.items() if key.startswith("train.")})


def commands() -> list[list[str]]:
    """Return the arguments of the page's commands."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """``cells`` and ``other-cells`` of 12 bits in 16, and ``stacks``: hyperstacks of two channels."""
    for folder in ("cells", "other-cells"):
        write_pairs(tmp_path / folder, 6, 32, 2600, offset=100)
    for k in range(4):
        truth = np.stack([[structure(32, 10 * k + 2 * t + c) for c in range(2)] for t in range(3)])
        for folder, images in (("clean", truth), ("noisy", exposure(truth, 40, 0.03, k))):
            (tmp_path / "stacks" / folder).mkdir(parents=True, exist_ok=True)
            levels = (100 + images.clip(0, 1) * 3000).astype(np.uint16)
            path = tmp_path / "stacks" / folder / f"{'abcd'[k]}.tif"
            tifffile.imwrite(path, levels, imagej=True, metadata={"axes": "TCYX"})
    embryo = np.stack([exposure(structure(32, k), 40, 0.03, k) for k in range(2)])
    write_image(tmp_path / "embryo.ome.zarr", (100 + embryo.clip(0, 1) * 3000).astype(np.uint16), "zyx", levels=2)
    return tmp_path


@pytest.mark.slow
def test_every_command_of_the_page_works_in_its_order(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    memory = fsspec.filesystem("memory")
    memory.put(str(desk / "embryo.ome.zarr"), "/lab/embryo.ome.zarr", recursive=True)
    for arguments in commands():
        arguments = [one.replace("s3://", "memory://") for one in arguments]
        ended = command(*arguments, *(FEW_STEPS if arguments[0] == "fit" else []))
        assert ended.status == 0, f"{arguments}\n{ended.err}"
        if "--json" in arguments:
            assert ended.json["intensity"]["levels"] == [0, 4095]
    with tifffile.TiffFile(desk / "a-restored.tif") as restored:
        assert (restored.series[0].axes, restored.series[0].shape) == ("TCYX", (3, 2, 32, 32))
        assert restored.series[0].dtype == np.uint16
    assert read(desk / "embryo-restored.ome.zarr", 1).shape == (2, 16, 16)
    one = (desk / "embryo-restored.ome.zarr" / "0" / "0" / "0" / "0").read_bytes()
    assert memory.cat("/lab/embryo-restored.ome.zarr/0/0/0/0") == one
    memory.store.clear()
    assert tifffile.imread(desk / "restored" / "00_0.tif").dtype == np.uint16


def test_the_line_on_the_range_is_the_one_that_is_printed(tmp_path: Path) -> None:
    for k in range(48):
        tifffile.imwrite(tmp_path / f"{k}.tif", np.full((8, 8), 3871, np.uint16))
    said: list[str] = []
    settled_range(find_items(tmp_path), None, said.append)
    assert f"> {said[0]}\n" in PAGE
