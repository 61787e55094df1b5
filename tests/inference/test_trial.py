"""A trial on images that seem to have nothing to remove finds the noise of cameras, and leaves clean images."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from clearer.degradations.registry import degradation_from_dict
from clearer.images.types import UnitPixels
from clearer.images.view import read_image
from clearer.inference.choice import Choice, candidates, choose
from clearer.inference.image_facts import facts_of
from clearer.inference.restorer import Restorer, load
from clearer.inference.trial import chosen_for, tried
from helpers.photos import SHIPPED

CLEAN = read_image(SHIPPED / "coffee.png", 3)[:256, :320].astype(np.float32) / 255


@cache
def loaded(name: str) -> Restorer:
    return load(name, "cpu", "fp32")


def chosen(image: UnitPixels) -> Choice:
    offered = list(candidates())
    return chosen_for(image, None, loaded, offered)[1]


def camera(iso: float) -> UnitPixels:
    noise = degradation_from_dict({"kind": "camera", "iso": iso})
    noisy = noise.apply(torch.from_numpy(CLEAN).permute(2, 0, 1)[None], torch.Generator().manual_seed(0))
    return np.ascontiguousarray(noisy[0].permute(1, 2, 0).numpy())


@pytest.mark.slow
def test_faint_noise_of_a_camera_is_found_by_a_trial() -> None:
    image = camera(800)
    assert choose(facts_of(image)).model is None
    found = chosen(image)
    assert found.model == "denoise-photo" and found.line().endswith("gray levels, found by a trial of the model")


def test_clean_images_are_left_as_they_are() -> None:
    for image in (CLEAN, CLEAN[..., :1], CLEAN[:5, :4], np.zeros((64, 64, 3), np.float32)):
        assert chosen(np.ascontiguousarray(image)) == choose(facts_of(image))


def test_there_is_no_trial_where_a_model_was_chosen_or_none_is_for_photographs() -> None:
    def refuse(name: str) -> Restorer:
        pytest.fail(f"{name} was tried")

    noisy = CLEAN + np.random.default_rng(0).normal(0, 0.1, CLEAN.shape).astype(np.float32)
    offered = list(candidates())
    assert tried(choose(facts_of(noisy), offered), noisy, refuse, offered).model == "denoise-color"
    alone = [one for one in offered if one.name == "derain"]
    none_fits = choose(facts_of(noisy), alone)
    assert none_fits.needed and tried(none_fits, noisy, refuse, alone) is none_fits
    clean = choose(facts_of(CLEAN), alone)
    assert tried(clean, CLEAN, refuse, alone) is clean
