"""Synthetic rain: seeded, of the stated shape, and applied where a recipe asks for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from clearer.core.errors import UserError
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.degradations.base import Degradation
from clearer.degradations.rain import LARGEST_SIDE, Rain, streak
from clearer.degradations.registry import degradation_from_dict
from clearer.images.view import read_image
from clearer.pipeline.fit import fit
from clearer.training.validation import Validation
from helpers.photos import NAMES, SHIPPED
from helpers.recipes import TINY


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photographs(batch: int = 4, channels: int = 3, height: int = 40, width: int = 56) -> torch.Tensor:
    return torch.rand(batch, channels, height, width, generator=chance(9))


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(2, 70),
    width=st.integers(2, 70),
    seed=st.integers(0, 99),
)
def test_rain_keeps_shape_and_range_and_only_adds_light(
    batch: int, channels: int, height: int, width: int, seed: int
) -> None:
    clean = photographs(batch, channels, height, width)
    before = clean.clone()
    rainy = Rain().apply(clean, chance(seed))
    assert rainy.shape == clean.shape and rainy.dtype == clean.dtype
    assert torch.equal(clean, before)
    assert (rainy >= clean - 1e-6).all() and rainy.max() <= 1
    assert torch.equal(rainy, Rain().apply(clean, chance(seed)))


def test_large_images_get_rain_without_a_seam() -> None:
    rainy = Rain().apply(torch.zeros(1, 1, 40, 2 * LARGEST_SIDE + 7), chance(3))
    assert torch.equal(rainy[..., :LARGEST_SIDE], rainy[..., LARGEST_SIDE : 2 * LARGEST_SIDE])
    steps = rainy.diff(dim=3).abs().mean((0, 1, 2))
    assert steps[LARGEST_SIDE - 1] < steps.max()


def test_light_is_white_and_the_same_in_all_channels() -> None:
    clean = torch.zeros(8, 3, 64, 64)
    rainy = Rain().apply(clean, chance())
    assert torch.equal(rainy[:, 0], rainy[:, 1]) and torch.equal(rainy[:, 0], rainy[:, 2])
    assert (rainy.mean((1, 2, 3)) > 0.001).all()
    assert len({round(float(m), 4) for m in rainy.mean((1, 2, 3))}) == 8  # each image has its own


def test_parts_of_a_batch_get_the_rain_of_the_whole() -> None:
    clean = photographs(6)
    whole = Rain().apply(clean, chance(1))
    parts = [Rain().apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), whole)


def test_a_streak_has_the_stated_angle_length_and_width() -> None:
    for degrees in (0.0, 30.0, -60.0):
        line = streak(torch.tensor([[degrees]]), torch.tensor([[21.0]]), torch.tensor([[2.0]]), 64, 64)[0, 0]
        line = line.roll((32, 32), (0, 1))
        assert line[32, 32] == line.max() == pytest.approx(1, abs=1e-4)
        y, x = np.nonzero(line.numpy() > 0.5)
        spread = np.cov(np.stack([y - 32, x - 32]))
        values, vectors = np.linalg.eigh(spread)
        down, right = vectors[:, 1] * np.sign(vectors[0, 1] or 1)
        assert np.degrees(np.arctan2(right, down)) == pytest.approx(degrees, abs=2)
        assert np.sqrt(values[1] * 12) == pytest.approx(21, abs=2)  # of an even line, from its variance
        assert np.sqrt(values[0] * 12) < 3


def test_upright_rain_is_rougher_across_than_along() -> None:
    how = Rain(angle=(0, 0), length=(20, 20))
    rainy = how.apply(torch.zeros(4, 1, 96, 96), chance(2))
    assert rainy.diff(dim=3).abs().mean() > 2 * rainy.diff(dim=2).abs().mean()


def test_denser_and_brighter_rain_is_lighter_and_haze_pales() -> None:
    black = torch.zeros(64, 1, 48, 48)

    def light(**how: tuple[float, float]) -> float:
        return float(Rain(**how).apply(black, chance(3)).mean())

    assert light(density=(0.02, 0.02)) > 2 * light(density=(0.002, 0.002))
    assert light(brightness=(0.8, 0.8)) > 1.5 * light(brightness=(0.2, 0.2))
    assert light(layers=(3, 3)) > 1.5 * light(layers=(1, 1))
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(2, 1, 64, 64)
    none = Rain(brightness=(0, 0), haze=(0.4, 0.4))
    contrast = none.apply(stripes, chance(4))
    assert float(contrast.amax() - contrast.amin()) <= 0.61 + 0.4 * 0.31


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("angle", (10, -10), "lower first"),
        ("length", (0, 5), r"within \[1, 1000\]"),
        ("layers", 3, "not a pair"),
        ("brightness", (0.5, "x"), "not a pair"),
        ("density", (0, 0.1), "within"),
    ],
)
def test_invalid_rain_is_refused(field: str, value: object, what: str) -> None:
    with pytest.raises(UserError, match=rf"^{field}: .*{what}"):
        Rain(**{field: value})  # type: ignore[arg-type]


def test_a_share_of_the_pairs_gets_new_rain() -> None:
    clean = np.full((32, 32, 3), 64, np.uint8)
    other = np.full((32, 32, 3), 200, np.uint8)
    how = Rain(density=(0.02, 0.02), share=0.25)

    def drawn(images: list, degradation: Degradation) -> torch.Tensor:
        sampler = PatchSampler(
            images, patch=16, batch=400, degradation=degradation, variety=Variety(), seed=0, device=torch.device("cpu")
        )
        degraded, truth = sampler.draw()
        assert torch.equal(truth, torch.full_like(truth, 64 / 255))
        return (degraded == 200 / 255).flatten(1).all(1).float().mean()

    assert drawn([(clean, other)], how) == pytest.approx(0.75, abs=0.07)
    assert drawn([(clean, other)], how.held_out()) == 1
    assert drawn([(clean, other)], dataclasses.replace(how, share=1.0)) == 0
    # Images without a partner are always rained on; here they are half of the set.
    mixed = drawn([(clean, other), (clean, None)], dataclasses.replace(how, share=0.0))
    assert mixed == pytest.approx(0.5, abs=0.08)


def test_validation_takes_pairs_as_they_are() -> None:
    clean, rainy = np.zeros((24, 24, 3), np.uint8), np.full((24, 24, 3), 51, np.uint8)
    how = Rain(share=1.0)
    pairs = Validation([(clean, rainy)], how, crop=None, device=torch.device("cpu"))
    assert pairs.input_psnr == pytest.approx(10 * np.log10(1 / 0.2**2), abs=1e-3)
    alone = Validation([(clean, None)], how, crop=None, device=torch.device("cpu"))
    assert alone.input_psnr != pytest.approx(pairs.input_psnr, abs=0.5)


def test_a_wrong_share_is_refused() -> None:
    for share in (1.5, -0.1, True, "half"):
        with pytest.raises(UserError, match=r"^share: "):
            Rain(share=share)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^degradation\.share: 1\.5 is not a share of the pairs"):
        degradation_from_dict({"kind": "rain", "share": 1.5})


def test_settings_stored_by_version_0_1_are_read() -> None:
    former = {
        "kind": "rain",
        "sigma": 0.0,
        "clip8": False,
        "rain": {"angle": [0.0, 10.0], "haze": [0.0, 0.5]},
        "share": 0.2,
    }
    present = Rain(angle=(0, 10), haze=(0, 0.5), share=0.2)
    assert degradation_from_dict(former) == present
    assert degradation_from_dict(present.to_dict()) == present
    assert present.to_dict()["kind"] == "rain" and present.to_dict()["angle"] == [0.0, 10.0]


@pytest.mark.slow
def test_a_derainer_is_fitted_on_clean_images_alone(tmp_path: Path) -> None:
    for name in NAMES[:6]:
        Image.fromarray(read_image(SHIPPED / name, 3)[:64, :64]).save(tmp_path / f"{Path(name).stem}.png")
    change = {**TINY, "data.degradation.kind": "rain", "architecture": "PF", "data.folder": str(tmp_path)}
    change |= {"network.channels": 3, "data.layout": "auto"}
    with pytest.raises(UserError, match=r"rain-rgb needs pairs, .*rain-synthetic"):
        fit("derain", tmp_path / "run", change, console=Console(quiet=True))
    assert not (tmp_path / "run").exists()  # before anything was trained
    parts = {**change, "data.folder": None, "data.train": str(tmp_path)}
    with pytest.raises(UserError, match=r"rain-rgb needs pairs"):  # no test images, but samples to be shown
        fit("derain", tmp_path / "run", parts, console=Console(quiet=True))
    run = fit(
        "derain", tmp_path / "run", {**change, "evaluate.protocols": ["rain-synthetic"]}, console=Console(quiet=True)
    )
    assert run.result["protocols"]["rain-synthetic"]["images"] >= 1
    assert run.restorer().card["degradation"]["kind"] == "rain"
    assert degradation_from_dict(run.restorer().card["degradation"]) == Rain()
