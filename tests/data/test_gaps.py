"""Pixels without a value (NaN, GDAL_NODATA) train nothing and are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.doctor import examine
from clearer.data.folders import find_items, find_pairs
from clearer.data.items import Item, check_values, read_images, read_item
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.none import NoDegradation
from clearer.deploy.quantize import _psnrs, read_calibration
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.metrics import patch_psnr, psnr, ssim, zero_padded_ssim
from clearer.evaluation.no_reference import NOISE_ERROR, NoReference
from clearer.experiments.protocols import ExtraMeasurements
from clearer.images.view import read_image, read_with_hidden
from clearer.noise.model import NoiseModel
from clearer.noise.profile import profile_images
from clearer.pipeline.fit import fit
from clearer.pipeline.noisy import noise_of_each
from clearer.pipeline.teacher import _held_out_phases
from clearer.recipe.schema import Pairs
from clearer.report.samples import _shown, write_samples
from clearer.runs.layout import RunFolder
from clearer.training.validation import Validation
from clearer.zoo.card import ModelCard
from helpers.networks import stand_in
from helpers.recipes import TINY


def sampler(images: object, patch: int = 16, batch: int = 32) -> PatchSampler:
    degradation, variety = Gaussian(sigma=10), Variety(augment="all", gray_share=0, soft_share=0)
    how = {"patch": patch, "batch": batch, "seed": 0, "device": torch.device("cpu")}
    return PatchSampler(images, degradation=degradation, variety=variety, **how)  # type: ignore[arg-type]


def write(folder: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).uniform(0.2, 0.8, (60, 50)).astype(np.float32)
    tifffile.imwrite(folder / "whole.tif", pixels)
    gaps = pixels.copy()
    gaps[10:30, 5:20] = gaps[55, 40] = np.nan
    tifffile.imwrite(folder / "gaps.tif", gaps)
    return gaps


def test_patches_have_values_everywhere(tmp_path: Path) -> None:
    gaps = write(tmp_path)
    images = read_images(find_items(tmp_path), 1, gaps=True)
    found = sampler(images)
    for _ in range(20):
        batch = found.draw()
        assert batch.clean is not None and torch.isfinite(batch.clean).all() and torch.isfinite(batch.degraded).all()
    places = found.places_of[0]  # of gaps.tif, the first by name
    windows = np.lib.stride_tricks.sliding_window_view(np.isnan(gaps), (16, 16)).any((2, 3))
    assert np.array_equal(places, np.flatnonzero(~windows)) and len(found.places_of) == 1


def test_images_without_gaps_give_the_patches_that_they_gave(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "gaps.tif").unlink()
    items = find_items(tmp_path)
    one, other = sampler(read_images(items, 1, gaps=True)).draw(), sampler(read_images(items, 1)).draw()
    assert torch.equal(one.degraded, other.degraded)


def test_images_that_are_nothing_but_gaps_are_left_out(tmp_path: Path) -> None:
    nothing = np.full((40, 40, 1), np.nan, np.float32)
    whole = np.full((40, 40, 1), 0.5, np.float32)
    batch = sampler([(nothing, None), (whole, None)]).draw()
    assert batch.clean is not None and bool((batch.clean == 0.5).all())
    with pytest.raises(UserError, match="no patch of 16 pixels has a value everywhere"):
        sampler([(nothing, None)])


def test_the_value_for_none_of_integers(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(1000, 60000, (40, 40)).astype(np.uint16)
    pixels[5:9, 5:9] = 7
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(42113, "s", 0, "7", True)])
    (item,) = find_items(tmp_path)
    image, _ = read_item(item, 1, None, gaps=True)
    assert image.dtype == np.float32 and np.isnan(image[..., 0]).sum() == 16
    shown, hidden = read_with_hidden(tmp_path / "a.tif", None, None)
    assert shown.dtype == np.uint16 and hidden is not None and hidden.sum() == 16 and shown.min() >= 1000
    assert np.array_equal(read_image(tmp_path / "a.tif", None, None), shown)


def test_what_is_fully_transparent_has_no_value(tmp_path: Path) -> None:
    """Editors leave black or white beneath it, which was trained on; restore continues the image there, too."""
    color = np.random.default_rng(0).integers(50, 200, (40, 40, 3)).astype(np.uint8)
    alpha = np.full((40, 40, 1), 255, np.uint8)
    alpha[:10], alpha[12] = 0, 1
    Image.fromarray(np.dstack([np.where(alpha > 0, color, 0).astype(np.uint8), alpha])).save(tmp_path / "a.png")
    (item,) = find_items(tmp_path)
    shown, hidden = read_with_hidden(item.clean)
    assert hidden is not None and np.array_equal(hidden, alpha[:, :, 0] == 0)
    assert np.array_equal(shown[10:], color[10:]) and np.array_equal(shown[:10], color[10:20][::-1])
    image, _ = read_item(item, 3, None, gaps=True)
    assert np.isnan(image[:10]).all() and np.array_equal(image[10:], color[10:] / np.float32(255))
    Image.fromarray(np.dstack([color, alpha * 0])).save(tmp_path / "a.png")
    shown, hidden = read_with_hidden(item.clean)  # a channel that nobody filled
    assert hidden is None and np.array_equal(shown, color)


def test_colors_multiplied_by_alpha_are_continued_as_they_are_seen(tmp_path: Path) -> None:
    pixels = np.full((8, 8, 4), 100, np.uint8)
    pixels[..., 3] = 200
    pixels[:4] = 0
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    shown, hidden = read_with_hidden(tmp_path / "a.tif")
    assert hidden is not None and hidden[:4].all() and not hidden[4:].any()
    assert (shown == 100 * 255 // 200).all()


def test_the_doctor_counts_them(tmp_path: Path) -> None:
    write(tmp_path)
    findings = examine(tmp_path)
    ((name, share),) = findings.parts[0].gaps
    assert name == "gaps.tif" and share == pytest.approx(301 / 3000)
    assert any("1 image of 2 have pixels without a value, at most 10.0% in gaps.tif" in a for a in _advice(findings))
    assert not findings.parts[0].unreadable


def damaged(image: np.ndarray, hole: tuple[slice, slice], noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a clean image with a hole, and the whole image with an error of this size, 9 times that in the hole."""
    clean, error = image.copy(), np.full_like(image, noise)
    clean[hole], error[hole] = np.nan, 9 * noise
    return clean, (image + error).astype(np.float32)


