"""Latency: what is timed is what `Restorer.restore` does, in every runtime."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

import clearer
from clearer.core.errors import UserError
from clearer.inference.budget import ImageSize
from clearer.inference.latency import Latency, time_runs, using_threads
from clearer.network.architecture import Architecture
from clearer.pipeline.latency import measure_latency
from helpers.command import clearer as command

TINY = Architecture.parse("P@channels=1,width=2,norm=none,topology=unet")


def test_the_median_counts_and_the_warm_up_does_not() -> None:
    calls = 0

    def run() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.3 if calls <= 2 else 0.002)

    found = time_runs(run, ImageSize(1000, 500), seconds=0)
    assert len(found.seconds) >= 7 and max(found.seconds) < 0.3
    assert 2 <= found.quartiles[0] <= found.milliseconds <= found.quartiles[1]
    assert Latency(ImageSize(1000, 500), (0.1, 0.2, 9.0)).milliseconds == pytest.approx(200)
    assert Latency(ImageSize(1000, 500), (0.1, 0.2, 9.0)).megapixels_per_second == pytest.approx(2.5)


def test_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), using_threads(1) as count:
        assert count == torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "target",
    [
        "PP-F@channels=3,width=2,norm=none,condition=level",
        "P@channels=1,width=2,norm=batch,unshuffle=2,topology=unet",
        "P@channels=4,width=1,norm=bias-free,topology=unet",
    ],
)
def test_an_architecture_is_timed_whatever_its_initial_weights_give(target: str) -> None:
    found = measure_latency(target, at="64x48", threads=1, seconds=0)
    assert found["milliseconds"] > 0 and found["at"] == [64, 48] and found["threads"] == 1
    assert found["megapixels_per_second"] == pytest.approx(64 * 48 / 1000 / found["milliseconds"])
    assert 0 < found["share_of_peak"] < 1.5


def test_a_restorer_and_a_weight_file_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = clearer.Restorer(clearer.RestorationNetwork(TINY), device="cpu", precision="fp32")
    seen = []
    monkeypatch.setattr(clearer.Restorer, "restore", lambda self, image: seen.append((image.shape, image.dtype)))
    found = measure_latency(restorer, at="40x30", seconds=0)
    assert found["precision"] == "fp32" and found["runs"] >= 7
    assert set(seen) == {((30, 40), torch.zeros(1).numpy().dtype)} and len(seen) >= found["runs"] + 2


def test_onnx_runtime_times_the_exported_network() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    found = measure_latency(
        "P-P", width=2, norm="none", condition="level", runtime="onnxruntime", at="40x30", seconds=0
    )
    assert (found["runtime"], found["precision"], found["device"]) == ("onnxruntime", "fp32", "cpu")


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("PP", {"runtime": "tensorrt"}, "'tensorrt' is not one of torch, onnxruntime, openvino"),
        ("PP", {"runtime": "onnxruntime", "precision": "bf16"}, "leave device and precision out"),
        ("PP", {"at": "large"}, "'large' is not of the form"),
        ("denoise-grey", {}, "denoise-gray"),
        ("PP@width=8", {"widht": 8}, "widht"),
        ("nowhere.safetensors", {"width": 8}, "states its own width"),
    ],
)
def test_what_cannot_be_timed_is_refused_in_a_line(target: str, options: dict[str, str], says: str) -> None:
    with pytest.raises((UserError, TypeError)) as caught:
        measure_latency(target, **{"at": "64x48", "seconds": 0, **options})  # type: ignore[arg-type]
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_the_verb_ends_with_one_json_object() -> None:
    form = ("--width", "2", "--channels", "3")
    ended = command("latency", "PP", *form, "--at", "48x32", "--threads", "1", "--seconds", "0", "--json")
    assert ended.json["milliseconds"] > 0 and ended.json["at"] == [48, 32] and "milliseconds, median" in ended.err
