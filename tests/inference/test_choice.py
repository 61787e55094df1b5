"""The model chosen for an image: by what it shows, and by what the models were trained on."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clearer.degradations.rain import Rain
from clearer.images.io import read_file
from clearer.images.view import read_image
from clearer.inference.choice import Candidate, candidates, choose, default_model, trained_kinds
from clearer.inference.image_facts import ImageFacts, facts_of, seen_of_file
from clearer.recipe.load import load_recipe
from clearer.zoo.card import ModelCard
from helpers.photos import SHIPPED

COFFEE = read_image(SHIPPED / "coffee.png", 3)[:320, :448].astype(np.float32) / 255
NOISE = np.random.default_rng(0).normal(0, 1, COFFEE.shape).astype(np.float32)


def candidate(name: str, recipe: str, gray: bool = False, macs: float = 5e4) -> Candidate:
    """Return a model trained by a shipped recipe."""
    degradation = load_recipe(recipe).data.degradation
    card = ModelCard(degradation=degradation.to_dict())
    return Candidate(name, trained_kinds(card), degradation.noise_levels(), gray, macs)


GRAY = candidate("denoise-gray", "denoise-gray", gray=True)
COLOR = candidate("denoise-color", "denoise-color")
PHOTO = candidate("denoise-photo", "denoise-photo", macs=9e4)
DEJPEG = candidate("dejpeg", "dejpeg")
DERAIN = Candidate("derain", trained_kinds(ModelCard(task="derain", degradation={"kind": "none"})), None, False, 1e5)
ALL = (GRAY, COLOR, PHOTO, DEJPEG, DERAIN)


def jpeg(image: np.ndarray, quality: int) -> bytes:
    file = BytesIO()
    Image.fromarray(np.round(image.clip(0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def rain(image: np.ndarray) -> np.ndarray:
    """Add the rain that the package trains with."""
    clean = torch.from_numpy(image).permute(2, 0, 1)[None]
    rainy = Rain().apply(clean, torch.Generator().manual_seed(1))
    return rainy[0].permute(1, 2, 0).numpy()


def test_each_image_gets_the_model_that_was_trained_for_it() -> None:
    blurred = NOISE + np.roll(NOISE, 1, 0) + np.roll(NOISE, 1, 1) + np.roll(NOISE, (1, 1), (0, 1))
    gray = COFFEE[..., :1]
    images = {
        "denoise-color": [
            COFFEE + 0.06 * NOISE,
            COFFEE + 0.1 * NOISE * np.sqrt(COFFEE.clip(0, 1)),  # more where it is brighter
        ],
        "denoise-photo": [
            COFFEE + 0.03 * blurred,
            COFFEE + 0.06 * NOISE[..., :1],  # the same in all channels
        ],
        "denoise-gray": [
            gray + 0.06 * NOISE[..., :1],
            gray + 0.1 * NOISE[..., :1] * np.sqrt(gray.clip(0, 1)),
            np.repeat(gray + 0.06 * NOISE[..., :1], 3, 2),
        ],
        "derain": [rain(COFFEE)],
        None: [COFFEE],
    }
    for model, those in images.items():
        for image in those:
            assert choose(facts_of(image), ALL).model == model


def test_without_a_model_for_the_noise_none_is_named_and_the_line_says_so() -> None:
    noise = NOISE + np.roll(NOISE, 1, 0) + np.roll(NOISE, 1, 1) + np.roll(NOISE, (1, 1), (0, 1))
    choice = choose(facts_of(COFFEE + 0.03 * noise), (GRAY, COLOR, DEJPEG))
    assert choice.model is None and choice.line().startswith("no model fits: noise of about")
    assert choose(facts_of(COFFEE), (GRAY, COLOR, DEJPEG)).line().startswith("nothing to do: nearly no noise")
    assert choose(facts_of(COFFEE + 0.06 * NOISE), (GRAY, COLOR)).model == "denoise-color"


@pytest.mark.parametrize("quality, model", [(10, "dejpeg"), (40, "dejpeg"), (97, None)])
def test_a_jpeg_file_is_judged_by_its_quantization(quality: int, model: str | None) -> None:
    image = read_file(jpeg(COFFEE, quality), "coffee")
    facts = facts_of(seen_of_file(image), image.pages[0].own.get("quality"))
    assert facts.quality == quality and choose(facts, ALL).model == model
    if model:
        assert f"JPEG compression of quality {quality}" in choose(facts, ALL).line()


def test_only_what_is_seen_counts(tmp_path: Path) -> None:
    """The choice is that of the image alone, whatever colors lie under its transparent parts."""
    down, across = np.mgrid[:320, :448]
    shape = ((down - 160) ** 2 + (across - 224) ** 2 < 120**2)[..., None]
    garbage = np.random.default_rng(1).random(COFFEE.shape)
    for image in (COFFEE, COFFEE + 0.06 * NOISE):
        model = choose(facts_of(image.clip(0, 1)), ALL).model
        for beneath in (0.0, 1.0, garbage):
            pixels = np.concatenate([np.where(shape, image, beneath), shape], 2).clip(0, 1)
            Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(tmp_path / "a.png")
            assert choose(facts_of(seen_of_file(read_file(tmp_path / "a.png"))), ALL).model == model
    hidden = np.concatenate([garbage, 0 * shape], 2)
    Image.fromarray(np.rint(hidden * 255).astype(np.uint8)).save(tmp_path / "a.png")
    assert choose(facts_of(seen_of_file(read_file(tmp_path / "a.png"))), ALL).model is None


def test_compression_is_seen_in_a_file_that_is_no_longer_jpeg() -> None:
    pixels = np.array(Image.open(BytesIO(jpeg(COFFEE, 20)))).astype(np.float32) / 255
    assert choose(facts_of(pixels), ALL).model == "dejpeg"


def test_a_model_for_one_level_is_not_chosen_for_another() -> None:
    only_50 = Candidate("only-50", frozenset({"gaussian"}), (50.0, 50.0), False, 1e4)
    facts = ImageFacts(False, "independent", 12.0, False, False, None)
    assert choose(facts, (only_50, COLOR)).model == "denoise-color"
    assert choose(ImageFacts(False, "independent", 48.0, False, False, None), (only_50,)).model == "only-50"


def test_blur_alone_has_no_model_unless_one_was_trained_on_it() -> None:
    facts = ImageFacts(False, "clean", 0.3, True, False, None)
    assert choose(facts, ALL).model is None and "blurred or enlarged" in choose(facts, ALL).line()
    deblur = Candidate("deblur", frozenset({"blur", "resize"}), None, False, 1e4)
    assert choose(facts, (*ALL, deblur)).model == "deblur"


def test_the_shipped_models_are_candidates_by_their_cards() -> None:
    found = {one.name: one for one in candidates()}
    assert found["denoise-gray"].gray and found["denoise-gray"].kinds == {"gaussian"}
    assert found["derain"].kinds == {"rain"} and not found["derain"].denoises
    assert "denoise-gray-50" not in found  # models that reproduce the paper's results
    default = default_model(found)
    assert default is not None and not found[default].gray and found[default].denoises
    assert default_model(["denoise-gray"]) is None


def test_kinds_that_a_mixture_has_little_of_do_not_count() -> None:
    parts = [
        {"share": 0.9, "kind": "gaussian", "sigma": [0, 75]},
        {"share": 0.05, "kind": "correlated", "sigma": [0, 50]},
        {"share": 0.04, "kind": "chain", "steps": [{"kind": "gaussian", "sigma": 10}, {"kind": "jpeg"}]},
    ]
    for more, wanted in ((0.0, {"gaussian"}), (0.05, {"gaussian", "correlated"})):
        parts[1]["share"] = 0.05 + more
        card = ModelCard(task="denoise", degradation={"kind": "mixture", "clean": 0.1, "parts": parts})
        assert trained_kinds(card) == wanted
