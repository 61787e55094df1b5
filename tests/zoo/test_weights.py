"""Weight files: bit-identical after a round trip; other files are refused."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.network.architecture import OPERATIONS, Architecture, SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.zoo.weight_metadata import FORMAT, read_architecture
from clearer.zoo.weights import _halved, load_weights, save_weights

CARD = {"task": "denoise", "degradation": {"kind": "gaussian", "sigma": [0.0, 75.0]}, "note": "naïve \n ü"}


def a_network(operations: str = "supplement", norm: str = "batch") -> RestorationNetwork:
    torch.manual_seed(1)
    space = SearchSpace(channels=3, width=4, scales=3, modules_per_cell=2, operations=operations, norm=norm)
    network = RestorationNetwork(space.random_architecture(4))
    network(torch.rand(2, 3, 16, 16))  # statistics that differ from their initial ones
    return network


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_weights(path, a_network(), CARD)
    return path


def rewritten(file: Path, tensors: dict[str, Tensor] | None = None, **metadata: str) -> Path:
    """Return a copy of a weight file with other tensors or metadata."""
    with safe_open(file, "pt") as opened:
        before = opened.metadata()
    path = file.with_name("other.safetensors")
    save_file(load_file(file) if tensors is None else tensors, path, before | metadata)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_weights(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_round_trip(tmp_path: Path, operations: str, norm: str) -> None:
    network = a_network(operations, norm)
    path = tmp_path / "new" / "model.safetensors"
    save_weights(path, network, CARD)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.safetensors"]
    architecture, card = read_architecture(path)
    assert (architecture, card) == (network.architecture, CARD)
    again, card = load_weights(str(path))
    assert (again.architecture, card) == (network.architecture, CARD)
    assert not again.training
    assert all(weights.requires_grad and weights.dtype == torch.float32 for weights in again.parameters())
    before, after = network.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(before[name].dtype == after[name].dtype and torch.equal(before[name], after[name]) for name in before)
    image = torch.rand(1, 3, 9, 14)
    with torch.no_grad():
        assert torch.equal(network.eval()(image), again(image))


def test_any_memory_format(tmp_path: Path) -> None:
    network = a_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(tmp_path / "m.safetensors", network, {})
    again, _ = load_weights(tmp_path / "m.safetensors")
    assert all(torch.equal(weights, again.state_dict()[name]) for name, weights in network.state_dict().items())


def test_metadata_names_format_and_architecture(file: Path) -> None:
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["format"] == FORMAT == "clearer-weights-1"
    assert Architecture.from_json(metadata["architecture"]) == a_network().architecture
    assert json.loads(metadata["card"]) == CARD


def test_loading_draws_no_random_numbers_and_does_not_keep_the_file_mapped(file: Path) -> None:
    before = torch.get_rng_state()
    network, _ = load_weights(file)
    assert torch.equal(torch.get_rng_state(), before)
    expected = {name: weights.clone() for name, weights in network.state_dict().items()}
    file.write_bytes(b"")
    assert all(torch.equal(weights, expected[name]) for name, weights in network.state_dict().items())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision(file: Path, kind: torch.dtype) -> None:
    tensors = {n: t.to(kind) if t.is_floating_point() else t for n, t in load_file(file).items()}
    network, _ = load_weights(rewritten(file, tensors))
    for name, weights in network.state_dict().items():
        assert weights.dtype == (torch.float32 if tensors[name].is_floating_point() else torch.int64)
        assert torch.equal(weights, tensors[name].to(weights.dtype))
    assert network(torch.rand(1, 3, 8, 8)).dtype == torch.float32


def test_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.safetensors")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"weights", b"architecture: PF-FP\n" * 20, b"\x89PNG\r\n\x1a\n" * 9])
def test_files_of_other_kinds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert "not a weight file" in refused(path)


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    torch.save(a_network().state_dict(), path)
    assert "not a weight file" in refused(path)


def test_truncated_files_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999):
        file.write_bytes(whole[: int(share * len(whole))])
        assert "not a weight file" in refused(file)
    file.write_bytes(whole[:-1])
    refused(file)


def test_safetensors_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    assert "not written by clearer" in refused(path)
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    assert "not written by clearer" in refused(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {"architecture": "{}"},
        {"architecture": "PF-FP"},
        {"architecture": json.dumps(Architecture.parse("PF").to_dict() | {"architecture": "PX"})},
        {"architecture": json.dumps(Architecture.parse("PF").to_dict() | {"width": 0})},
        {"card": "{"},
    ],
)
def test_damaged_metadata(file: Path, metadata: dict[str, str]) -> None:
    assert "metadata" in refused(rewritten(file, **metadata))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite(file: Path, value: float) -> None:
    tensors = load_file(file)
    tensors["last.weight"].view(-1)[0] = value
    assert "not finite" in refused(rewritten(file, tensors))


def test_weights_that_do_not_fit_the_architecture(file: Path) -> None:
    wider = Architecture.from_dict(a_network().architecture.to_dict() | {"width": 8})
    assert "size mismatch" in refused(rewritten(file, architecture=wider.to_json()))
    huge = Architecture.from_dict(a_network().architecture.to_dict() | {"width": 16_000})
    assert "do not fit" in refused(rewritten(file, architecture=huge.to_json()))
    longer = Architecture.parse("PPPPP-FFFFF", channels=3, width=4)
    assert "Missing key" in refused(rewritten(file, architecture=longer.to_json()))


def test_weights_of_wrong_shape_missing_or_surplus(file: Path) -> None:
    tensors: dict[str, Any] = load_file(file)
    assert "last.weight" in refused(rewritten(file, tensors | {"last.weight": torch.zeros(1, 4, 3, 3)}))
    assert "last.bias" in refused(rewritten(file, {n: t for n, t in tensors.items() if n != "last.bias"}))
    assert "extra" in refused(rewritten(file, tensors | {"extra": torch.zeros(1)}))


def test_messages_stay_short(file: Path) -> None:
    assert len(refused(rewritten(file, {"extra": torch.zeros(1)}))) < 400


def test_a_card_that_is_not_json_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        save_weights(tmp_path / "m.safetensors", a_network(), {"psnr": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        save_weights(tmp_path / "file" / "m.safetensors", a_network(), {})
    assert "\n" not in str(caught.value)


LIMITED = """
import resource, sys
from clearer.network.architecture import Architecture
from clearer.core.errors import UserError
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_weights(sys.argv[1], RestorationNetwork(Architecture.parse("PF", width=8)), {})
except UserError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_write_that_fails_half_way_leaves_the_file_as_it_was(file: Path) -> None:
    whole = file.read_bytes()
    ended = subprocess.run([sys.executable, "-c", LIMITED, str(file)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{file}: ") and ended.stdout.count("\n") == 1
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == whole


def test_batch_norm_counts_survive(file: Path) -> None:
    network, _ = load_weights(file)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms and all(int(layer.num_batches_tracked or 0) == 1 for layer in norms)


def test_metadata_is_read_without_torch() -> None:
    code = "import sys; from clearer.zoo.catalog import models; assert models(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.integers(1, 10), st.lists(st.floats(-60000, 60000, width=16), min_size=1, max_size=30))
def test_fewer_bits_of_mantissa_round_to_the_nearest(mantissa: int, values: list[float]) -> None:
    before = torch.tensor(values)
    found = _halved(before, mantissa)
    assert found.dtype == torch.float16 and not (found.view(torch.int16) & ((1 << (10 - mantissa)) - 1)).any()
    smallest = 2.0**-24 * 2 ** (10 - mantissa)  # below the normal numbers, the step is constant
    limit = torch.maximum(before.abs() * 2.0 ** -(mantissa + 1), torch.tensor(smallest / 2))
    finite = found.isfinite()  # the largest numbers may round to infinity
    assert ((found.float() - before).abs() <= limit)[finite].all()
    assert (before.abs() > 65504 * (1 - 2.0 ** -(mantissa + 1)))[~finite].all()
    assert torch.equal(_halved(found.float(), mantissa), found)


def test_files_with_fewer_bits_hold_rounded_weights_and_compress(tmp_path: Path) -> None:
    network = a_network()
    for mantissa in (10, 8):
        save_weights(tmp_path / f"{mantissa}.safetensors", network, CARD, half=True, mantissa=mantissa)
    sizes = [len(zlib.compress((tmp_path / f"{mantissa}.safetensors").read_bytes())) for mantissa in (10, 8)]
    assert sizes[1] < 0.95 * sizes[0]
    found = load_weights(tmp_path / "8.safetensors")[0].state_dict()
    for name, value in network.state_dict().items():
        expected = _halved(value, 8).float() if value.is_floating_point() else value
        assert torch.equal(found[name], expected), name