HOLE = (slice(8, 24), slice(10, 30))


def test_evaluation_validation_and_the_doctor_leave_them_out(tmp_path: Path) -> None:
    """Pixels without a value in one of two images have no error, whatever stands in the other."""
    image = np.random.default_rng(1).uniform(0.2, 0.5, (48, 56)).astype(np.float32)
    for name, pixels in zip(("clean", "degraded"), damaged(image, HOLE, 0.05), strict=True):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", pixels)
    items = find_pairs(Pairs(str(tmp_path / "clean"), str(tmp_path / "degraded")))
    expected = pytest.approx(-20 * np.log10(0.05), abs=1e-3)
    result = evaluate(lambda x: x, items, "pairs-gray")
    assert result.psnr == result.input_psnr == expected
    assert result.intensity is not None and result.intensity["bias"] == pytest.approx(0.05, abs=1e-5)
    assert sum(each["pixels"] for each in result.intensity["bins"]) <= image.size - 16 * 20
    for crop in (None, 40, 8):  # the smallest crop lies in the hole, so that the whole image counts
        pairs = read_images(items, 1, gaps=True)
        validation = Validation(pairs, NoDegradation(), crop=crop, device=torch.device("cpu"))
        assert validation.input_psnr == expected
    (part,) = examine(Pairs(str(tmp_path / "clean"), str(tmp_path / "degraded"))).parts
    assert part.input_psnr == expected


def test_an_image_without_any_value_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    tifffile.imwrite(tmp_path / "a" / "a.tif", np.full((40, 40), np.nan, np.float32))
    with pytest.raises(UserError, match=r"a\.tif: no pixel has a value that can be compared"):
        evaluate(lambda x: x, tmp_path / "a", "gray-awgn-50")


def without_values(name: str, folder: Path) -> Path:
    """Write three images, of which the one of this name is NaN everywhere; return their folder."""
    folder.mkdir()
    for k, each in enumerate(("a.tif", "b.tif", "c.tif")):
        pixels = np.random.default_rng([k, len(folder.name)]).uniform(0.2, 0.8, (80, 80)).astype(np.float32)
        tifffile.imwrite(folder / each, np.full_like(pixels, np.nan) if each == name else pixels)
    return folder


def fit_on(tmp_path: Path, recipe: str = "denoise-gray", **folders: Path | None) -> Path:
    """Train on three images without gaps and on these folders; return that of the run."""
    known = {"train": without_values("", tmp_path / "train"), "folder": None, **folders}
    data = {f"data.{key}": None if folder is None else str(folder) for key, folder in known.items()}
    fit(recipe, tmp_path / "run", {**TINY, "architecture": "PF", "evaluate.protocols": ["gray-awgn-25"], **data})
    return tmp_path / "run"


@pytest.mark.parametrize("recipe", ["denoise-gray", "noisy"])
def test_a_validation_image_without_any_value_is_refused_before_the_training(tmp_path: Path, recipe: str) -> None:
    """Its PSNR is that of no pixels: no weights would be better than others, and after the last epoch none be kept."""
    held_out = without_values("b.tif", tmp_path / "held out")
    refusal = r"b\.tif: no pixel has a value that can be compared; leave this image out"
    with pytest.raises(UserError, match=refusal):
        fit_on(tmp_path, recipe, validation=held_out)
    assert not (tmp_path / "run" / "train" / "metrics.jsonl").exists()


