"""Exported files: they compute what PyTorch computes at any size, or are not written."""

from __future__ import annotations

import collections
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from torch import nn

import clearer
from clearer.cli.export import _lost, _say_file
from clearer.core.errors import UserError
from clearer.deploy import onnx as exporting
from clearer.deploy.onnx import export, folded_copy, onnx_model
from clearer.deploy.quantize import read_calibration
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command
from helpers.photos import photograph

pytestmark = pytest.mark.slow

CARD = {"task": "denoise", "degradation": {"kind": "gaussian", "sigma": [10.0, 50.0], "clip8": False}}


def sane(text: str = "F-P", **fields: Any) -> RestorationNetwork:
    """Return a network with weights and norms such as training leaves, whose output is near its input."""
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture.parse(text, **{"width": 4, **fields}))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
        elif isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.normal_(network.get_parameter("last.weight"), std=0.01)
    return network.eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a residual gray network, and its exports, as the command line writes them."""
    folder = tmp_path_factory.mktemp("exported")
    save_weights(folder / "model.safetensors", sane(residual=True), CARD)
    ended = command("export", folder, "--onnx", folder / "a.onnx", "--torch", folder / "a.pt2", "--json")
    assert ended.status == 0, ended.err
    (folder / "result.json").write_text(ended.out)
    return folder


@pytest.fixture
def exported(run: Path) -> Restorer:
    return clearer.load(run / "a.onnx")


# what is in the file


def test_an_exported_file_is_described(run: Path) -> None:
    reported = json.loads(command("describe", run / "a.onnx", "--json").out.splitlines()[-1])
    assert reported["architecture"] == str(sane(residual=True).architecture) and reported["card"] == CARD


def test_pixel_unshuffle_is_part_of_the_graph(tmp_path: Path) -> None:
    network = sane("PF-FP", channels=3, unshuffle=2, norm="none", residual=True)
    save_weights(tmp_path / "model.safetensors", network, CARD)
    found = clearer.export(tmp_path, onnx=tmp_path / "a.onnx", pt2=tmp_path / "a.pt2")
    assert found["onnx"]["largest_difference"] < 1e-4 and found["pt2"]["largest_difference"] < 1e-4
    exported = clearer.load(tmp_path / "a.onnx")
    assert exported.architecture == network.architecture and exported.architecture.multiple == 8
    image = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
    plain = Restorer(network, device="cpu", precision="fp32").restore(image)
    assert np.abs(exported.restore(image).astype(int) - plain).max() <= 1


@pytest.mark.parametrize("operations", ["supplement", "released"])
def test_the_graph_has_no_norms_and_dynamic_sizes(operations: str) -> None:
    network = sane(channels=3, operations=operations)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    model = onnx_model(folded_copy(network))
    onnx.checker.check_model(model)
    kinds = collections.Counter(node.op_type for node in model.graph.node)
    assert "BatchNormalization" not in kinds and kinds["Pad"] == 0 and kinds["Gather"] == 2  # mirrored down and right
    assert kinds["Conv"] == sum(isinstance(layer, nn.Conv2d) for layer in network.modules())
    for value in (*model.graph.input, *model.graph.output):
        shape = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        assert shape == ["batch", 3, "height", "width"]
    # The network itself is as it was.
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def test_folding_norms_changes_nothing() -> None:
    for operations in ("supplement", "released"):
        network, x = sane(operations=operations), torch.rand(2, 1, 13, 18)
        folded = folded_copy(network)
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
        with torch.no_grad():
            assert torch.allclose(folded(x), network(x), atol=1e-5)


def test_the_metadata_describes_the_model(run: Path) -> None:
    found = {entry.key: entry.value for entry in onnx.load(run / "a.onnx").metadata_props}
    assert Architecture.from_json(found["architecture"]) == sane(residual=True).architecture
    assert (found["task"], found["channels"], found["multiple"], found["precision"]) == ("denoise", "1", "4", "fp32")
    assert "0..1" in found["range"] and json.loads(found["card"]) == CARD
    assert 0 < json.loads(found["check"])["largest_difference"] < 1e-4


def test_no_folder_of_this_machine_is_in_the_files(run: Path) -> None:
    source = str(Path(clearer.__file__).parent).encode()
    for name in ("a.onnx", "a.pt2"):
        content = (run / name).read_bytes()
        assert source not in content and str(run).encode() not in content


# the exported file


@settings(deadline=None)
@given(batch=st.integers(1, 3), height=st.integers(1, 40), width=st.integers(1, 40))
def test_onnx_runtime_agrees_with_pytorch(run: Path, batch: int, height: int, width: int) -> None:
    network, exported = clearer.load(run, "cpu", "fp32"), clearer.load(run / "a.onnx")
    x = torch.rand((batch, 1, height, width), generator=torch.Generator().manual_seed(height))
    assert torch.allclose(exported(x), network(x), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 16, 24), (1, 5, 33), (2, 40, 7)])
def test_the_torch_program_agrees_with_pytorch(run: Path, size: tuple[int, int, int]) -> None:
    program = torch.export.load(run / "a.pt2").module()
    x = torch.rand(size[0], 1, *size[1:])
    with torch.no_grad():
        assert torch.allclose(program(x), clearer.load(run, "cpu", "fp32")(x), atol=1e-5)


def test_an_exported_file_loads_as_a_restorer(run: Path, exported: Restorer) -> None:
    network = clearer.load(run, "cpu", "fp32")
    assert (exported.architecture, exported.card) == (network.architecture, network.card)
    assert (str(exported.device), exported.precision) == ("cpu", "fp32")
    image = photograph("camera.png", 45)[..., 0]
    for kind in (image, Image.fromarray(image), torch.from_numpy(image / 255)[None]):
        same = np.asarray(exported.restore(kind)), np.asarray(network.restore(kind))
        assert isinstance(exported.restore(kind), type(kind))
        assert np.allclose(*same, atol=1e-4 if isinstance(kind, torch.Tensor) else 1)  # 1: 8-bit levels
    x = torch.rand(1, 1, 9, 14)
    assert not torch.allclose(exported(x), x, atol=1e-3)
    assert torch.allclose(exported(x, ensemble=True), network(x, ensemble=True), atol=1e-5)
    with ThreadPoolExecutor(4) as threads:
        assert all(torch.equal(y, exported(x)) for y in threads.map(exported, [x] * 16))


def test_the_command_line_restores_and_evaluates_with_an_exported_file(run: Path, photos: Path, tmp_path: Path) -> None:
    for name, model in (("torch", run), ("onnx", run / "a.onnx")):
        ended = command("restore", model, photos, "-o", tmp_path / name, "--precision", "fp32", "--json")
        assert ended.status == 0, ended.err
    for path in photos.iterdir():
        both = [np.asarray(Image.open(tmp_path / name / path.name)).astype(int) for name in ("torch", "onnx")]
        assert np.abs(both[0] - both[1]).max() <= 1
    reported = [
        command(
            "evaluate", model, "--protocol", "gray-awgn-50", "--data", photos, "--limit", 2,
            "-o", tmp_path / "e.json", "--json",
        ).json
        for model in (run, run / "a.onnx")
    ]  # fmt: skip
    assert reported[0]["psnr"] == pytest.approx(reported[1]["psnr"], abs=1e-3)
    assert reported[0]["parameters"] == reported[1]["parameters"] > 0


def test_the_command_line_reports_the_files(run: Path) -> None:
    reported = json.loads((run / "result.json").read_text())
    for kind, name in (("onnx", "a.onnx"), ("pt2", "a.pt2")):
        assert reported[kind]["path"] == str(run / name) and reported[kind]["bytes"] == (run / name).stat().st_size
        assert reported[kind]["largest_difference"] <= reported[kind]["tolerance"] == 1e-4
        assert [2, 45, 61] in reported[kind]["sizes"]


# fp16 and int8


def test_half_stores_fp16_and_stays_within_a_gray_level(run: Path, tmp_path: Path) -> None:
    reported = export(run, onnx=tmp_path / "h.onnx", half=True)["onnx"]
    assert 0 < reported["largest_difference"] <= reported["tolerance"] == 1 / 255
    kinds = {
        tensor.data_type for tensor in onnx.load(tmp_path / "h.onnx").graph.initializer if np.prod(tensor.dims) > 8
    }
    assert kinds == {onnx.TensorProto.FLOAT16}
    onnx.checker.check_model(onnx.load(tmp_path / "h.onnx"))  # its nodes are sorted, too
    half, x = clearer.load(tmp_path / "h.onnx"), torch.rand(2, 1, 21, 30)
    assert half.precision == "fp16" and half(x).dtype == torch.float32
    assert torch.allclose(half(x), clearer.load(run, "cpu", "fp32")(x), atol=1 / 255)


def test_the_opset_is_the_one_that_is_asked_for(run: Path, tmp_path: Path) -> None:
    import onnx

    def opset(path: Path) -> int:
        return {entry.domain: entry.version for entry in onnx.load(path).opset_import}[""]

    export(run / "model.safetensors", onnx=tmp_path / "b.onnx", opset=20)
    assert (opset(run / "a.onnx"), opset(tmp_path / "b.onnx")) == (18, 20)


def test_int8_is_calibrated_and_its_loss_measured(run: Path, photos: Path, tmp_path: Path) -> None:
    ended = command("export", run, "--onnx", tmp_path / "q.onnx", "--int8", "--calibrate", photos, "--json")
    assert ended.status == 0, ended.err
    reported = ended.json["onnx"]
    assert reported["loss"] == pytest.approx(reported["psnr_fp32"] - reported["psnr"]) and reported["held_out"] == 1
    assert ("export without --int8" in ended.err) == (reported["loss"] > 0.05)
    # The reported loss is that of a separate measurement.
    calibration = read_calibration(photos, ModelCard.from_dict(CARD), 1)
    assert len(calibration.ranges) == 6 and len(calibration.held_out) == 1
    (degraded, truth), int8 = calibration.held_out[0], clearer.load(tmp_path / "q.onnx")
    restored = int8(torch.from_numpy(degraded)).clamp(0, 1).numpy()
    assert -10 * np.log10(np.mean((restored - truth) ** 2)) == pytest.approx(reported["psnr"], abs=1e-3)
    assert int8.precision == "int8" and abs(reported["loss"]) < 1
    model = onnx.load(tmp_path / "q.onnx")
    noted = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(noted["check"])["loss"] == reported["loss"]
    integers = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert len([tensor for tensor in integers if len(tensor.dims) == 4]) >= 10
    assert list(tmp_path.iterdir()) == [tmp_path / "q.onnx"]


@pytest.mark.parametrize(("loss", "warned"), [(0.04, False), (0.06, True)])
def test_a_loss_that_is_seen_is_warned_of(loss: float, warned: bool) -> None:
    console = Console(file=io.StringIO(), width=200)
    figures = {"loss": loss, "worst_loss": 1.0, "psnr": 30.0, "psnr_fp32": 30.0 + loss, "input_psnr": 20.0}
    others = {"path": "q.onnx", "precision": "int8", "bytes": 1, "largest_difference": 0.1, "sizes": [[1, 2, 3]]}
    _say_file({**figures, **others, "held_out": 1, "calibrated_with": "3 images of photos"}, console)
    assert ("int8 loses more than 0.05 dB" in console.file.getvalue()) == warned  # type: ignore[attr-defined]
    assert f"int8 loses {loss:.2f} dB, loses 1.00 dB on the worst image" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_negative_loss_is_a_gain() -> None:
    assert [_lost(-0.06), _lost(-0.004), _lost(0.1)] == ["gains 0.06 dB", "loses 0.00 dB", "loses 0.10 dB"]


def test_calibration_covers_a_range_of_noise_evenly(photos: Path) -> None:
    card = {"degradation": {"kind": "gaussian", "sigma": [0.0, 60.0], "clip8": False}}
    found = read_calibration(photos, ModelCard.from_dict(card), 1)
    ((degraded, truth),) = found.held_out
    assert 255 * (degraded - truth).std() == pytest.approx(30, rel=0.05)
    rough = [float(np.abs(np.diff(image)).mean()) for image in found.ranges]
    assert rough == sorted(rough) and rough[-1] > 3 * rough[0]


def test_an_unreadable_image_is_left_out_of_the_calibration(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    files = sorted(folder.iterdir())
    for torn in (files[0], files[4]):
        torn.write_bytes(torn.read_bytes()[:400])
    found = read_calibration(folder, ModelCard.from_dict(CARD), 1)
    assert len(found.ranges) == 4 and len(found.held_out) == 1
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and all(line.startswith("left out of the calibration: ") for line in said)
    assert files[0].name in said[0] and files[4].name in said[1] and not any("\n" in line for line in said)
    files[3].write_bytes(files[3].read_bytes()[:400])
    with pytest.raises(UserError, match="no image can be read of those that measure int8; replace them"):
        read_calibration(folder, ModelCard.from_dict(CARD), 1)


def test_a_model_trained_on_pairs_is_calibrated_with_pairs(tmp_path: Path) -> None:
    card = {"degradation": {"kind": "none", "sigma": 0.0, "clip8": False}}
    for kind, level in (("clean", 200), ("rainy", 100)):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for k in range(4):
            Image.fromarray(np.full((9, 11), level + k, np.uint8)).save(tmp_path / "pairs" / kind / f"{k}.png")
    found = read_calibration(tmp_path / "pairs", ModelCard.from_dict(card), 1)
    assert [round(float(p.mean()) * 255) for p in found.ranges] == [100, 101, 102]
    ((degraded, truth),) = found.held_out
    assert (round(float(degraded.mean()) * 255), round(float(truth.mean()) * 255)) == (103, 203)
    with pytest.raises(UserError, match="trained on pairs"):
        read_calibration(tmp_path / "pairs" / "clean", ModelCard.from_dict(card), 1)
    with pytest.raises(UserError, match="does not state the degradation"):
        read_calibration(tmp_path / "pairs", ModelCard(), 1)


def test_images_of_calibration_have_the_range_of_the_model(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 4096, (4, 24, 24)).astype(np.uint16)
    levels[:, 0, :2] = 0, 4095
    for k, image in enumerate(levels):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    card = {"degradation": {"kind": "gaussian", "sigma": 25.0, "clip8": False}, "range": [0, 4095]}
    ((degraded, truth),) = read_calibration(tmp_path, ModelCard.from_dict(card), 1).held_out
    assert np.allclose(truth[0, 0], levels[3] / 4095, atol=1e-6)
    assert 255 * (degraded - truth).std() == pytest.approx(25, rel=0.1)
    (tmp_path / "0.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    torn = read_calibration(tmp_path, ModelCard.from_dict(card), 1)
    assert len(torn.ranges) == 2 and np.array_equal(torn.held_out[0][1], truth)


# errors


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_a_file_that_differs_is_not_kept(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"what was there before")
    real = exporting.folded_copy

    def other(network: RestorationNetwork) -> RestorationNetwork:
        copied = real(network)
        _break_after(copied)
        return copied

    monkeypatch.setattr(exporting, "folded_copy", other)
    with pytest.raises(UserError, match=r"differs from PyTorch by .* nothing was written") as caught:
        export(run, **{kind: path})
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"what was there before"


def _break_after(network: RestorationNetwork) -> None:
    """Let the network compute something else when it is not being recorded."""
    forward = network.forward

    def wrong(x: torch.Tensor) -> torch.Tensor:
        return forward(x) + (0 if torch.compiler.is_compiling() else 0.01)

    network.forward = wrong  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "no file is named"),
        (["--onnx", "a.xyz"], "must end in .onnx"),
        (["--torch", "a.onnx"], "must end in .pt2"),
        (["--onnx", "a.onnx", "--half", "--int8", "--calibrate", "."], "write two files"),
        (["--torch", "a.pt2", "--half"], "only for ONNX files"),
        (["--onnx", "a.onnx", "--int8"], "needs a folder"),
        (["--onnx", "a.onnx", "--calibrate", "."], "needs a folder"),
        (["--onnx", "a.onnx", "--opset", "17"], "--opset 17: not from 18, the least that torch writes, to "),
        (["--onnx", "a.onnx", "--opset", "99"], "--opset 99: not from 18"),
        (["--torch", "a.pt2", "--opset", "20"], "--opset: only for ONNX files"),
        (["--onnx", "a.onnx", "--layout", "nonsense"], "--layout nonsense: only for --calibrate; leave it out"),
        (["-o", "folder", "--layout", "pairs"], "--layout pairs: only for --calibrate; leave it out"),
        (["--torch", "a.pt2", "--layout", "pairs"], "--layout pairs: only for --calibrate; leave it out"),
        (["--bioimageio", "a.zip", "--layout", "pairs"], "--layout pairs: only for --calibrate; leave it out"),
    ],
)
def test_contradicting_options_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("export", run, *options)
    assert ended.status == 2 and words in ended.err and ended.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bioimageio", "pkg.txt"], "must end in .zip"),
        (["--demo", "page", "--json"], "onnxruntime-web is not in node_modules"),
        (["--torch", "a.onnx"], "must end in .pt2"),
        (["--onnx", "a.xyz"], "must end in .onnx"),
        (["--int8", "--calibrate", "nowhere"], "nowhere"),
        (["--opset", "99"], "--opset 99: not from 18"),
        (["--bioimageio", "a.zip", "--calibrate", "."], "give both or none"),
    ],
)
def test_no_file_is_written_where_another_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("export", run, "-o", "folder", *options)
    assert ended.status == 2 and words in ended.err and ended.err.count("\n") == 1 and not ended.out
    assert not list(tmp_path.iterdir())


def test_images_for_int8_are_not_ignored_without_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("export", run, "--bioimageio", "a.zip", "--calibrate", "photos")
    assert ended.status == 2 and ended.err.startswith("clearer: --calibrate photos: only for --int8")
    assert not list(tmp_path.iterdir())


def test_a_layout_without_images_is_refused_in_python_too(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--layout nonsense: only for --calibrate"):
        export(run, onnx=tmp_path / "a.onnx", layout="nonsense")
    assert not list(tmp_path.iterdir())


def test_onnx_files_not_written_by_export_are_refused(run: Path, tmp_path: Path) -> None:
    model = onnx.load(run / "a.onnx")
    changes: dict[str, tuple[str, str]] = {
        "format": ("another", "not written by 'clearer export'"),
        "architecture": ("{}", "damaged metadata"),
        "card": ("[]", "damaged metadata"),
        "precision": ("fp7", "damaged metadata"),
    }
    for key, (value, words) in changes.items():
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        next(entry for entry in changed.metadata_props if entry.key == key).value = value
        onnx.save(changed, tmp_path / "a.onnx")
        with pytest.raises(UserError, match=words):
            clearer.load(tmp_path / "a.onnx")
    color = json.dumps({**model_architecture(model), "channels": 3})
    next(entry for entry in model.metadata_props if entry.key == "architecture").value = color
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(UserError, match=r"not \(batch, 3, height, width\)"):
        clearer.load(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes((run / "a.onnx").read_bytes()[:5000])
    with pytest.raises(UserError, match="damaged"):
        clearer.load(tmp_path / "a.onnx")


def model_architecture(model: Any) -> dict[str, Any]:
    value = json.loads(next(entry for entry in model.metadata_props if entry.key == "architecture").value)
    assert isinstance(value, dict)
    return value


def test_an_exported_file_is_neither_moved_nor_exported_again(run: Path, tmp_path: Path) -> None:
    wrong = (({"device": "cuda"}, "run on the cpu"), ({"precision": "bf16"}, "computes in fp32, not in bf16"))
    for how, words in wrong:
        with pytest.raises(UserError, match=words):
            clearer.load(run / "a.onnx", **how)
    with pytest.raises(UserError, match="already exported"):
        export(run / "a.onnx", onnx=tmp_path / "b.onnx")


def test_a_missing_onnx_runtime_is_reported(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'clearer\[onnx\]'"):
        clearer.load(run / "a.onnx")


def test_too_little_memory_is_reported(exported: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def run(self, *_: Any) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 9")

    monkeypatch.setattr(exported.network, "session", Full())
    with pytest.raises(UserError, match="5x4 pixels need more memory"):
        exported.restore(np.zeros((4, 5)))
