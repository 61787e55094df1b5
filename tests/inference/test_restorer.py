"""The restorer: every type of image comes back as the same type."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
from helpers.networks import stand_in


def real(channels: int = 1, precision: str = "fp32") -> Restorer:
    torch.manual_seed(0)
    architecture = Architecture.parse("PF-FP", channels=channels, width=4, norm="none", residual=True)
    network = RestorationNetwork(architecture)
    nn.init.normal_(network.get_parameter("last.weight"), std=0.05)  # it begins as the identity
    return Restorer(network, device="cpu", precision=precision)


def array(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return chance.random(shape).astype(dtype)
    return chance.integers(
        0, np.iinfo(dtype).max, shape, endpoint=True, dtype=np.dtype(dtype).newbyteorder("=")
    ).astype(dtype)


sides = st.integers(1, 9)
dtypes = st.sampled_from(["uint8", "uint16", ">u2", "float16", "float32", "float64"])


# types


@given(height=sides, width=sides, dtype=dtypes, channels=st.sampled_from([None, 1, 3]), ensemble=st.booleans())
def test_arrays_come_back_the_same(height: int, width: int, dtype: str, channels: int | None, ensemble: bool) -> None:
    image = array((height, width) if channels is None else (height, width, channels), dtype)
    before = image.copy()
    found = stand_in(channels or 1).restore(image, ensemble)
    assert (found.shape, found.dtype) == (image.shape, image.dtype)
    assert np.array_equal(image, before)
    if np.dtype(dtype).kind == "f":
        assert np.allclose(found, image, atol=1e-6)
    else:
        assert np.array_equal(found, image)


@pytest.mark.slow
@given(
    height=sides,
    width=sides,
    batch=st.sampled_from([None, 1, 2]),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_tensors_come_back_the_same(
    height: int, width: int, batch: int | None, channels: int, dtype: torch.dtype
) -> None:
    shape = (channels, height, width) if batch is None else (batch, channels, height, width)
    image = torch.from_numpy(array(shape, "uint8"))
    image = image if dtype == torch.uint8 else (image / 255).to(dtype)
    found = stand_in(channels).restore(image)
    assert (found.shape, found.dtype, found.device) == (image.shape, image.dtype, image.device)
    assert torch.allclose(found.double(), image.double(), atol=1e-6)
    assert not found.is_inference()


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_pil_images_come_back_the_same(mode: str) -> None:
    pixels = array((5, 7, 3) if mode == "RGB" else (5, 7), "uint16" if mode == "I;16" else "uint8")
    found = stand_in(3 if mode == "RGB" else 1).restore(Image.fromarray(pixels))
    assert isinstance(found, Image.Image) and found.mode == mode
    assert np.array_equal(np.asarray(found), pixels)


def test_pil_modes_are_converted_only_without_loss() -> None:
    pixels = array((5, 7, 3), "uint8")
    palette = Image.fromarray(pixels).quantize(16)
    assert np.array_equal(np.asarray(stand_in(3).restore(palette)), np.asarray(palette.convert("RGB")))
    two = Image.fromarray(pixels[..., 0] > 127)
    assert two.mode == "1"
    assert np.array_equal(np.asarray(stand_in().restore(two)), np.asarray(two.convert("L")))
    with pytest.raises(UserError, match=r"^image: mode HSV is not one of L, RGB"):
        stand_in(3).restore(Image.new("HSV", (4, 4)))


def test_any_strides_are_accepted() -> None:
    image = array((6, 8, 3), "uint8")
    image.flags.writeable = False
    assert np.array_equal(stand_in(3).restore(image[::-1, ::-2]), image[::-1, ::-2])
    tensor = torch.from_numpy(array((3, 6, 8), "uint8")).transpose(1, 2)
    assert torch.equal(stand_in(3).restore(tensor), tensor)


def test_results_are_clamped_and_rounded() -> None:
    image = np.array([[0, 100, 255]], np.uint8)
    assert stand_in(shift=0.3 / 255).restore(image).tolist() == [[0, 100, 255]]
    assert stand_in(shift=0.7 / 255).restore(image).tolist() == [[1, 101, 255]]
    assert stand_in(shift=-0.7 / 255).restore(image).tolist() == [[0, 99, 254]]
    assert stand_in(gain=3).restore(np.array([[-0.5, 0.25, 0.5]])).tolist() == [[0, 0.75, 1]]


# the network


@pytest.mark.slow
@given(height=st.integers(1, 21), width=st.integers(1, 21))
def test_a_real_network_takes_any_size(height: int, width: int) -> None:
    assert real().restore(array((height, width), "uint8")).shape == (height, width)


def test_the_restorer_runs_the_network() -> None:
    restorer = real(3)
    x = torch.rand(2, 3, 13, 18)
    with torch.no_grad():
        expected = restorer.network(x)
    assert torch.allclose(restorer(x), expected, atol=1e-5)
    assert torch.allclose(restorer.restore(x), expected.clamp(0, 1), atol=1e-5)
    assert not restorer.network.training and restorer.architecture is restorer.network.architecture


def test_the_ensemble_commutes_with_rotation() -> None:
    restorer, x = real(), torch.rand(1, 1, 16, 24)
    expected = restorer(x, ensemble=True)
    for turned, back in ((x.flip(-1), lambda y: y.flip(-1)), (x.rot90(1, (2, 3)), lambda y: y.rot90(-1, (2, 3)))):
        assert torch.allclose(back(restorer(turned, ensemble=True)), expected, atol=1e-5)
    assert not torch.allclose(restorer(x), expected, atol=1e-5)


def test_bf16_is_near_fp32_and_keeps_the_type() -> None:
    image = array((20, 30), "float32")
    exact, fast = real().restore(image), real(precision="bf16").restore(image)
    assert fast.dtype == np.float32 and not np.array_equal(exact, fast)
    assert np.abs(exact - fast).max() < 0.02


def test_results_may_take_part_in_autograd() -> None:
    weight = torch.ones(1, requires_grad=True)
    (real()(torch.rand(1, 1, 8, 8)) * weight).sum().backward()
    assert weight.grad is not None


def test_eight_threads_get_the_same_result() -> None:
    restorer = real(precision="bf16")
    images = [array((24, 17 + k % 3), "uint8", seed=k) for k in range(24)]
    expected = [restorer.restore(p) for p in images]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(restorer.restore, images))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "I;16B"])
def test_images_of_pil_keep_mode_and_info(mode: str) -> None:
    channels = 3 if mode == "RGB" else 1
    dtype = {"I;16": "<u2", "I;16B": ">u2"}.get(mode, "uint8")
    image = Image.fromarray(array((5, 6, 3) if channels == 3 else (5, 6), dtype))
    image.info["icc_profile"] = b"profile"
    restored = stand_in(channels).restore(image)
    assert restored.mode == image.mode == mode and restored.info["icc_profile"] == b"profile"
    assert np.allclose(np.asarray(restored, float), np.asarray(image, float), atol=1e-6)


def test_tensors_of_16_bits() -> None:
    image = torch.from_numpy(array((1, 5, 6), "uint16"))
    restored = stand_in(gain=0.5).restore(image)
    assert restored.dtype == torch.uint16
    assert np.array_equal(restored.numpy(), np.rint(image.numpy() * 0.5).astype(np.uint16))


def test_its_text_form_describes_it() -> None:
    assert repr(load("derain", "cpu", "fp32")) == "<Restorer derain: PPPPP-PPPPP-PPPP-PPPPP-PPPPP, cpu, fp32>"


# errors


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4, 2), np.uint8), "2 channels where the model takes 1"),
        (np.zeros((0, 4), np.uint8), "empty"),
        (np.zeros((4, 0, 1)), "empty"),
        (np.zeros(4), "shape"),
        (np.zeros((1, 4, 4, 1)), "shape"),
        (np.zeros((4, 4), bool), "array of bool"),
        (np.zeros((4, 4), np.int64), "array of int64"),
        (np.array([[np.nan]]), "not finite"),
        (np.array([[0.5, -np.inf]]), "not finite"),
        (np.array([[255.0]]), "reaches 255"),
        (torch.zeros(4, 4, 4), "4 channels where the model takes 1"),
        (torch.zeros(0, 1, 4, 4), "empty"),
        (torch.zeros(4, 4), "shape"),
        (torch.zeros(1, 4, 4, dtype=torch.int32), "tensor of torch.int32"),
        (torch.full((1, 2, 2), float("nan")), "not finite"),
        (Image.new("YCbCr", (4, 4)), "mode YCbCr"),
        ("image.png", "str is not a numpy array"),
        (None, "NoneType is not"),
    ],
)
def test_unsupported_images_are_refused_in_one_line(image: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"^image: .*{words}") as caught:
        stand_in().restore(image)
    assert "\n" not in str(caught.value)


def test_a_gray_model_works_on_color_and_a_color_model_on_gray() -> None:
    pixels = array((5, 6, 3), "uint8")
    darker = stand_in(gain=0.5)
    each = darker.restore(pixels, color="channels")
    assert np.array_equal(each, np.rint(pixels * 0.5).astype(np.uint8))
    luma = darker.restore(Image.fromarray(pixels))
    change = np.asarray(luma).astype(float) - pixels
    open_ends = (np.asarray(luma) > 0).all(2)  # where nothing is cut at black, R, G and B change alike
    assert open_ends.any() and np.ptp(change[open_ends], axis=1).max() <= 1
    batch = torch.from_numpy(array((2, 3, 5, 6), "float32"))
    assert torch.allclose(darker.restore(batch, color="channels"), batch / 2, atol=1e-6)
    gray = stand_in(3, gain=0.5).restore(pixels[:, :, 0])
    assert gray.shape == (5, 6) and np.abs(gray - pixels[:, :, 0] / 2).max() <= 0.51
    half = darker.restore(pixels[:, :, 0], strength=0.5)
    assert np.abs(half - pixels[:, :, 0] * 0.75).max() <= 0.51
    with pytest.raises(UserError, match="color: 'lumen'"):
        darker.restore(pixels, color="lumen")
    with pytest.raises(UserError, match="strength: 2"):
        darker.restore(pixels, strength=2)


def test_unavailable_devices_and_precisions_are_refused() -> None:
    with pytest.raises(UserError, match=r"^device: 'gpu'"):
        Restorer(RestorationNetwork(Architecture.parse("P", width=4)), device="gpu")
    with pytest.raises(UserError, match=r"^precision: 'b16' .*did you mean 'bf16'"):
        Restorer(RestorationNetwork(Architecture.parse("P", width=4)), device="cpu", precision="b16")


def test_too_little_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = stand_in()

    def full(x: Tensor) -> Tensor:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(restorer.network, "forward", full)
    with pytest.raises(UserError, match=r"^image: 5x4 pixels need more memory than cpu has"):
        restorer.restore(np.zeros((4, 5)))


# loading


def test_a_weight_file_and_a_run_folder_are_loaded(tmp_path: Path) -> None:
    restorer = real()
    save_weights(tmp_path / "run" / "model.safetensors", restorer.network, {"task": "denoise", "sigma": 30})
    image = array((11, 14), "uint8")
    for place in (tmp_path / "run", tmp_path / "run" / "model.safetensors", str(tmp_path / "run")):
        found = load(place, device="cpu", precision="fp32")
        assert found.card == {"task": "denoise", "sigma": 30}
        assert found.architecture == restorer.architecture
        assert np.array_equal(found.restore(image), restorer.restore(image))


def test_files_that_are_not_models_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text(json.dumps({}))
    for name, words in (
        ("nowhere", "no such weight file"),
        ("", "holds no model.safetensors"),
        ("other.safetensors", "not written by clearer"),
        ("text.safetensors", "not a weight file"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


# files and folders


def written(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_a_folder_is_restored_to_a_folder(tmp_path: Path) -> None:
    pixels = {name: array((6 + k, 5, 3), "uint8", k) for k, name in enumerate(("b.png", "a.tif", "c.BMP"))}
    for name, value in pixels.items():
        written(tmp_path / "in" / name, value)
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    done: list[tuple[int, int]] = []
    found = restore_path(
        stand_in(3), tmp_path / "in", tmp_path / "new" / "out", progress=lambda k, n: done.append((k, n))
    ).written
    assert [path.name for path in found] == ["a.tif", "b.png", "c.BMP"]
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(pixels)
    for path in found:
        assert np.array_equal(np.asarray(Image.open(path)), pixels[path.name])
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_a_file_is_restored_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    pixels = array((6, 5), "uint8")
    source = written(tmp_path / "in" / "a.png", pixels)
    (tmp_path / "there").mkdir()
    for target, expected in (
        ("b.bmp", "b.bmp"),
        ("there", "there/a.png"),
        ("new", "new/a.png"),
        ("deep/er/c.png", "deep/er/c.png"),
    ):
        outcome = restore_path(stand_in(), source, tmp_path / target, RestoreOptions(ensemble=True))
        assert outcome.written == [tmp_path / expected]
        assert np.array_equal(np.asarray(Image.open(tmp_path / expected)), pixels)


def test_unsuitable_outputs_are_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "in" / "a.png", array((6, 5), "uint8"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "b.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = source.read_bytes()
    for origin, target, words in (
        (tmp_path / "none.png", tmp_path / "out", "none.png: no such file"),
        (source, source, "is the source file itself"),
        (source, tmp_path / "in", "is the source file itself"),
        (source, tmp_path / "link", "is the source file itself"),
        (tmp_path / "in", tmp_path / "in", "is the source folder itself"),
        (tmp_path / "in", tmp_path / "link", "is the source folder itself"),
        (tmp_path / "in", source, "a file, where a folder"),
        (source, tmp_path / "a.xyz", "cannot be written as '.xyz'"),
        (source, source / "deeper.png", "a file stands where a folder is needed"),
        (broken / "b.png", tmp_path / "out", "b.png: not readable"),
        (tmp_path, tmp_path / "out", "no images"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            restore_path(stand_in(), origin, target)
        assert "\n" not in str(caught.value)
    assert source.read_bytes() == before and not (tmp_path / "out").exists()


def test_an_error_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, restorer = written(tmp_path / "a.png", array((6, 5), "uint8")), stand_in()

    def full(x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(restorer.network, "forward", full)
    with pytest.raises(UserError, match=r"a\.png: 5x6 pixels need more memory"):
        restore_path(restorer, source, tmp_path / "out")


@pytest.mark.parametrize("condition", ["none", "level"])
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 4, 8, 8), (3, 8, 8), (8, 8)])
def test_a_tensor_of_another_shape_is_refused_by_its_shape(condition: str, shape: tuple[int, ...]) -> None:
    architecture = Architecture.parse("P-F", channels=3, width=2, condition=condition)
    restorer = Restorer(RestorationNetwork(architecture), device="cpu")
    with pytest.raises(UserError, match=r"its shape is \(.*\), not \(B, 3, H, W\)"):
        restorer(torch.zeros(shape))
