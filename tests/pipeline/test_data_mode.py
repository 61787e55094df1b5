"""The recipe and the method that are chosen by the images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import uniform_filter, uniform_filter1d

from clearer.core.errors import UserError
from clearer.data.doctor import examine
from clearer.data.doctor_report import advice
from clearer.noise.profile import NoiseProfile, profile_images
from clearer.pipeline.data_mode import choose
from clearer.pipeline.noisy import method_by
from clearer.pipeline.ranking import tasks_for
from clearer.recipe.load import load_recipe
from helpers.noisy_images import clean_image, noisy_folder, noisy_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("modes")
    noisy_folder(place / "gray", 2)
    noisy_folder(place / "pairs" / "clean", 2, sigma=0)
    noisy_folder(place / "pairs" / "noisy", 2)
    (place / "color").mkdir()
    Image.fromarray(np.dstack([noisy_image(0, exposure=e) for e in range(3)])).save(place / "color" / "p0.png")
    return place


@pytest.mark.parametrize(
    ("where", "settings", "recipe"),
    [
        ("gray", {"data.layout": "noisy"}, "noisy-gray"),
        ("color", {"data.layout": "noisy"}, "noisy-color"),
        ("color/p0.png", {"data.layout": "noisy"}, "noisy-color"),
        ("pairs", {}, "pairs-gray"),
        ("gray", {"data.degradation.kind": "gaussian"}, "denoise-gray"),
        ("color", {"data.degradation.kind": "jpeg"}, "denoise-color"),
    ],
)
def test_the_recipe_follows_from_the_images(folder: Path, where: str, settings: dict[str, Any], recipe: str) -> None:
    chosen = choose(None, {"data.folder": str(folder / where), **settings})
    assert chosen.recipe == recipe
    assert chosen.remarks[0].startswith(f"recipe {recipe}: ")
    assert load_recipe(chosen.recipe, chosen.overrides).network.channels == (3 if recipe.endswith("color") else 1)


def test_two_folders_of_pairs_are_pairs(folder: Path) -> None:
    pairs = {"clean": str(folder / "pairs" / "clean"), "degraded": str(folder / "pairs" / "noisy")}
    assert choose(None, {"data.folder": pairs}).recipe == "pairs-gray"


def test_a_named_recipe_is_kept(folder: Path) -> None:
    overrides = {"data.folder": str(folder / "gray")}
    assert choose("derain", overrides) == choose(Path("derain"), overrides)
    assert choose("derain", overrides).overrides == overrides and choose("derain", overrides).remarks == []


def test_noisy_and_data_are_the_same_as_the_option(folder: Path) -> None:
    images = {"data.folder": str(folder / "gray")}
    assert choose("noisy", images) == choose(None, {**images, "data.layout": "noisy"})


def test_the_users_loss_is_kept(folder: Path) -> None:
    chosen = choose("noisy", {"data.folder": str(folder / "gray"), "train.loss": "noise2void"})
    assert load_recipe(chosen.recipe, chosen.overrides).train.loss == "noise2void"


def test_single_images_without_a_degradation_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"gray: single images; if they are noisy, give --noisy .*; if they are clean"):
        choose(None, {"data.folder": str(folder / "gray")})
    with pytest.raises(UserError, match=r"images: none are given; name them with --data, --noisy"):
        choose(None, {})


@pytest.mark.parametrize("given", ["empty", "tiny"])
def test_folders_without_usable_images_are_called_so(tmp_path: Path, given: str) -> None:
    place = tmp_path / given
    place.mkdir()
    if given == "tiny":
        Image.fromarray(np.zeros((5, 40), np.uint8)).save(place / "a.png")
    with pytest.raises(UserError, match=rf"{given}: no images (directly )?in this folder"):
        choose(None, {"data.folder": str(place)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network.channels": "gray"}, "network.channels: 'gray' is not "),
        ({"network.channels": None}, "network.channels: None is not "),
        ({"data.folder": {"clean": "a", "noisy": "b"}}, "data.folder.noisy: no such setting"),
        ({"data.folder": 2024}, "data.folder: 2024 is not "),
        ({"data.folder": None, "data.train": []}, "images: none are given"),
    ],
)
def test_wrong_values_of_what_the_choice_looks_at_are_one_line(
    folder: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}") as caught:
        choose("pairs", {"data.folder": str(folder / "pairs"), **settings})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data.range": [4095, 0]}, r"data.range: .*4095"),
        ({"data.range": [0, 4095]}, r"data.range: 0 to 4095, but .*a.png has 8 bits, levels of 0 to 255"),
        ({"data.channel": "2"}, r"channel"),
        ({"network.channels": 3}, r"a.png: gray, in a set of 1 gray and 1 color files"),
    ],
)
def test_settings_are_checked_before_noise_is_measured(
    tmp_path: Path, settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    mixed = "network.channels" in settings
    Image.fromarray(np.zeros((64, 64, 3) if mixed else (64, 64), np.uint8)).save(tmp_path / "b.png")
    monkeypatch.setattr("clearer.pipeline.data_mode.noise_of_set", lambda *given: pytest.fail("measured"))
    with pytest.raises(UserError, match=message):
        choose("noisy", {"data.folder": str(tmp_path), **settings})


def profile(filtered: Any, seed: int = 0) -> NoiseProfile:
    images = []
    for k in range(seed, seed + 4):
        noise = filtered(np.random.default_rng(k).normal(0, 1, (160, 160)))
        images.append(clean_image(k, 160, 160) + 15 * noise / noise.std())
    return profile_images([image.clip(0, 255).round().astype(np.uint8) for image in images])


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "independent": (lambda noise: noise, {"train.loss": "neighbor2neighbor+sure"}),
    "rows": (
        lambda noise: uniform_filter1d(noise, 3, axis=1),
        {"train.loss": "noise2void-rows", "data.augment": "mirror"},
    ),
    "columns": (
        lambda noise: uniform_filter1d(noise, 3, axis=0),
        {"train.loss": "noise2void-columns", "data.augment": "mirror"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_method_follows_from_the_noise(case: str) -> None:
    filtered, settings = CASES[case]
    method = method_by(profile(filtered))
    assert method.settings == settings
    assert method.remarks[0].startswith("Noise of about 1") and settings["train.loss"] in method.remarks[-1]


@pytest.mark.parametrize("seed", [0, 10, 20, 30])
def test_the_teacher_skips_as_many_pixels_as_are_correlated(seed: int) -> None:
    strides = [method_by(profile(lambda noise, n=n: uniform_filter(noise, n), seed)).settings for n in (2, 3)]
    assert [found["teacher.stride"] for found in strides] == [2, 3]
    assert {found["train.loss"] for found in strides} == {"charbonnier"}
    compressed = dataclasses.replace(profile(lambda noise: noise), kind="blocky")
    assert method_by(compressed).settings["teacher.stride"] == 4


def in_color(filtered: Any, color: Any) -> NoiseProfile:
    """Return the profile of noise, of which ``color`` filters the part in color alone."""
    images = []
    for k in range(4):
        white = np.random.default_rng(k).normal(0, 1, (160, 160, 3))
        gray = white.mean(2, keepdims=True)
        noise = filtered(gray) * np.ones(3) + color(white - gray)
        images.append(clean_image(k, 160, 160)[:, :, None] + 15 * noise / noise.std())
    return profile_images([image.clip(0, 255).round().astype(np.uint8) for image in images])


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3)])
def test_the_teacher_skips_as_many_pixels_as_are_correlated_in_color(size: int, stride: int) -> None:
    """Noise of three channels has a part in color alone, so that it is not a reason for the largest stride."""
    found = in_color(
        lambda noise: uniform_filter(noise, (2, 2, 1)), lambda noise: uniform_filter(noise, (size, size, 1))
    )
    assert found.kind == "correlated" and found.color is not None
    assert method_by(found).settings["teacher.stride"] == stride
    unknown = dataclasses.replace(found, colors=())  # as an earlier version noted it
    assert method_by(unknown).settings["teacher.stride"] == 4


def test_exposures_of_one_scene_are_recognized_by_name_and_content(tmp_path: Path) -> None:
    for name, scenes in (("exposures", (0, 0)), ("series", (0, 5))):
        (tmp_path / name).mkdir()
        for k, scene in enumerate(scenes, 1):
            Image.fromarray(noisy_image(scene, exposure=k)).save(tmp_path / name / f"s0_{k}.png")
    said = {name: choose("noisy", {"data.folder": str(tmp_path / name)}).remarks for name in ("exposures", "series")}
    hints = {name: [line for line in lines if "--exposures" in line] for name, lines in said.items()}
    assert len(hints["exposures"]) == 1 and hints["exposures"][0].startswith("s0_1.png, s0_2.png show the same scene")
    assert hints["series"] == []
    findings = examine(str(tmp_path / "exposures"))
    assert len([line for line in advice(findings) if "--exposures" in line]) == 1


def test_a_folder_of_jpeg_is_told_that_training_cannot_help_and_is_compared_with_dejpeg() -> None:
    compressed = dataclasses.replace(profile(lambda noise: noise), kind="blocky", grid=0.3)
    assert any("training on these images alone cannot" in line for line in method_by(compressed).remarks)
    assert tasks_for(compressed) == {"denoise", "dejpeg"}
    assert tasks_for(profile(lambda noise: noise)) == {"denoise"}
