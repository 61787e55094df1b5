"""The free memory, and the memory that a pass is assumed to need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from clearer.inference import memory
from clearer.network.architecture import Architecture


def test_the_model_covers_all_that_was_measured() -> None:
    path = Path(__file__).parents[2] / "docs" / "results" / "memory.json"
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) >= 16
    for row in rows:
        fields = {key: row[key] for key in ("operations", "width", "unshuffle") if key in row}
        architecture = Architecture.parse(row["architecture"], **fields)
        limit = memory.bytes_per_pixel(architecture)
        assert row["bytes_per_pixel"] <= limit, row
        if row["precision"] == "fp32":
            assert row["bytes_per_pixel"] > limit / 3, row  # the bound is below 3 times the need


def test_free_memory_is_what_linux_and_the_control_group_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "meminfo"
    info.write_text("MemTotal:       24684432 kB\nMemFree:  1 kB\nMemAvailable:   20000 kB\n")
    assert memory._meminfo(info) == 20000 * 1024
    assert memory._meminfo(tmp_path / "none") is None
    assert memory._left_in_control_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("10000\n")
    (tmp_path / "memory.current").write_text("6000\n")
    (tmp_path / "memory.stat").write_text("anon 4000\ninactive_file 1500\n")
    assert memory._left_in_control_group(tmp_path) == 5500
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._left_in_control_group(tmp_path) is None
    cpu = torch.device("cpu")
    monkeypatch.setattr(memory, "_meminfo", lambda: 7000)
    monkeypatch.setattr(memory, "_left_in_control_group", lambda: 5500)
    assert memory.free_memory(cpu) == 5500
    monkeypatch.setattr(memory, "_left_in_control_group", lambda: None)
    assert memory.free_memory(cpu) == 7000
    monkeypatch.setattr(memory, "_meminfo", lambda: None)
    assert memory.free_memory(cpu) >= 2**27  # of this machine, half


def test_fewer_pixels_fit_of_wider_networks_and_larger_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_meminfo", lambda: 2**30)
    monkeypatch.setattr(memory, "_left_in_control_group", lambda: None)
    cpu = torch.device("cpu")
    narrow, wide = (Architecture.parse("PF-FP", width=width) for width in (8, 32))
    assert memory.pixels_that_fit(wide, cpu) < memory.pixels_that_fit(narrow, cpu)
    assert memory.pixels_that_fit(narrow, cpu, batch=4) == pytest.approx(memory.pixels_that_fit(narrow, cpu) / 4, abs=1)
    assert memory.pixels_that_fit(narrow, cpu) * memory.bytes_per_pixel(narrow) <= 2**29


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MPS backend out of memory (MPS allocated: 1 GB)", True),
        ("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", True),
        ("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_which_errors_are_of_memory(text: str, expected: bool) -> None:
    assert memory.is_out_of_memory(RuntimeError(text)) is expected
    assert memory.is_out_of_memory(torch.OutOfMemoryError("full"))