def test_a_test_image_without_any_value_is_refused_before_the_run_folder_is_made(tmp_path: Path) -> None:
    folders = {name: without_values(empty, tmp_path / name) for name, empty in (("validation", ""), ("test", "c.tif"))}
    with pytest.raises(UserError, match=r"test/c\.tif: no pixel has a value that can be compared"):
        fit_on(tmp_path, **folders)
    assert not (tmp_path / "run").exists()


def test_pairs_of_which_no_pixel_has_both_values_are_refused(tmp_path: Path) -> None:
    pair = np.full((2, 8, 8, 1), 0.5, np.float32)
    pair[0, :4] = pair[1, 4:] = np.nan
    whole = np.full((8, 8, 1), 0.5, np.float32)
    items = [Item(f"{name}.tif", tmp_path / f"{name}.tif", page=page) for name, page in (("a", None), ("b", 2))]
    check_values(items, [(whole, whole), (pair[0], whole)])
    with pytest.raises(UserError, match=r"b\.tif, page 3: no pixel has a value that can be compared; leave this image"):
        check_values(items, [(whole, pair[0]), (pair[0], pair[1])])
    with pytest.raises(UserError, match=r"a\.tif, .*b\.tif, page 3: no pixel .*; leave these 2 images out"):
        check_values(items, [(whole * np.nan, None), (pair[0], pair[1])])
    found = NoReference([(whole * np.nan, None)], [NoiseModel(gain=(0.0,), offset=(0.01,))])
    with pytest.raises(UserError, match="no pixel that is compared has a value"):
        found.estimate(lambda x: x)


def test_a_teacher_is_validated_on_pixels_with_a_value() -> None:
    """A sensor may lack every second row, of which the first phase is made."""
    image = np.arange(64, dtype=np.float32).reshape(8, 8, 1) / 64
    holed = image.copy()
    holed[::2] = np.nan
    (whole, _), (other, _) = _held_out_phases([(image, None), (holed, None)], 2)
    assert np.array_equal(whole, image[::2, ::2]) and np.array_equal(other, image[1::2, ::2])


