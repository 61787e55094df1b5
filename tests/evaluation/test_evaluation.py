"""Metrics against scikit-image, protocols against their definition, and the measurement as a whole."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from clearer.core.errors import UserError
from clearer.data.folders import Folders, Item, find_items
from clearer.degradations.gaussian import Gaussian
from clearer.evaluation import metrics
from clearer.evaluation.evaluate import evaluate, write_result
from clearer.evaluation.metrics import PSNR_CEILING, luma601, psnr, ssim
from clearer.evaluation.protocols import center_crop, parse_protocol
from clearer.evaluation.self_ensemble import self_ensemble
from helpers.photos import SHIPPED


def identity(x: Tensor) -> Tensor:
    return x


def some(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def image_of(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """Return a smooth image with some noise, uint8 (H, W) or (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 80 * np.sin(x / (5 + c + seed) + y / 9) for c in range(channels)]
    noisy = np.stack(waves, -1) + np.random.default_rng(seed).normal(0, 5, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8).squeeze(-1 if channels == 1 else ())


def folder_of(place: Path, *shapes: tuple[int, int, int], suffix: str = ".png", seed: int = 0) -> Path:
    place.mkdir(parents=True)
    for k, shape in enumerate(shapes):
        Image.fromarray(image_of(*shape, seed=seed + k)).save(place / f"p{k}{suffix}")
    return place


# metrics


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(6, 40),
    width=st.integers(6, 40),
    channels=st.sampled_from([1, 3]),
    spread=st.floats(0.005, 0.5),
    seed=st.integers(0, 99),
)
def test_metrics_agree_with_scikit_image(height: int, width: int, channels: int, spread: float, seed: int) -> None:
    a = some(2, channels, height, width, seed=seed)
    b = np.clip(a + spread * (some(*a.shape, seed=seed + 1) - 0.5), 0, 1)
    found_psnr, found_ssim = (f(torch.from_numpy(a), torch.from_numpy(b)) for f in (psnr, ssim))
    assert found_psnr.shape == found_ssim.shape == (2,)
    for k in range(2):
        assert found_psnr[k].item() == pytest.approx(peak_signal_noise_ratio(a[k], b[k], data_range=1), abs=1e-4)
        # scikit-image leaves out the windows that reach over the edge: here, of a mirrored frame.
        framed = [np.pad(x[k], ((0, 0), (5, 5), (5, 5)), mode="reflect") for x in (a, b)]
        expected = structural_similarity(
            *framed, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
        )
        assert found_ssim[k].item() == pytest.approx(expected, abs=1e-4)


def test_ssim_in_strips_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.from_numpy(some(2, 3, 203, 17)), torch.from_numpy(some(2, 3, 203, 17, seed=1))
    whole = ssim(a, b)
    assert torch.allclose(whole[0], structural_similarity_index_measure(a[:1], b[:1], data_range=1.0), atol=1e-6)
    monkeypatch.setattr(metrics, "_STRIP_PIXELS", 17 * 67)  # the last strip has two rows
    assert torch.allclose(ssim(a, b), whole, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 13), width=st.integers(1, 13))
def test_metrics_of_small_and_identical_images_are_numbers(height: int, width: int) -> None:
    a, b = torch.from_numpy(some(1, 1, height, width)), torch.from_numpy(some(1, 1, height, width, seed=1))
    assert torch.isfinite(ssim(a, b)).all() and torch.isfinite(psnr(a, b)).all()
    assert ssim(a, a).item() == pytest.approx(1, abs=1e-5)
    assert psnr(a, a).item() == pytest.approx(PSNR_CEILING)


def test_shapes_that_differ_are_refused() -> None:
    for f in (psnr, ssim):
        with pytest.raises(ValueError, match="of one shape"):
            f(torch.zeros(1, 1, 12, 12), torch.zeros(1, 3, 12, 12))


def test_luma_is_that_of_bt601() -> None:
    from skimage.color import rgb2ycbcr

    rgb = some(9, 8, 3)
    found = luma601(torch.from_numpy(rgb.transpose(2, 0, 1))[None]) * 255
    assert np.allclose(found[0, 0].numpy(), rgb2ycbcr(rgb)[..., 0], atol=1e-3)


# the self-ensemble


@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_ensemble_of_the_identity_is_the_identity(height: int, width: int) -> None:
    x = torch.from_numpy(some(2, 3, height, width))
    assert torch.allclose(self_ensemble(identity, x), x, atol=1e-6)


def test_ensemble_sees_eight_different_orientations_and_turns_them_back() -> None:
    seen: list[Tensor] = []

    def left_edge(x: Tensor) -> Tensor:
        seen.append(x)
        y = torch.zeros_like(x)
        y[..., 0] = 1
        return y

    result = self_ensemble(left_edge, torch.arange(12.0).view(1, 1, 3, 4))
    assert len({(tuple(x.shape), tuple(x.flatten().tolist())) for x in seen}) == 8
    # Each of the four edges was the left one in two orientations.
    corner, side = 0.5, 0.25
    assert torch.equal(
        result[0, 0], torch.tensor([[corner, side, side, corner], [side, 0, 0, side], [corner, side, side, corner]])
    )


# protocols


