"""Training from noisy images alone: end to end, resumed, from one image, from exposures, and by a teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from scipy.ndimage import uniform_filter

from clearer.core.errors import UserError
from clearer.data.items import read_item
from clearer.data.noisy import find_scenes, split_noisy
from clearer.data.splits import resolve_splits
from clearer.experiments.short_training import short
from clearer.inference.restorer import load
from clearer.network.architecture import Architecture
from clearer.noise.profile import profile_images
from clearer.noise.words import in_words
from clearer.pipeline import ranking
from clearer.pipeline.data_mode import choose
from clearer.pipeline.fit import Run, fit
from clearer.pipeline.noisy import noise_of_each, noise_of_set, noisy_images, with_measured_noise
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import DataSettings
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.noisy_validation import NoisyValidation
from clearer.training.trainer import WeightTraining
from helpers.networks import write_identity
from helpers.noisy_images import clean_image, noisy_folder, noisy_image

TINY: dict[str, Any] = {
    "precision": "fp32",
    "network.width": 8,
    "architecture": "PP",
    "network.scales": 2,
    "train.epochs": 12,
    "train.steps_per_epoch": 5,
    "train.batch": 4,
    "train.patch": 32,
    "train.validate_every": 4,
    "train.optimizer.lr": 5e-3,
    "train.optimizer.lr_final": 5e-4,
    "train.optimizer.warmup_epochs": 1,
    "teacher.epochs": 2,
    "checkpoint_minutes": 1e-6,
}


def fitted(out: Path, where: Path, **changes: Any) -> Run:
    return fit("noisy", out, {**TINY, "data.folder": str(where), **changes}, console=Console(quiet=True))


def errors(run: Path, k: int = 0) -> tuple[float, float]:
    """Return the mean squared error of the noisy and of the restored image, in gray levels."""
    noisy, clean = noisy_image(k), clean_image(k)
    restored = load(run, "cpu", "fp32").restore(noisy)
    return float(np.square(noisy - clean).mean()), float(np.square(restored - clean).mean())


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_folder(tmp_path_factory.mktemp("set") / "noisy")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, noisy: Path) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    fitted(out, noisy)
    return out


def test_training_without_ground_truth_removes_noise(whole: Path) -> None:
    before, after = errors(whole)
    assert after < 0.7 * before


def test_no_result_without_ground_truth_is_called_a_psnr(whole: Path) -> None:
    result = json.loads((whole / "train" / "result.json").read_text())
    assert {"best_psnr", "last_psnr", "input_psnr"}.isdisjoint(result)
    assert result["standard_error"] > 0
    assert load(whole).card.validation_psnr is None
    assert "dB" not in (whole / "report.html").read_text().split("</header>")[0]


class Stopped(Exception):
    pass


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"train.loss": "neighbor2neighbor+sure"},
        {"train.loss": "charbonnier", "teacher.stride": 2},
        {"train.loss": "charbonnier", "teacher.stride": 2, "teacher.loss": "sure"},
    ],
)
def test_a_stopped_training_resumes_to_the_same_bits(
    tmp_path: Path, noisy: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(tmp_path / "whole", noisy, **changes)
    whole_step, count = WeightTraining.step, 0

    def step(self: WeightTraining, index: int) -> Any:
        nonlocal count
        count += 1
        if count in (8, 35):
            raise Stopped
        return whole_step(self, index)

    monkeypatch.setattr(WeightTraining, "step", step)
    for _ in range(2):
        with pytest.raises(Stopped):
            fitted(tmp_path / "run", noisy, **changes)
    fitted(tmp_path / "run", noisy, **changes)
    for name in ("model.safetensors", "last.safetensors"):
        mine, expected = (load_file(tmp_path / run / name) for run in ("run", "whole"))
        assert all(torch.equal(mine[key], expected[key]) for key in expected)


def test_a_single_file_is_enough(tmp_path: Path) -> None:
    Image.fromarray(noisy_image(0, height=80, width=160)).save(tmp_path / "one.png")
    fitted(tmp_path / "run", tmp_path / "one.png")
    before, after = errors(tmp_path / "run")
    assert after < 0.7 * before


@pytest.mark.parametrize("layout", ["numbers", "folders"])
def test_exposures_of_each_scene_are_compared(tmp_path: Path, layout: str) -> None:
    for k in range(3):
        for exposure in range(2):
            path = f"p{k}_{exposure}.png" if layout == "numbers" else f"take{exposure}/p{k}.png"
            (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy_image(k, exposure=exposure)).save(tmp_path / "set" / path)
    fitted(tmp_path / "run", tmp_path / "set", **{"data.layout": "exposures"})
    recipe = (tmp_path / "run" / "recipe.yaml").read_text()
    assert "loss: noise2noise" in recipe
    before, after = errors(tmp_path / "run")
    assert after < 0.7 * before
    # Both exposures of a scene are in the same part.
    images = json.loads((tmp_path / "run" / "images.json").read_text())
    assert (len(images["train"]), len(images["validation"])) == (4, 2)
    # Against another exposure, the error is known without a noise model: here that of the ground truth within 15 %.
    result = json.loads((tmp_path / "run" / "train" / "result.json").read_text())
    assert result["measure"] == "exposures"
    truth = [-10 * np.log10(np.square((noisy_image(1, exposure=e) - clean_image(1)) / 255).mean()) for e in range(2)]
    assert result["estimated_input_psnr"] == pytest.approx(np.mean(truth), abs=0.4)


def faulty(tmp_path: Path, case: str) -> dict[str, Any]:
    folder = noisy_folder(tmp_path / "noisy", 2)
    if case == "pairs":
        noisy_folder(tmp_path / "set" / "clean", 1)
        noisy_folder(tmp_path / "set" / "noisy", 1)
        return {"data.folder": str(tmp_path / "set")}
    if case == "small":
        Image.fromarray(noisy_image(0, height=20)).save(folder / "p0.png")
    if case == "one small":
        return {"data.folder": str(folder / "p0.png"), "train.patch": 48}
    if case == "alone":
        return {"data.folder": str(folder), "data.layout": "exposures"}
    if case == "loss":
        return {"data.folder": str(folder), "train.loss": "mse"}
    if case == "scenes":
        y = np.mgrid[:64, :80][0]
        Image.fromarray(y.astype(np.uint8) * 3).save(folder / "q_1.png")
        Image.fromarray(255 - y.astype(np.uint8) * 3).save(folder / "q_2.png")
        for k in range(2):
            (folder / f"p{k}.png").unlink()
        return {"data.folder": str(folder), "data.layout": "exposures"}
    if case == "validation":
        return {"data.folder": str(folder), "data.validation": str(folder)}
    if case == "group":
        return {"data.folder": str(folder), "data.group": "(.*)"}
    if case == "search":
        return {"data.folder": str(folder), "architecture": None}
    return {"data.folder": str(folder)}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("pairs", r"holds pairs \(clean and noisy\); train on them with --data"),
        ("small", r"has 80x20 pixels, less than a patch of 32x32"),
        ("one small", r"only image has 80x64 pixels, too few for patches of 48x48"),
        ("alone", r"p0.png: not an exposure by its name; name the exposures of a scene NAME_1, NAME_2"),
        ("scenes", r"q_1.png, q_2.png do not show the same scene"),
        ("loss", r"train.loss: mse needs ground truth, and data.layout noisy has none; choose one of neighbor"),
        ("validation", r"data.validation: p0.png, p1.png are trained on, too; name other images"),
        ("group", r"data.group: '\(\.\*\)' is for images with ground truth; leave it out"),
        ("search", r"noisy has no ground truth, which the search needs; give an architecture"),
    ],
)
def test_faults_are_one_line(tmp_path: Path, case: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        fit("noisy", tmp_path / "run", {**TINY, **faulty(tmp_path, case)}, console=Console(quiet=True))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "train").exists()


def test_the_pages_of_one_stack_are_images_and_noise_is_in_units_of_the_span(tmp_path: Path) -> None:
    levels = [np.rint(noisy_image(k, 20) / 255 * 4095).astype(np.uint16) for k in range(3)]
    tifffile.imwrite(tmp_path / "stack.tif", np.stack(levels), photometric="minisblack")
    scenes = find_scenes(str(tmp_path / "stack.tif"), "noisy")
    assert [item.page for (item,) in scenes] == [0, 1, 2]
    images = [level[:, :, None] for level in levels]
    profile = noise_of_set([item for (item,) in scenes], 1, (0.0, 4095.0))
    assert in_words(profile)[0].startswith("Noise of about 3") and "gray levels of 4095" in in_words(profile)[0]
    for model in noise_of_each(profile, [(images[0], None)]):
        assert model.gain[0] * 0.5 + model.offset[0] == pytest.approx((20 / 255) ** 2, rel=0.25)


def test_each_page_of_stacked_exposures_is_a_scene(tmp_path: Path) -> None:
    for exposure in (1, 2):
        pages = [noisy_image(k, exposure=exposure) for k in range(3)]
        tifffile.imwrite(tmp_path / f"cell_{exposure}.tif", np.stack(pages), photometric="minisblack")
    scenes = find_scenes(str(tmp_path), "exposures")
    assert [[item.name for item in scene] for scene in scenes] == [
        [f"cell_1.tif#{page}", f"cell_2.tif#{page}"] for page in (1, 2, 3)
    ]
    for page, (first, _) in enumerate(scenes):
        pair = read_item(first, 1)
        wanted = [noisy_image(page, exposure=exposure) for exposure in (1, 2)]
        assert all(np.array_equal(found[:, :, 0], want) for found, want in zip(pair, wanted, strict=True))


def test_the_scenes_of_exposures_reach_the_validation_and_the_ranking(tmp_path: Path, monkeypatch: Any) -> None:
    for scene in range(4):
        for exposure in range(3):
            Image.fromarray(noisy_image(scene, exposure=exposure)).save(tmp_path / f"s{scene}_{exposure}.png")
    layout = {"data.folder": str(tmp_path), "data.layout": "exposures", "data.fractions": [0.5, 0.4, 0.1]}
    recipe = load_recipe("noisy-gray", {**layout, "train.loss": "noise2noise"})
    splits = resolve_splits(recipe.data, channels=1, patch=32, seed=0, say=print)
    training, validation = noisy_images(recipe, splits)
    context = RunContext.of(recipe, RunFolder(tmp_path / "run"), training, validation)
    (tmp_path / "run").mkdir()
    found = NoisyValidation(recipe, with_measured_noise(context, recipe, splits))
    assert found.images.scenes == [0, 0, 0, 1, 1, 1] and found.latest.scenes == (0, 0, 0, 0, 1, 1, 1, 1)
    monkeypatch.setattr(ranking, "_others", lambda *_: [])
    mine = load(write_identity(tmp_path / "mine.safetensors"), "cpu", "fp32")
    assert ranking.rank(recipe, RunFolder(tmp_path / "run"), mine, splits)["parts"] == 8


@pytest.mark.parametrize(("scene", "exposure"), [(5, 1), (2, 3)])
def test_every_exposure_has_to_show_its_scene(tmp_path: Path, scene: int, exposure: int) -> None:
    for k in range(7):
        for e in range(5):
            shown = noisy_image(k, exposure=e)
            Image.fromarray(255 - shown if (k, e) == (scene, exposure) else shown).save(tmp_path / f"s{k}_{e}.png")
    wrong = rf"s{scene}_0.png, s{scene}_{exposure}.png do not show the same scene.*remove what is none"
    with pytest.raises(UserError, match=wrong):
        split_noisy(DataSettings(folder=str(tmp_path), layout="exposures"))


@pytest.mark.parametrize("sigma", [5, 60])
def test_exposures_of_a_scene_without_content_are_taken(tmp_path: Path, sigma: float) -> None:
    for e in range(4):
        noise = np.random.default_rng(e).normal(0, sigma, (48, 48))
        Image.fromarray((128 + noise).clip(0, 255).astype(np.uint8)).save(tmp_path / f"s_{e}.png")
    assert len(split_noisy(DataSettings(folder=str(tmp_path), layout="exposures"))["train"]) == 4


@pytest.mark.parametrize("inverted", [False, True])
def test_float_exposures_are_compared_in_levels_of_any_range(tmp_path: Path, inverted: bool) -> None:
    for e in range(2):
        image = 3137 / 255 * noisy_image(0, exposure=e).astype(np.float32)
        tifffile.imwrite(tmp_path / f"s_{e}.tif", 3137 - image if inverted and e else image)
    settings = DataSettings(folder=str(tmp_path), layout="exposures", range=[0, 3137])
    if inverted:
        with pytest.raises(UserError, match="do not show the same scene"):
            split_noisy(settings)
    else:
        assert len(split_noisy(settings)["train"]) == 2


@pytest.mark.parametrize("limit", [{}, {"data.limit_validation": 1}, {"data.limit_train": 1}])
def test_a_single_scene_is_divided_however_few_exposures_are_taken(tmp_path: Path, limit: dict[str, int]) -> None:
    for exposure in range(3):
        Image.fromarray(noisy_image(0, exposure=exposure)).save(tmp_path / f"s_{exposure}.png")
    layout = {"data.folder": str(tmp_path), "data.layout": "exposures", "train.patch": 16, **limit}
    recipe = load_recipe("noisy-gray", {**layout, "train.loss": "noise2noise"})
    splits = resolve_splits(recipe.data, channels=1, patch=16, seed=0, say=print)
    training, validation = noisy_images(recipe, splits)
    assert (len(training), len(validation)) == (limit.get("data.limit_train", 3), limit.get("data.limit_validation", 3))
    assert {image.shape for pair in training for image in pair if image is not None} == {(64, 64, 1)}
    assert {image.shape for pair in validation for image in pair if image is not None} == {(64, 16, 1)}


@pytest.mark.parametrize(
    ("name", "value"), [("soft_share", 0.2), ("leaks", "drop"), ("fractions", [0.7, 0.1, 0.2]), ("augment", True)]
)
def test_settings_that_noisy_images_do_not_use_are_named(tmp_path: Path, name: str, value: Any) -> None:
    settings = DataSettings(folder=str(noisy_folder(tmp_path / "noisy", 3)), layout="noisy", **{name: value})
    said: list[str] = []
    resolve_splits(settings, channels=1, patch=32, seed=0, say=said.append)
    assert len(said) == (name != "augment") and all(f"data.{name}: " in line and "not used" in line for line in said)


def test_a_folder_that_is_named_twice_is_not_validated_on(tmp_path: Path) -> None:
    folder = str(noisy_folder(tmp_path / "noisy", 3))
    parts = split_noisy(DataSettings(train=[folder, folder], layout="noisy"))
    assert not set(parts["train"]) & set(parts["validation"]) and len(parts["train"]) == 2


def test_test_images_of_noisy_sets_are_of_the_channel_and_some_images_stay_to_train_on(tmp_path: Path) -> None:
    for part, kinds in (("noisy", [""]), ("test", ["clean", "degraded"])):
        for kind in kinds:
            for channel in ("DAPI", "GFP"):
                for k in range(3):
                    place = tmp_path / part / kind / f"f{k}_{channel}.png"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(noisy_image(k)).save(place)
    settings = DataSettings(
        folder=str(tmp_path / "noisy"), layout="noisy", channel="DAPI", test=str(tmp_path / "test"),
        fractions=[0.05, 0.9, 0.05],
    )  # fmt: skip
    parts = split_noisy(settings)
    assert [item.name for item in parts["test"]] == [f"f{k}_DAPI.png" for k in range(3)]
    assert (len(parts["train"]), len(parts["validation"])) == (1, 2)


def test_an_image_of_another_gain_has_its_own_noise_though_its_level_is_that_of_the_set() -> None:
    rng = np.random.default_rng(1)

    def photons(mean: float, gain: float) -> np.ndarray:
        clean = mean + 0.4 * mean * np.sin(np.mgrid[:160, :160].sum(0) / 20)
        return np.rint(gain * rng.poisson(clean / gain)).clip(0, 255).astype(np.uint8)[:, :, None]

    # The level of the last one, sqrt(480), is that of the set, whose variance at its brightness is rather 240.
    images = [photons(120.0, 6.0), photons(120.0, 6.0), photons(40.0, 6.0), photons(40.0, 6.0), photons(40.0, 12.0)]
    (model,) = noise_of_each(profile_images(images), [(images[-1], None)])
    assert 255**2 * (model.gain[0] * images[-1].mean() / 255 + model.offset[0]) == pytest.approx(480, rel=0.15)


def test_floats_in_levels_train_as_the_same_floats_in_units(tmp_path: Path) -> None:
    for k in range(3):
        for name, white in (("levels", 3137), ("units", 1)):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"p{k}.tif", noisy_image(k).astype(np.float32) / 255 * white)
    shortened = {"train.epochs": 1, "train.steps_per_epoch": 2}
    runs = {
        "units": fitted(tmp_path / "a", tmp_path / "units", **shortened),
        "levels": fitted(tmp_path / "b", tmp_path / "levels", **shortened, **{"data.range": [0, 3137]}),
    }
    found = {name: json.loads((run.folder / "noise.json").read_text()) for name, run in runs.items()}
    assert found["units"]["level"] == pytest.approx(20 / 255, rel=0.15)
    assert found["levels"]["level"] == pytest.approx(found["units"]["level"], rel=1e-4)
    assert found["levels"]["scale"] == [0, 3137] and "gray levels of 3137" in found["levels"]["words"][0]
    estimates = [run.result["train"]["estimated_input_psnr"] for run in runs.values()]
    assert estimates[0] == pytest.approx(estimates[1], abs=0.01)


def test_the_noise_of_a_single_image_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = noisy_image(0, height=80, width=240)
    image[:, 192:] = noisy_image(0, sigma=5, height=80, width=240)[:, 192:]  # the part held out is quieter
    Image.fromarray(image).save(tmp_path / "one.png")
    said = choose("noisy", {"data.folder": str(tmp_path / "one.png"), "train.patch": 32})
    run = fitted(tmp_path / "run", tmp_path / "one.png", **{"train.epochs": 1, "train.steps_per_epoch": 2})
    noted = json.loads((run.folder / "noise.json").read_text())
    assert said.noise is not None and noted["words"][0] == said.remarks[1] and noted["level"] == said.noise.level


def test_pairs_given_for_testing_are_measured(tmp_path: Path, noisy: Path) -> None:
    for k in range(2):
        for part, image in (("clean", clean_image(k).round().astype(np.uint8)), ("noisy", noisy_image(k))):
            (tmp_path / "test" / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / "test" / part / f"t{k}.png")
    run = fitted(tmp_path / "run", noisy, **{"data.test": str(tmp_path / "test"), "train.epochs": 2})
    measured = run.result["protocols"]["pairs-gray"]
    assert measured["images"] == 2 and measured["psnr"] > measured["input_psnr"]
    assert "truth" in json.loads((tmp_path / "run" / "samples.json").read_text())[0]


@pytest.mark.slow
def test_a_search_trains_on_the_subsampled_images_alone(tmp_path: Path, noisy: Path) -> None:
    """A teacher of each network would take far longer than its short training."""
    changes = {**TINY, "data.folder": str(noisy), "train.loss": "charbonnier", "teacher.stride": 2}
    recipe = load_recipe("noisy-gray", changes)
    lesson = short(recipe, Architecture.parse("PP", width=8, channels=1, norm="none", residual=True), 0, 4, 2)
    assert (lesson.teacher.only, lesson.train.loss, lesson.train.epochs) == (True, "neighbor2neighbor", 2)
    run = fit(lesson, tmp_path / "run", stages=("train",), console=Console(quiet=True))
    result = json.loads((run.folder / "train" / "result.json").read_text())
    assert result["steps"] == 4 and not (run.folder / "teacher").exists() and "last_estimated_psnr" in result


@pytest.mark.long
def test_a_teacher_removes_noise_that_neighbors_share(tmp_path: Path) -> None:
    def correlated(k: int) -> np.ndarray:
        noise = uniform_filter(np.random.default_rng(k).normal(0, 1, (64, 80)), 2)
        return np.clip(clean_image(k) + 20 * noise / noise.std(), 0, 255).round().astype(np.uint8)

    (tmp_path / "set").mkdir()
    for k in range(6):
        Image.fromarray(correlated(k)).save(tmp_path / "set" / f"p{k}.png")
    settings = {
        "direct": {"train.loss": "neighbor2neighbor", "train.epochs": 40},
        "taught": {"train.loss": "charbonnier", "train.epochs": 20, "teacher.stride": 2, "teacher.epochs": 40},
    }
    found = {}
    for name, changes in settings.items():
        fitted(tmp_path / name, tmp_path / "set", **changes)
        restored = load(tmp_path / name, "cpu", "fp32").restore(correlated(0))
        found[name] = float(np.square(restored - clean_image(0)).mean())
    noise = float(np.square(correlated(0) - clean_image(0)).mean())
    assert found["direct"] > 0.6 * noise and found["taught"] < 0.5 * noise
    # SURE with the measured correlation knows it, without ground truth.
    result = json.loads((tmp_path / "taught" / "train" / "result.json").read_text())
    assert result["best_estimated_psnr"] == pytest.approx(-10 * np.log10(found["taught"] / 255**2), abs=1.5)