def test_metrics_of_some_pixels_are_those_of_their_errors_and_windows() -> None:
    a, b = torch.rand(2, 1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    where = torch.zeros(20, 30, dtype=torch.bool)
    where[:, :12] = True
    assert psnr(a, b, where).item() == pytest.approx(psnr(a[..., :12], b[..., :12]).item(), abs=1e-4)
    far = ssim(a[..., :20], b[..., :20], where[:, :20])  # windows reach 5 pixels further
    assert ssim(a, b, where).item() == pytest.approx(far.item(), abs=1e-6)
    assert ssim(a, b, torch.ones_like(where)).item() == pytest.approx(ssim(a, b).item(), abs=1e-6)


def test_metrics_of_further_measurements_are_of_the_same_pixels() -> None:
    a, b = torch.rand(2, 1, 1, 70, 130, generator=torch.Generator().manual_seed(0))
    where = torch.zeros(70, 130, dtype=torch.bool)
    where[3:67, 1:65] = where[3:40, 65:129] = True
    first, second = psnr(a[..., 3:67, 1:65], b[..., 3:67, 1:65]), psnr(a[..., 3:40, 65:129], b[..., 3:40, 65:129])
    assert patch_psnr(a, b, 64, where).item() == pytest.approx((first + second).item() / 2, abs=1e-4)
    where[:, 65:] = False
    assert patch_psnr(a, b, 64, where).item() == pytest.approx(first.item(), abs=1e-4)
    assert patch_psnr(a, b, 64, where & False).isnan()
    everywhere = torch.ones_like(where)
    assert patch_psnr(a, b, 64, everywhere).item() == pytest.approx(patch_psnr(a, b).item(), abs=1e-4)
    assert zero_padded_ssim(a, b, everywhere).item() == pytest.approx(zero_padded_ssim(a, b).item(), abs=1e-6)
    inside = torch.zeros_like(where)
    inside[5:-5, 5:-5] = True  # where no window reaches an edge, both kinds of SSIM agree
    assert zero_padded_ssim(a, b, inside).item() == pytest.approx(ssim(a, b, inside).item(), abs=1e-5)


def test_observers_and_samples_and_calibrations_are_told_what_counts(tmp_path: Path) -> None:
    """An error that is 9 times as large in the hole is none of theirs."""
    image = np.random.default_rng(1).uniform(0.2, 0.5, (96, 520)).astype(np.float32)
    for name, pixels in zip(("clean", "degraded"), damaged(image, HOLE, 0.05), strict=True):
        (tmp_path / name).mkdir()
        for k in range(2):
            tifffile.imwrite(tmp_path / name / f"{k}.tif", np.dstack([pixels] * 3), photometric="rgb")
    items = find_pairs(Pairs(str(tmp_path / "clean"), str(tmp_path / "degraded")))
    expected = pytest.approx(-20 * np.log10(0.05), abs=1e-3)
    extra = ExtraMeasurements()
    evaluate(lambda x: x, items, "pairs-color", observe=extra.observe)
    luma = -20 * np.log10(0.05 * 219 / 255)
    assert extra.luma_psnr == pytest.approx([luma] * 2, abs=1e-3) and extra.patch_psnr == [expected] * 2
    run = RunFolder(tmp_path / "run")
    run.samples.mkdir(parents=True)
    write_samples(run, stand_in(3), items[:1], "pairs-color")
    (entry,) = run.read_samples()
    assert entry["input_psnr"] == entry["psnr"] == expected
    pairs = ModelCard.from_dict({"degradation": {"kind": "none"}})
    found = read_calibration(tmp_path, pairs, 3)
    assert _psnrs(lambda x: x, found) == [expected] and found.where[0] is not None and not found.where[0].all()


def test_a_sample_shows_pixels_with_a_value() -> None:
    known = np.zeros((600, 1300), bool)
    known[590, 7] = True
    assert _shown(known.shape, known) == (slice(88, 600), slice(7, 519))
    known[300, 700] = True
    assert _shown(known.shape, known) == _shown(known.shape, None) == (slice(44, 556), slice(394, 906))


@pytest.mark.parametrize("measure", ["exposures", "sure", "masked"])
def test_estimates_without_ground_truth_leave_them_out(measure: str) -> None:
    """With errors in the hole that no noise explains, the estimate is that of the pixels outside."""
    generator = np.random.default_rng(2)
    scene = np.broadcast_to(np.linspace(0.3, 0.6, 64, dtype=np.float32)[:, None, None], (64, 64, 1))
    noisy, other = (scene + generator.normal(0, 0.1, scene.shape) for _ in range(2))
    holed = noisy.astype(np.float32)
    holed[HOLE] = np.nan
    noise = None if measure == "masked" else [NoiseModel(gain=(0.0,), offset=(0.01,))]
    images = [(holed, other.astype(np.float32) if measure == "exposures" else None)]
    found = NoReference(images, noise)
    assert found.measure == measure

    def restore(x: torch.Tensor) -> torch.Tensor:
        result = torch.from_numpy(np.array(scene)).permute(2, 0, 1)[None].clone()
        result[..., HOLE[0], HOLE[1]] = 1.0  # far from everything
        return result

    expected = 0.01 if measure == "masked" else 0.0
    assert np.mean(found.estimate(restore).errors) == pytest.approx(expected, abs=1.5e-3)


def test_what_is_removed_is_as_white_as_where_there_are_values() -> None:
    """And the doubt about the noise is that at these pixels: the rest of the image may be far brighter."""
    generator = np.random.default_rng(4)
    noisy = (0.5 + generator.normal(0, 0.1, (96, 96, 1))).astype(np.float32)
    images = [(noisy, None), (np.where(generator.random(noisy.shape) < 0.3, np.float32(np.nan), noisy), None)]
    for each in images:
        found = NoReference([each], [NoiseModel(gain=(0.0,), offset=(0.01,))])
        assert found.whiteness(lambda x: x * 0 + 0.5) == pytest.approx((0, 0), abs=0.04)
    low = noisy * np.float32(0.2)
    low[:, 48:] = np.nan
    found = NoReference([(low, None)], [NoiseModel(gain=(0.001,), offset=(0.0,))])
    found.noisy[0][..., 48:] = 1.0
    doubt = found.estimate(lambda x: x).systematic
    assert doubt == pytest.approx(NOISE_ERROR * 0.001 * 0.1, rel=0.2)


def test_the_noise_of_each_image_is_measured_where_there_are_values() -> None:
    generator = np.random.default_rng(3)
    images = [(0.5 + generator.normal(0, level, (96, 96, 1))).astype(np.float32) for level in (0.05, 0.1)]
    profile = profile_images(images[:1])
    images[1][HOLE] = np.nan
    found = noise_of_each(profile, [(image, None) for image in images])
    levels = [float(model.offset[0] + 0.5 * model.gain[0]) ** 0.5 for model in found]
    assert levels == pytest.approx([0.05, 0.1], rel=0.1)


def _advice(findings: object) -> list[str]:
    from clearer.data.doctor_report import advice

    return advice(findings)  # type: ignore[arg-type]