def test_protocols_are_as_defined() -> None:
    gray, color, paper = (parse_protocol(f"{form}-12.5") for form in ("gray-awgn", "color-awgn", "clearer-gray"))
    plain, clipped = Gaussian(12.5), Gaussian(12.5, clip8=True)
    assert (gray.channels, gray.sigma, gray.degradation, gray.crop, gray.luma) == (1, 12.5, plain, 1, False)
    assert (color.channels, color.sigma, color.degradation, color.crop, color.luma) == (3, 12.5, plain, 1, False)
    assert (paper.channels, paper.sigma, paper.degradation, paper.crop, paper.luma) == (1, 12.5, clipped, 64, False)
    rgb, y = parse_protocol("rain-rgb"), parse_protocol("rain-y")
    assert (rgb.channels, rgb.sigma, rgb.luma) == (3, None, False)
    assert (y.channels, y.sigma, y.luma) == (3, None, True)
    pairs = [parse_protocol(name) for name in ("pairs-gray", "pairs-color")]
    assert [(p.channels, p.sigma, p.luma, p.crop, p.needs_pairs) for p in pairs] == [
        (1, None, False, 1, True), (3, None, False, 1, True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("grey-awgn-30", "gray-awgn-30"),
        ("gray-awgn", "gray-awgn-50"),
        ("clearer-grey-70", "clearer-gray-70"),
        ("gray-awgn-0", "gray-awgn-50"),
        ("gray-awgn--5", "gray-awgn-5"),
        ("colour-awgn-5", "color-awgn-5"),
        ("rain_rgb", "rain-rgb"),
        ("gray-awgn-" + "9" * 400, None),
        ("gray-awgn-50\n", None),
        ("", None),
    ],
)
def test_unknown_protocols_are_refused_with_the_nearest(name: str, near: str | None) -> None:
    with pytest.raises(UserError, match=r"^protocol: .*known are gray-awgn-S") as caught:
        parse_protocol(name)
    assert near is None or f"did you mean {near!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(height=st.integers(1, 200), width=st.integers(1, 200), multiple=st.sampled_from([1, 8, 64]))
def test_center_crop_is_central_and_maximal(height: int, width: int, multiple: int) -> None:
    rows, columns = np.mgrid[:height, :width]
    found = center_crop(np.stack([rows, columns], -1), multiple)
    assert found.shape[:2] == (height // multiple * multiple, width // multiple * multiple)
    if found.size:
        for axis, side in ((0, height), (1, width)):
            before, after = found[0, 0, axis], side - 1 - found[-1, -1, axis]
            assert after - before in (0, 1)


# the whole


def test_noise_protocols_measure_what_they_say(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (70, 131, 1), (90, 64, 1), (65, 65, 1))
    result = evaluate(identity, folder, "clearer-gray-30")
    for k, score in enumerate(result.per_image):
        clean = center_crop(np.asarray(Image.open(folder / f"p{k}.png"))[..., None], 64)
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
    places = (beside, tmp_path / "set", Folders(str(clean), str(rainy)))
    results = [evaluate(identity, place, protocol).per_image for place in places]
    values = [[(s["psnr"], s["ssim"], s["height"], s["width"]) for s in scores] for scores in results]
    assert values[0] == values[1] == values[2]
    a, b = (np.asarray(Image.open(f / "p0.png"))[None].transpose(0, 3, 1, 2) / 255 for f in (clean, rainy))
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    expected = psnr(luma601(x), luma601(y)) if protocol == "rain-y" else psnr(x, y)
    assert values[0][0][0] == pytest.approx(expected.item(), abs=1e-4)


def test_ensemble_is_used_and_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (20, 30, 1))
    calls: list[tuple[int, ...]] = []

    def restore(x: Tensor) -> Tensor:
        calls.append(tuple(x.shape))
        return x

    result = evaluate(restore, folder, "gray-awgn-50", ensemble=True)
    assert result.ensemble and calls[1:].count((1, 1, 20, 30)) == calls[1:].count((1, 1, 30, 20)) == 4


def test_results_are_written_as_json_and_csv(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (20, 30, 1), (12, 5, 1))
    done: list[tuple[int, int]] = []
    result = evaluate(identity, folder, "gray-awgn-25", progress=lambda k, n: done.append((k, n)))
    write_result({**result.to_dict(), "model": "none"}, tmp_path / "out" / "result.json")
    read = json.loads((tmp_path / "out" / "result.json").read_text())
    assert read == {**result.to_dict(), "model": "none"}
    rows = list(csv.DictReader((tmp_path / "out" / "result.csv").open()))
    assert [row["name"] for row in rows] == ["p0.png", "p1.png"]
    assert [float(row["psnr"]) for row in rows] == [s["psnr"] for s in result.per_image]
    assert done == [(1, 2), (2, 2)]
    with pytest.raises(UserError, match="beside it"):
        write_result(result.to_dict(), tmp_path / "result.csv")


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


def test_a_diverged_network_is_told_and_a_wrong_shape_is_a_bug(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clean", (20, 30, 1))
    with pytest.raises(UserError, match=r"p0.png: .*not finite"):
        evaluate(lambda x: x * float("nan"), folder, "gray-awgn-50")
    with pytest.raises(ValueError, match="restore made"):
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
    how = {"observe": lambda clean, degraded, restored: seen.append(degraded - clean)}
    first = evaluate(lambda x: x, tmp_path, "rain-synthetic", **how)
    again = evaluate(lambda x: x, tmp_path, "rain-synthetic", limit=1)
    assert first.images == 2 and first.psnr == first.input_psnr < 35
    assert again.per_image[0]["psnr"] == first.per_image[0]["psnr"]
    assert evaluate(lambda x: x, tmp_path, "rain-synthetic", seed=1).psnr != first.psnr
    assert all((rain >= -1e-6).all() for rain in seen) and not torch.equal(seen[0][..., :9, :9], seen[1][..., :9, :9])
    with pytest.raises(UserError, match=r"needs pairs .*rain-synthetic"):
        evaluate(lambda x: x, find_items(tmp_path), "rain-rgb")
