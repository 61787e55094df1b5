"""The precision in which images are restored: bf16 for 8 bits, fp32 for more, and whatever was stated."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.files import read_json
from clearer.images.io import read_file
from clearer.inference.files import restore_path
from clearer.inference.large_tiff import restore_large
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.pipeline.latency import measure_latency
from clearer.web.actions import restore_upload
from clearer.web.uploads import UPLOAD, Limits
from clearer.zoo.catalog import models
from clearer.zoo.locate import located
from clearer.zoo.weight_metadata import read_architecture
from helpers.command import clearer as command
from helpers.networks import StandIn
from helpers.videos import write_video

IN_BF16, IN_FP32 = 0.25, 0.75


class Tell(StandIn):
    """A network whose result states the precision in which it was run."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, IN_BF16 if torch.is_autocast_enabled("cpu") else IN_FP32)


@pytest.fixture(autouse=True)
def native_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let "auto" choose bf16, as on hardware that multiplies it natively."""
    monkeypatch.setattr(
        "clearer.inference.precision.choose_precision", lambda name, device: "bf16" if name == "auto" else name
    )


def told(precision: str = "auto", card: dict[str, Any] | None = None) -> Restorer:
    return Restorer(Tell(), card, device="cpu", precision=precision)  # type: ignore[arg-type]


def share(restored: Any) -> float:
    """Return the one value of an image, in [0, 1], to two decimals."""
    pixels = np.asarray(restored)
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    assert pixels.min() == pixels.max()
    return round(float(pixels.flat[0]) / white, 2)


IN_MEMORY: dict[str, tuple[Callable[[], Any], float]] = {
    "array, uint8": (lambda: np.zeros((8, 9), np.uint8), IN_BF16),
    "array, uint16": (lambda: np.zeros((8, 9), np.uint16), IN_FP32),
    "array, float32": (lambda: np.zeros((8, 9), np.float32), IN_FP32),
    "array, float64": (lambda: np.zeros((8, 9, 1)), IN_FP32),
    "tensor, uint8": (lambda: torch.zeros(1, 8, 9, dtype=torch.uint8), IN_BF16),
    "tensor, uint16": (lambda: torch.zeros(1, 8, 9).to(torch.uint16), IN_FP32),
    "tensor, float32": (lambda: torch.zeros(2, 1, 8, 9), IN_FP32),
    "PIL, L": (lambda: Image.new("L", (9, 8)), IN_BF16),
    "PIL, I;16": (lambda: Image.new("I;16", (9, 8)), IN_FP32),
    "PIL, F": (lambda: Image.new("F", (9, 8)), IN_FP32),
}


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_images_in_memory(kind: str) -> None:
    make, expected = IN_MEMORY[kind]
    assert share(told().restore(make())) == expected
    for precision, value in (("bf16", IN_BF16), ("fp32", IN_FP32)):
        assert share(told(precision).restore(make())) == value


@pytest.mark.parametrize(("rms", "expected"), [(0.49, IN_BF16), (0.5, IN_FP32)])
def test_a_model_that_differs_by_half_a_level_restores_8_bits_in_fp32(rms: float, expected: float) -> None:
    card, image = {"bf16": {"rms": rms, "largest": 4.0}}, np.zeros((8, 9), np.uint8)
    assert share(told(card=card).restore(image)) == expected
    assert share(told("bf16", card).restore(image)) == IN_BF16


def test_shipped_models_choose_by_what_was_measured() -> None:
    rows = read_json(Path(__file__).parents[2] / "docs" / "results" / "bf16-difference.json")["rows"]
    rms = {row["model"]: max(other["rms"] for other in rows if other["model"] == row["model"]) for row in rows}
    assert set(rms) >= {model["name"] for model in models()}
    for name, value in rms.items():
        _, card = read_architecture(located(name))
        assert card.bf16 is not None and card.bf16["rms"] == round(value, 2), name
        assert card.differs_in_bf16 == (value >= 0.5), name
    assert rms["denoise-gray-fast"] < 0.5 < rms["denoise-color"]


def test_integers_of_one_byte_with_a_range() -> None:
    image = np.zeros((8, 9), np.int8)
    assert set(told().restore(image, range=(-128, 127)).flat) == {round(-128 + IN_BF16 * 255)}


@pytest.mark.parametrize("image", [np.zeros((8, 9), bool), torch.zeros(1, 8, 9, dtype=torch.bool)])
def test_truth_values_are_refused(image: Any) -> None:
    for span in (None, (0, 1)):
        with pytest.raises(UserError, match="bool"):
            told().restore(image, range=span)


def test_the_call_takes_floats() -> None:
    assert share(told()(torch.zeros(1, 1, 8, 9))) == IN_FP32
    assert share(told("bf16")(torch.zeros(1, 1, 8, 9))) == IN_BF16


def test_a_pickled_restorer_chooses_as_before() -> None:
    network = RestorationNetwork(Architecture.parse("P-F", width=2)).eval()
    for precision, expected in (("auto", ("bf16", "fp32")), ("bf16", ("bf16", "bf16")), ("fp32", ("fp32", "fp32"))):
        copy = pickle.loads(pickle.dumps(Restorer(network, device="cpu", precision=precision)))
        assert (copy.at_depth("8").precision, copy.at_depth("16").precision) == expected


def written(folder: Path) -> None:
    folder.mkdir()
    pixels = np.full((8, 9), 100)
    Image.fromarray(pixels.astype(np.uint8)).save(folder / "a8.png")
    Image.fromarray(pixels.astype(np.uint16)).save(folder / "b16.png")
    tifffile.imwrite(folder / "c-float.tif", np.full((8, 9), 0.5, np.float32))
    with tifffile.TiffWriter(folder / "d-both.tif") as file:
        file.write(pixels.astype(np.uint8))
        file.write(pixels.astype(np.uint16))


FILES = {"a8.png": IN_BF16, "b16.png": IN_FP32, "c-float.tif": IN_FP32, "d-both.tif": IN_FP32}


def test_files(tmp_path: Path) -> None:
    written(tmp_path / "in")
    outcome = restore_path(told(), tmp_path / "in", tmp_path / "out", RestoreOptions(check=False))
    for name, expected in FILES.items():
        for page in read_file(tmp_path / "out" / name).pages:
            assert share(page.color) == expected, name
    used = {str(tmp_path / "in" / name): {IN_BF16: "bf16", IN_FP32: "fp32"}[value] for name, value in FILES.items()}
    assert outcome.precisions == used
    for precision, value in (("bf16", IN_BF16), ("fp32", IN_FP32)):
        restore_path(told(precision), tmp_path / "in", tmp_path / precision, RestoreOptions(check=False))
        assert {share(read_file(tmp_path / precision / name).pages[0].color) for name in FILES} == {value}


def test_8_bits_written_as_16_are_restored_in_fp32(tmp_path: Path) -> None:
    written(tmp_path / "in")
    options = RestoreOptions(check=False, depth="16")
    restore_path(told(), tmp_path / "in" / "a8.png", tmp_path / "a.png", options)
    assert share(read_file(tmp_path / "a.png").pages[0].color) == IN_FP32


@pytest.mark.parametrize(("dtype", "expected"), [("uint8", IN_BF16), ("uint16", IN_FP32)])
def test_files_restored_by_rows(tmp_path: Path, dtype: str, expected: float) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((70, 20), 9, dtype))
    restore_large(told(), tmp_path / "a.tif", tmp_path / "b.tif")
    assert share(tifffile.imread(tmp_path / "b.tif")) == expected


@pytest.mark.parametrize(("pix_fmt", "expected"), [("gray", IN_BF16), ("gray10le", IN_FP32)])
def test_videos(tmp_path: Path, pix_fmt: str, expected: float) -> None:
    av = pytest.importorskip("av")
    write_video(tmp_path / "a.mkv", pix_fmt=pix_fmt, count=2, tags={"color_range": 2})
    restore_path(told(), tmp_path / "a.mkv", tmp_path / "b.mkv", RestoreOptions(check=False))
    with av.open(str(tmp_path / "b.mkv")) as container:
        frames = [frame.to_ndarray() for frame in container.decode(video=0)]
    white = 255 if pix_fmt == "gray" else 1023
    assert len(frames) == 2 and {round(float(value) / white, 2) for one in frames for value in one.flat} == {expected}


@pytest.mark.parametrize(("dtype", "expected"), [(np.uint8, IN_BF16), (np.uint16, IN_FP32)])
def test_uploads_of_the_page(tmp_path: Path, dtype: type, expected: float) -> None:
    Image.fromarray(np.full((40, 40), 99, dtype)).save(tmp_path / UPLOAD, "PNG")
    result = restore_upload(tmp_path, told(), Limits(megapixels=1))
    assert share(read_file(result.file).pages[0].color) == expected


@pytest.mark.parametrize(("precision", "expected"), [("auto", "fp32"), ("bf16", "bf16")])
def test_a_latency_is_that_of_the_floats_that_are_timed(precision: str, expected: str) -> None:
    found = measure_latency("P-F", at="16x16", width=2, seconds=0, precision=precision)
    assert found["precision"] == expected


def test_the_command_states_what_it_used(tmp_path: Path) -> None:
    written(tmp_path / "in")
    (tmp_path / "in" / "d-both.tif").unlink()

    def used(*more: str) -> object:
        ended = command("restore", "denoise-gray-fast", tmp_path / "in", "-o", tmp_path / "out", "--json", *more)
        return ended.json["precision"]

    assert used("--pattern", "a*") == "bf16" and used("--pattern", "b*") == "fp32"
    assert used() == "bf16 and fp32"
    assert used("--precision", "bf16") == "bf16" and used("--precision", "fp32") == "fp32"
