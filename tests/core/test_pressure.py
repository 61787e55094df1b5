"""The share of the time that programs wait for a processor, as Linux counts it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from clearer.core import pressure
from clearer.core.pressure import Watch


@pytest.mark.parametrize(("waited", "busy"), [(0.0, False), (0.05, False), (0.5, True)])
def test_a_machine_is_busy_when_programs_waited_for_much_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: float, busy: bool
) -> None:
    file, now = tmp_path / "cpu", [100.0]
    monkeypatch.setattr(pressure, "FILE", file)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = "some avg10=3.00 avg60=2.00 avg300=1.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    file.write_text(line.format(7_000_000))
    watch = Watch()
    now[0] += 2.0
    file.write_text(line.format(7_000_000 + round(2e6 * waited)))
    assert watch.share() == pytest.approx(waited) and watch.busy is busy


@pytest.mark.parametrize("content", [None, "", "some avg10=0.0\n", "some total=many\n"])
def test_a_system_that_counts_nothing_is_never_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.setattr(pressure, "FILE", tmp_path / "cpu")
    if content is not None:
        (tmp_path / "cpu").write_text(content)
    watch = Watch()
    assert watch.share() == 0.0 and not watch.busy
