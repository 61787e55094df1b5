"""Latency: what is timed is what `Restorer.restore` does, in every runtime."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

import clearer
from clearer.core.errors import UserError
from clearer.core.pressure import Watch
from clearer.deploy.runtimes import check_runtime, running
from clearer.inference import latency
from clearer.inference.budget import ImageSize
from clearer.inference.latency import Latency, random_image, time_runs, using_threads
from clearer.network.architecture import Architecture
from clearer.pipeline.latency import measure_latency
from helpers.command import clearer as command
from helpers.networks import plausible

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


U_NET = "P-P-P@channels=1,width=4:6,norm=none,condition=level,topology=unet"


@pytest.fixture(scope="module")
def restorer() -> clearer.Restorer:
    network = plausible(Architecture.parse(U_NET + ",residual"))
    torch.nn.init.normal_(network.get_parameter("last.weight"), std=0.02)
    return clearer.Restorer(network, device="cpu", precision="fp32")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_other_runtimes_restore_what_torch_restores(restorer: clearer.Restorer, runtime: str) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip(runtime)
    with running(restorer, runtime, 1) as (timed, used):
        assert used == runtime and timed is not restorer
        for height, width in ((40, 30), (37, 51), (1, 3)):
            image = random_image(ImageSize(width, height), 1)
            assert np.allclose(timed.restore(image), restorer.restore(image), atol=1e-4)
            assert np.allclose(timed.restore(image, level=80), restorer.restore(image, level=80), atol=1e-4)
    found = measure_latency(restorer, runtime=runtime, at="40x30", threads=1, seconds=0)
    assert (found["runtime"], found["precision"], found["device"]) == (runtime, "fp32", "cpu")
    assert found["milliseconds"] > 0 and found["threads"] == 1


@pytest.mark.slow
def test_an_exported_file_is_timed_in_its_own_runtime(restorer: clearer.Restorer, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    clearer.export(restorer, onnx=tmp_path / "a.onnx")
    found = measure_latency(tmp_path / "a.onnx", at="40x30", seconds=0)
    assert (found["runtime"], found["architecture"]) == ("onnxruntime", restorer.architecture.text)
    for runtime in ("torch", "openvino"):
        with pytest.raises(UserError, match=f"{runtime} cannot run an exported file; name the weight file"):
            check_runtime(runtime, exported=True)
    with pytest.raises(UserError, match="torch cannot run an exported file"):
        measure_latency(tmp_path / "a.onnx", at="40x30", seconds=0, runtime="torch")


def test_the_peak_is_the_better_of_product_and_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([2.0, 0.001])
    monkeypatch.setattr(latency, "_least_seconds", lambda run, device: next(times))
    latency.peak_macs.cache_clear()
    assert latency.peak_macs("cpu", "fp32", 3) == pytest.approx(128**4 * 9 / 0.001)
    latency.peak_macs.cache_clear()


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("PP", {"runtime": "tensorrt"}, "'tensorrt' is not one of auto, torch, onnxruntime, openvino"),
        ("PP", {"runtime": "openvin"}, "did you mean 'openvino'"),
        ("PP", {"runtime": "onnxruntime", "precision": "bf16"}, "leave device and precision out"),
        ("PP", {"runtime": "onnxruntime", "device": "cuda"}, "leave device and precision out"),
        ("PP", {"device": "cuda:7"}, "'cuda:7' is not available"),
        ("PP", {"precision": "int8"}, "'int8' is not one of"),
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
    assert ended.json["runtime"] == "torch" and ", cpu, 1 thread\n" in ended.err


@pytest.mark.parametrize(("share", "said"), [(0.0, 0), (0.62, 1)])
def test_a_busy_machine_is_said(share: float, said: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "share", lambda self: share)
    ended = command("latency", TINY.text, "--at", "48x32", "--threads", "1", "--seconds", "0", "--json")
    assert ended.json["busy"] == share
    assert ended.err.count("other programs kept this machine busy for 62 % of the time") == said


@pytest.mark.parametrize(
    ("device", "threads", "said"),
    [("cpu", 2, True), ("cpu", 3, False), ("cuda", 1, False), ("cuda:0", 1, False), ("cpu", 1, True)],
)
def test_a_process_that_waits_for_itself_is_no_busy_machine(
    device: str, threads: int, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measure_latency(TINY, at="48x32", threads=1, seconds=0)
    measured = found | {"device": device, "threads": threads, "busy": 0.62}
    monkeypatch.setattr("clearer.pipeline.latency.measure_latency", lambda *given, **options: measured)
    monkeypatch.setattr("clearer.experiments.runner.cores", lambda: 2)
    assert ("other programs" in command("latency", TINY.text).out) == said


def test_by_default_the_time_is_that_of_restore_for_a_float_image() -> None:
    restorer = clearer.load("denoise-gray")
    assert (
        measure_latency(restorer, at="48x32", seconds=0)["precision"] == restorer.at_depth("float").precision == "fp32"
    )
    assert measure_latency("denoise-gray", at="48x32", seconds=0, precision="bf16")["precision"] == "bf16"
