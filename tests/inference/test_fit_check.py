"""Whether a model fits what it was given: said where it does not, and only there."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from clearer.images.view import read_image
from clearer.inference.choice import Candidate
from clearer.inference.fit_check import Fit, FitCheck, lines
from clearer.inference.restorer import load
from clearer.network.architecture import Architecture
from clearer.zoo.card import ModelCard
from helpers.photos import SHIPPED

COFFEE = read_image(SHIPPED / "coffee.png", 3)[:288, :352].astype(np.float32) / 255
NOISE = np.random.default_rng(0).normal(0, 1, COFFEE.shape).astype(np.float32)
SMOOTH = sum(np.roll(NOISE, (i, j), (0, 1)) for i in range(3) for j in range(3)) / 3
PHOTO = Candidate("denoise-photo", frozenset({"gaussian", "correlated", "camera"}), (0, 75), False, 1e5)
DEJPEG = Candidate("dejpeg", frozenset({"jpeg"}), None, False, 1e5)
WHITE = ModelCard(task="denoise", degradation={"kind": "gaussian", "sigma": [0.0, 75.0]})


def fit(x: np.ndarray, y: np.ndarray, card: ModelCard = WHITE, quality: int | None = None) -> Fit:
    """Return how a model of this card fits that made ``y`` of ``x``."""
    check = FitCheck("mine", Architecture.parse("P", channels=3), card, (PHOTO, DEJPEG))
    check.see(x.astype(np.float32), y.astype(np.float32))
    found = check.finish("a.png", quality)
    assert found is not None and check.finish("b.png") is None
    return found


def test_a_model_that_removes_the_noise_fits() -> None:
    found = fit(COFFEE + 0.08 * NOISE, COFFEE)
    assert found.problem is None and found.line() is None
    assert found.level_before == pytest.approx(20.4, rel=0.06) and found.level_after < 2
    assert found.change == pytest.approx(20.4, rel=0.03)


def test_noise_left_is_said_with_its_kind_and_a_model_for_it() -> None:
    noisy = COFFEE + 0.06 * SMOOTH
    line = fit(noisy, COFFEE + 0.05 * SMOOTH).line()
    assert line is not None and "gray levels of noise are left" in line
    assert "correlated between pixels" in line and "mine was not trained on" in line
    assert line.endswith("; denoise-photo is for that")


def test_white_noise_left_by_a_denoiser_trained_on_it_is_said_without_blame() -> None:
    found = fit(COFFEE + 0.08 * NOISE, COFFEE + 0.07 * NOISE)
    assert found.problem == "about 18 of 21 gray levels of noise are left"
    found = fit(COFFEE + 0.08 * NOISE, COFFEE + 0.1 * NOISE)
    assert found.problem == "all of the noise is left, about 21 gray levels"  # never more than there was


def test_nothing_to_remove_and_detail_removed_are_told_apart() -> None:
    assert "hardly any change" in str(fit(COFFEE, COFFEE + 1e-4).problem)
    softer = (COFFEE + np.roll(COFFEE, 1, 0)) / 2
    assert "detail was removed" in str(fit(COFFEE, softer).problem)
    assert fit(COFFEE, COFFEE).model is None


def test_a_dim_image_of_which_more_was_changed_than_its_noise_needs_a_range() -> None:
    dim = 0.02 * (COFFEE + 0.02 * NOISE)
    found = fit(dim, dim + 0.004 * NOISE)
    assert re.fullmatch(
        r"it spans 5\.\d of 255 gray levels, of which 1\.0 were changed where its noise is 0\.\d+: set black and white "
        "by --range",
        str(found.problem),
    )
    assert found.model is None and fit(dim, 0.02 * COFFEE).problem is None
    brightened = fit(dim, 50 * dim, ModelCard(task="restore", degradation={"kind": "none"}))
    assert "set black and white" not in str(brightened.problem)


def test_a_compressed_image_in_a_denoiser_is_passed_on_to_a_model_for_it() -> None:
    found = fit(COFFEE, COFFEE + 1e-4, quality=30)
    assert "JPEG compression of quality 30" in str(found.problem) and found.model == "dejpeg"


def test_a_model_trained_on_pairs_is_not_said_to_be_a_denoiser() -> None:
    own = ModelCard(task="restore", degradation={"kind": "none"})
    assert fit(COFFEE, (COFFEE * 0.9), own).problem is None
    assert fit(COFFEE, COFFEE, own).problem == "hardly any change (0.0 gray levels): mine found nothing to remove"
    assert fit(COFFEE + 0.06 * SMOOTH, COFFEE + 0.06 * SMOOTH, own).problem is not None


def test_files_with_the_same_problem_share_a_line() -> None:
    fits = [Fit(f"{k}.png", 9, 8, 1, f"about {k} of 9 are left", "denoise-photo") for k in range(3)]
    fits += [Fit("c.png", 9, 1, 8), Fit("d.png", 1, 1, 0, "hardly any change")]
    assert lines(fits) == [
        "0.png and 2 more: about 0 of 9 are left; denoise-photo is for that",
        "d.png: hardly any change",
    ]


def test_the_shipped_denoiser_leaves_gray_noise_in_all_channels_if_it_is_told_no_more_than_its_level() -> None:
    restorer = load("denoise-color", "cpu", "fp32")
    check = FitCheck.of(restorer)
    for noise, level, fits in ((NOISE, None, True), (NOISE[..., :1], None, True), (NOISE[..., :1], 15.3, False)):
        x = (COFFEE + 0.06 * noise).astype(np.float32)
        check.see(x, restorer.restore(x, level=level))
        found = check.finish("a.png")
        assert found is not None and (found.problem is None) == fits


@pytest.mark.slow
def test_the_check_costs_little_beside_restoring_a_megapixel() -> None:
    restorer = load("denoise-color", "cpu", "fp32")
    x = np.tile(COFFEE, (4, 3, 1))
    began = time.perf_counter()
    y = restorer.restore(x)
    restored = time.perf_counter() - began
    check, checked = FitCheck.of(restorer), []
    for _ in range(4):  # the quickest: the first reads the cards of all models, and other processes may interrupt
        began = time.perf_counter()
        check.see(x, y)
        assert check.finish("a.png") is not None
        checked.append(time.perf_counter() - began)
    assert min(checked) < 0.1 * restored  # 2 % measured; timings vary
