"""The table of latencies: equal pieces are measured once, kept for this device alone, and sum up to networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clearer.inference import latency_table
from clearer.inference.budget import ImageSize
from clearer.inference.latency import Latency
from clearer.inference.latency_table import LatencyTable
from clearer.network.architecture import Architecture

SIZE = ImageSize(48, 40)
NETWORK = Architecture.parse("PP-PF@channels=1,width=4,norm=none,residual,condition=level")


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run each piece once and say that it took 1 ms; return the list that grows with each measurement."""
    found: list[int] = []

    def once(run: object, size: ImageSize, *_: float) -> Latency:
        run()  # type: ignore[operator]
        found.append(1)
        return Latency(size, (0.001, 0.001))

    monkeypatch.setattr(latency_table, "time_runs", once)
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "text",
    [
        NETWORK.text,
        "P-PP-FFP@channels=3,width=4:6:8:10,norm=batch,unshuffle=2",
        "P-PP-P@channels=1,width=4:6,norm=none,residual,unshuffle=4,condition=level,topology=unet",
        "PF-FF@channels=1,width=3,operations=released",
    ],
)
def test_every_piece_of_a_network_runs_alone(text: str, precision: str, timed: list[int]) -> None:
    table = LatencyTable(SIZE, "cpu", precision)
    table.milliseconds(Architecture.parse(text))
    assert len(timed) == len(table.times)


def test_equal_pieces_are_measured_once(timed: list[int]) -> None:
    table = LatencyTable(SIZE, "cpu", "fp32")
    # around, the first convolution, the stem, the transition, P and F on two scales, to full scale, the last one
    assert table.milliseconds(Architecture.parse("PPPPF@channels=1,width=4,norm=none")) == pytest.approx(
        2 + 2 + 1 + 2 * 4 + 2 + 1 + 1
    )
    assert len(timed) == 1 + 1 + 2 + 1 + 2 + 0 + 1
    table.milliseconds(Architecture.parse("PPFP@channels=1,width=4,norm=none"))
    assert len(timed) == 8


def test_times_are_kept_for_this_device_alone(tmp_path: Path, timed: list[int]) -> None:
    file = tmp_path / "table.json"
    first = LatencyTable(SIZE, "cpu", "fp32", file)
    expected, measured = first.milliseconds(NETWORK), len(timed)
    again = LatencyTable(SIZE, "cpu", "fp32", file)
    assert again.milliseconds(NETWORK) == expected and len(timed) == measured and again.measured_elsewhere is None
    value = json.loads(file.read_text())
    value["valid_for"]["device"] = "another processor"
    file.write_text(json.dumps(value))
    elsewhere = LatencyTable(SIZE, "cpu", "fp32", file)
    assert elsewhere.measured_elsewhere is not None and elsewhere.measured_elsewhere["device"] == "another processor"
    assert elsewhere.milliseconds(NETWORK) == expected and len(timed) == 2 * measured
    for damage in ("", "[]", '{"valid_for": 1}', "{"):
        file.write_text(damage)
        assert LatencyTable(SIZE, "cpu", "fp32", file).times == {}


def test_a_wider_network_takes_longer() -> None:
    table = LatencyTable(ImageSize(128, 128), "cpu", "fp32")
    narrow, wide = (Architecture.parse(f"PP@channels=1,width={width},norm=none,topology=unet") for width in (4, 64))
    assert table.milliseconds(wide) > table.milliseconds(narrow) > 0
