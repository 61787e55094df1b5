"""The evaluation as a whole, on files."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from clearer.core.errors import UserError
from clearer.data.folders import Folders, find_items
from clearer.data.items import Item
from clearer.degradations.gaussian import Gaussian
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.metrics import PSNR_CEILING, luma601, psnr
from clearer.images.pixels import crop_to_multiple
from helpers.photos import SHIPPED
from helpers.synthetic_images import folder_of


def identity(x: Tensor) -> Tensor:
    return x


def test_noise_protocols_measure_what_they_say(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (70, 131, 1), (90, 64, 1), (65, 65, 1))
    result = evaluate(identity, folder, "clearer-gray-30")
    for k, score in enumerate(result.per_image):
        clean = crop_to_multiple(np.asarray(Image.open(folder / f"p{k}.png"))[..., None], 64)
        noisy = Gaussian(30, clip8=True).degrade_image(clean, 0, k)
        assert (score["name"], score["height"], score["width"]) == (f"p{k}.png", *clean.shape[:2])
        expected = peak_signal_noise_ratio(clean / 255, noisy, data_range=1)
        assert score["psnr"] == score["input_psnr"] == pytest.approx(expected, abs=1e-4)
        assert score["ssim"] == score["input_ssim"]
    assert result.images == 3 and not result.ensemble and result.protocol == "clearer-gray-30"
    assert result.psnr == pytest.approx(np.mean([s["psnr"] for s in result.per_image]))
    assert result.megapixels_per_second > 0


def test_input_and_result_are_clamped(tmp_path: Path) -> None:
    folder = tmp_path / "black"
    folder.mkdir()
    Image.new("L", (32, 32)).save(folder / "a.png")
    result = evaluate(lambda x: x.clamp(0, 1) - 5, folder, "gray-awgn-50")
    assert result.psnr == pytest.approx(PSNR_CEILING)  # -5 is clamped to the black it should be
    mse = np.mean(np.clip(Gaussian(50).degrade_image(np.zeros((32, 32, 1), np.uint8), 0, 0), 0, 1) ** 2)
    assert result.input_psnr == pytest.approx(-10 * math.log10(mse), abs=1e-4)


def test_limit_keeps_the_noise_of_each_image(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", *[(24, 20, 3)] * 4)
    whole, part = (evaluate(identity, folder, "color-awgn-15", limit=n).per_image for n in (None, 2))
    assert [s["psnr"] for s in whole][:2] == [s["psnr"] for s in part] and len(part) == 2
    backwards = [Item(name=f"p{k}.png", clean=folder / f"p{k}.png") for k in (3, 2, 1, 0)]
    assert [s["psnr"] for s in evaluate(identity, backwards, "color-awgn-15").per_image] == [s["psnr"] for s in whole]
    assert evaluate(identity, folder, "color-awgn-15", limit=2, seed=1).per_image[0]["psnr"] != part[0]["psnr"]


@pytest.mark.parametrize("protocol", ["rain-rgb", "rain-y"])
def test_pairs_side_by_side_and_in_two_folders_measure_the_same(tmp_path: Path, protocol: str) -> None:
    clean = folder_of(tmp_path / "set" / "clean", (30, 40, 3), (33, 20, 3))
    rainy = folder_of(tmp_path / "set" / "rainy", (30, 40, 3), (33, 20, 3), seed=5)
    beside = tmp_path / "beside"
    beside.mkdir()
    for path in clean.iterdir():
        halves = [np.asarray(Image.open(p)) for p in (path, rainy / path.name)]
        Image.fromarray(np.concatenate(halves, 1)).save(beside / path.name)
    places = {beside: "side-by-side", tmp_path / "set": "auto", Folders(str(clean), str(rainy)): "auto"}
    results = [evaluate(identity, place, protocol, layout=layout).per_image for place, layout in places.items()]
    values = [[(s["psnr"], s["ssim"], s["height"], s["width"]) for s in scores] for scores in results]
    assert values[0] == values[1] == values[2]
    a, b = (np.asarray(Image.open(f / "p0.png"))[None].transpose(0, 3, 1, 2) / 255 for f in (clean, rainy))
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    expected = psnr(luma601(x), luma601(y)) if protocol == "rain-y" else psnr(x, y)
    assert values[0][0][0] == pytest.approx(expected.item(), abs=1e-4)


def test_ensemble_is_used_and_reported(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (20, 30, 1))
    calls: list[tuple[int, ...]] = []

    def restore(x: Tensor) -> Tensor:
        calls.append(tuple(x.shape))
        return x

    result = evaluate(restore, folder, "gray-awgn-50", ensemble=True)
    assert result.ensemble and calls[1:].count((1, 1, 20, 30)) == calls[1:].count((1, 1, 30, 20)) == 4


def test_what_does_not_fit_is_refused_before_any_work(tmp_path: Path) -> None:
    gray = folder_of(tmp_path / "gray", (70, 70, 1), (70, 63, 1))
    color = folder_of(tmp_path / "color", (20, 20, 3))

    def never(x: Tensor) -> Tensor:
        raise AssertionError("nothing should be restored")

    for data, protocol, words in (
        (gray, "color-awgn-50", "p0.png: gray, where color-awgn-50 needs 3 channels"),
        (gray, "clearer-gray-30", "p1.png: 63x70 pixels"),
        (gray, "rain-rgb", "odd"),
        (gray, "rain", "protocol: 'rain'"),
        (tmp_path / "nowhere", "gray-awgn-50", "nowhere"),
        ([], "gray-awgn-50", "no images"),
        ([Item(name="p0.png", clean=color / "p0.png")], "rain-y", "p0.png: rain-y needs pairs"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            evaluate(never, data, protocol)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="limit: 0"):
        evaluate(never, gray, "gray-awgn-50", limit=0)


def test_a_diverged_network_is_reported_and_a_wrong_shape_is_a_bug(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (20, 30, 1))
    with pytest.raises(UserError, match=r"p0.png: .*not finite"):
        evaluate(lambda x: x * float("nan"), folder, "gray-awgn-50")
    with pytest.raises(ValueError, match="restore returned shape"):
        evaluate(lambda x: x[..., 1:], folder, "gray-awgn-50")


def test_color_files_are_measured_gray_by_gray_protocols(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "color", (24, 20, 3))
    gray = tmp_path / "gray"
    gray.mkdir()
    Image.open(folder / "p0.png").convert("L").save(gray / "p0.png")
    assert evaluate(identity, folder, "gray-awgn-50").psnr == evaluate(identity, gray, "gray-awgn-50").psnr


def test_synthetic_rain_is_measured_on_clean_images_and_repeats(tmp_path: Path) -> None:
    for name in ("coffee.png", "astronaut.png"):
        shutil.copy(SHIPPED / name, tmp_path / name)
    seen: list[torch.Tensor] = []
    how = {"observe": lambda clean, degraded, *_: seen.append(degraded - clean)}
    first = evaluate(lambda x: x, tmp_path, "rain-synthetic", **how)
    again = evaluate(lambda x: x, tmp_path, "rain-synthetic", limit=1)
    assert first.images == 2 and first.psnr == first.input_psnr < 35
    assert again.per_image[0]["psnr"] == first.per_image[0]["psnr"]
    assert evaluate(lambda x: x, tmp_path, "rain-synthetic", seed=1).psnr != first.psnr
    assert all((rain >= -1e-6).all() for rain in seen) and not torch.equal(seen[0][..., :9, :9], seen[1][..., :9, :9])
    with pytest.raises(UserError, match=r"needs pairs, .*rain-synthetic"):
        evaluate(lambda x: x, find_items(tmp_path), "rain-rgb")


def _pairs_at_depth(place: Path, truth: np.ndarray, noisy: np.ndarray) -> Folders:
    for name, image in (("clean", truth), ("noisy", noisy)):
        (place / name).mkdir(parents=True)
        tifffile.imwrite(place / name / "a.tif", image)
    return Folders(clean=str(place / "clean"), degraded=str(place / "noisy"))


@pytest.mark.parametrize(("dtype", "white"), [(np.uint16, 65535), (np.float32, 1)])
def test_pairs_are_measured_in_the_depth_of_their_files(tmp_path: Path, dtype: type, white: int) -> None:
    generator = np.random.default_rng(0)
    truth = (generator.random((40, 50)) * white / 70).astype(dtype)  # within 4 levels of 8 bits
    noisy = (truth + generator.random(truth.shape) * white / 700).astype(dtype)
    expected = peak_signal_noise_ratio(truth / white, noisy / white, data_range=1)
    measured = evaluate(identity, _pairs_at_depth(tmp_path, truth, noisy), "pairs-gray")
    assert measured.psnr == pytest.approx(expected, abs=1e-3)


def test_a_span_is_the_range_that_psnr_refers_to(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(100, 1000, (40, 50)).astype(np.uint16)
    noisy = (truth + generator.integers(0, 90, truth.shape)).astype(np.uint16)
    folders = _pairs_at_depth(tmp_path, truth, noisy)
    expected = peak_signal_noise_ratio(truth / 4095, noisy / 4095, data_range=1)
    assert evaluate(identity, folders, "pairs-gray", span=(0, 4095)).psnr == pytest.approx(expected, abs=1e-3)
