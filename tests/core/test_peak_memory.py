"""The most memory that a process takes beyond what it had."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from clearer.core import peak_memory
from clearer.core.peak_memory import PeakMemory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not say")
def test_what_was_freed_again_counts_and_what_was_there_before_does_not() -> None:
    there = np.ones(8 * 2**20)  # 64 MiB
    memory = PeakMemory()
    before = memory.added()
    assert before is not None and before < 20
    passing = np.ones(16 * 2**20)  # 128 MiB
    assert passing.sum() + there[0] > 0
    del passing
    after = memory.added()
    assert after is not None and 120 < after < 180
    fresh = PeakMemory().added()
    assert fresh is not None and fresh < 20


def test_a_system_that_does_not_say_gives_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peak_memory, "CLEAR", tmp_path / "none" / "clear_refs")
    assert PeakMemory().added() is None
