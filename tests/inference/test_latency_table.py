"""The table of latencies: equal pieces are measured once, kept for this device alone, and sum up to networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from clearer.core.pressure import Watch
from clearer.inference import latency_table
from clearer.inference.budget import ImageSize
from clearer.inference.latency import Latency, wait_for
from clearer.inference.latency_table import LatencyTable, device_name
from clearer.network.architecture import Architecture
from clearer.network.modules import StepModule

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
    monkeypatch.setattr(Watch, "busy", False)  # whatever else runs beside the tests
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
    assert elsewhere.changed is not None
    assert elsewhere.changed.startswith("device another processor, now ") and ";" not in elsewhere.changed
    del value["valid_for"]["path"]  # as earlier versions wrote it
    value["valid_for"]["device"] = elsewhere.valid_for["device"]
    file.write_text(json.dumps(value))
    assert LatencyTable(SIZE, "cpu", "fp32", file).changed == "path not stated, now 2"
    for damage in ("", "[]", '{"valid_for": 1}', "{"):
        file.write_text(damage)
        assert LatencyTable(SIZE, "cpu", "fp32", file).times == {}


def test_another_number_of_threads_does_not_replace_the_table(
    tmp_path: Path, timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.json"
    LatencyTable(SIZE, "cpu", "fp32", file).milliseconds(NETWORK)
    before, measured = file.read_text(), len(timed)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    other = LatencyTable(SIZE, "cpu", "fp32", file)
    assert other.times == {} and other.measured_elsewhere is None
    other.milliseconds(NETWORK)
    assert file.read_text() == before and len(timed) == 2 * measured
    assert len(LatencyTable(SIZE, "cpu", "fp32", file).times) == len(other.times)
    assert {one.name for one in tmp_path.iterdir()} == {"table.json", "table-threads-77-precision-fp32.json"}


def test_times_of_a_busy_machine_are_not_kept(
    tmp_path: Path, timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.json"
    monkeypatch.setattr(Watch, "busy", True)
    table = LatencyTable(SIZE, "cpu", "fp32", file)
    table.milliseconds(NETWORK)
    measured = len(timed)
    assert len(table.doubtful) == measured and not file.exists()
    table.milliseconds(NETWORK)
    assert len(timed) == measured  # within one search each piece has one time
    monkeypatch.setattr(Watch, "busy", False)
    wider = Architecture.parse("PP-PF@channels=1,width=6,norm=none,residual,condition=level")
    table.milliseconds(wider)
    kept = json.loads(file.read_text())["milliseconds"]
    assert len(kept) == len(timed) - measured and not table.doubtful & kept.keys()


def test_a_wider_network_takes_longer() -> None:
    table = LatencyTable(ImageSize(128, 128), "cpu", "fp32")
    narrow, wide = (Architecture.parse(f"PP@channels=1,width={width},norm=none,topology=unet") for width in (4, 64))
    assert table.milliseconds(wide) > table.milliseconds(narrow) > 0


class Clock:
    """Counts, instead of a GPU, how often it is waited for, and what was given to it meanwhile."""

    def __init__(self) -> None:
        self.waits, self.given, self.between = 0, 0, []

    def wait(self, device: torch.device) -> None:
        self.waits += 1
        self.between.append(self.given)
        self.given = 0


@pytest.mark.parametrize("text", [NETWORK.text, "P-P-P@channels=1,width=4:6,norm=batch,unshuffle=2,topology=unet"])
def test_pieces_on_a_gpu_are_timed_in_rounds_that_end_with_a_wait(
    text: str, timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a GPU, on the CPU: no fused operations, several runs of a piece, then one wait."""
    clock = Clock()

    def counting(compute: object) -> object:
        def into(*given: object) -> object:
            clock.given += 1
            return compute(*given)  # type: ignore[operator]

        return into

    monkeypatch.setattr(latency_table, "wait_for", clock.wait)
    monkeypatch.setattr(latency_table, "can_fuse", lambda: False)
    monkeypatch.setattr(StepModule, "into", counting(StepModule.into))
    table = LatencyTable(SIZE, "cpu", "bf16")
    monkeypatch.setattr(latency_table, "ROUNDS", 5)
    alone = table.milliseconds(Architecture.parse(text))
    assert clock.waits == len(timed) - 1 and set(clock.between) <= {0, 1}  # "around" restores an array by itself

    class Gpu:
        type = "cuda"

    clock.waits, clock.between = 0, []
    built, feature = table._built, torch.rand
    network = built(Architecture.parse(text))
    pieces = [piece for piece in table._pieces(network.architecture) if piece.step is not None]
    monkeypatch.setattr(torch, "rand", lambda *shape, device: feature(*shape))
    monkeypatch.setattr(latency_table, "autocast", lambda precision, device: torch.autocast("cpu", torch.bfloat16))
    table.device = Gpu()  # type: ignore[assignment]
    times = [table._timed(network, piece) for piece in pieces]
    assert times == [pytest.approx(1 / 5)] * len(pieces) and clock.waits == len(pieces)
    assert set(clock.between) <= {0, 5} and alone > sum(times)


def test_a_device_is_named_by_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    assert device_name(torch.device("cuda")) == "a GPU"
    cpu = device_name(torch.device("cpu"))
    assert cpu.endswith("cores") and device_name(torch.device("mps")) == f"mps of {cpu}"


def test_what_waits_depends_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    for name in ("cpu", "cuda:1", "mps"):
        wait_for(torch.device(name))
    assert waited == [torch.device("cuda:1"), "mps"]
