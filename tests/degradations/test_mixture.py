"""Mixtures and chains: shares, clean images, parts of a batch, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from clearer.degradations.chain import Chain
from clearer.degradations.choice import apply_by_choice
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.mixture import Mixture, Part
from clearer.degradations.poisson_gaussian import PoissonGaussian
from clearer.degradations.rain import Rain
from clearer.degradations.registry import degradation_from_dict
from clearer.deploy.quantize import read_calibration
from clearer.images.view import read_image
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe, recipe_from_dict
from clearer.training.validation import Validation
from clearer.zoo.card import ModelCard
from helpers.photos import SHIPPED
from helpers.recipes import TINY

STATED: dict[str, Any] = {
    "kind": "mixture",
    "parts": [
        {"share": 0.4, "kind": "gaussian", "sigma": [0.0, 50.0], "clip8": False},
        {"share": 0.2, "kind": "chain", "steps": [
            {"kind": "poisson-gaussian", "photons": [20.0, 500.0], "read": 2.0, "clip": False},
            {"kind": "gaussian", "sigma": 2.0, "clip8": True},
        ]},
    ],
    "clean": 0.25,
    "stored": 0.0,
}  # fmt: skip


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Painted(Degradation):
    """Sets every pixel to one value, which tells which part an image drew."""

    kind = "painted"

    def __init__(self, value: float) -> None:
        self.value = value
        self.batches: list[int] = []

    def apply(self, clean: torch.Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Any:
        self.batches.append(len(clean))
        return torch.full_like(clean, self.value)

    def describe(self) -> str:
        return f"paint {self.value:g}"

    effect = describe


def painted(*shares: float, clean: float = 0.0) -> Mixture:
    return Mixture(tuple(Part(share, Painted(k + 1)) for k, share in enumerate(shares)), clean=clean, stored=0)


def test_every_image_draws_its_part_by_the_shares_and_each_part_sees_its_own_images_once() -> None:
    how = painted(0.9, 0, 0.3, clean=0.2)
    found = how.apply(torch.zeros(4000, 1, 1, 1), chance()).flatten()
    shares = [float((found == value).float().mean()) for value in range(4)]
    assert shares == pytest.approx([0.2, 0.6, 0.0, 0.2], abs=0.02)
    assert [part.degradation.batches for part in how.parts] == [
        [round(shares[1] * 4000)],
        [],
        [round(shares[3] * 4000)],
    ]  # type: ignore[attr-defined]


def test_clean_images_are_exactly_the_clean_ones() -> None:
    clean = torch.rand(300, 3, 4, 4, generator=chance())
    how = Mixture((Part(1, Gaussian(20)),), clean=0.3, stored=1)
    same = (how.apply(clean, chance(1)) == clean).all(-1).all(-1).all(-1)
    assert 0.2 < float(same.float().mean()) < 0.4
    assert torch.equal(Mixture((Part(1, Gaussian(20)),), clean=1).apply(clean, chance(1)), clean)


def test_stored_images_have_whole_levels_in_range() -> None:
    clean = torch.rand(300, 1, 8, 8, generator=chance())
    found = Mixture((Part(1, Gaussian(60)),), clean=0, stored=0.4).apply(clean, chance(1)) * 255
    whole = ((found - found.round()).abs() < 1e-3).all(-1).all(-1).flatten()
    assert 0.3 < float(whole.float().mean()) < 0.5
    assert found[whole].min() == 0 and found[whole].max() == 255 and found[~whole].min() < 0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 8), max_size=4), channels=st.sampled_from([1, 3]),
    clean=st.sampled_from([0.0, 0.3]),
)  # fmt: skip
def test_parts_of_a_batch_are_degraded_as_the_whole_is(seed: int, cuts: list[int], channels: int, clean: float) -> None:
    images = torch.rand(8, channels, 16, 17, generator=chance(99))
    how = Mixture(clean=clean)
    whole = how.apply(images, chance(seed))
    edges = [0, *sorted(cuts), 8]
    generators = [chance(seed) for _ in edges[1:]]
    parts = [
        how.apply(images[a:b], generator, start=a, of=8)
        for a, b, generator in zip(edges, edges[1:], generators, strict=False)
    ]
    assert torch.equal(torch.cat(parts), whole)
    # The next batch is the same for all parts, too: each generator has come as far as the others.
    assert len({bytes(generator.get_state().numpy().tobytes()) for generator in generators}) == 1


def test_a_function_gets_the_place_of_its_images_among_its_own() -> None:
    calls = []

    def noted(clean: torch.Tensor, generator: torch.Generator, *, start: int, of: int) -> torch.Tensor:
        calls.append((clean.flatten().tolist(), start, of))
        return clean + 10

    images = torch.arange(8.0).view(8, 1, 1, 1)
    found = apply_by_choice([noted], [0, -1, 0, 0, -1, 0, 0, -1], images[3:6], chance(), start=3)
    assert calls == [([3.0, 5.0], 2, 5)]
    assert found.flatten().tolist() == [13, 4, 15]


def test_a_chain_takes_its_steps_in_order() -> None:
    clean = torch.rand(3, 3, 16, 16, generator=chance())
    generator = chance(1)
    noisy = Gaussian((5, 50)).apply(clean, generator)
    expected = Jpeg((30, 90)).apply(noisy, generator)
    assert torch.equal(Chain((Gaussian((5, 50)), Jpeg((30, 90)))).apply(clean, chance(1)), expected)
    assert not torch.equal(Chain((Jpeg((30, 90)), Gaussian((5, 50)))).apply(clean, chance(1)), expected)


def test_settings_go_round_through_card_recipe_and_yaml() -> None:
    how = degradation_from_dict(STATED)
    assert isinstance(how, Mixture)
    assert how.parts[0] == Part(0.4, Gaussian((0, 50)))
    assert how.parts[1] == Part(0.2, Chain((PoissonGaussian((20, 500), 2), Gaussian(2, True))))
    assert how.to_dict() == STATED
    assert ModelCard(degradation=how.to_dict()).trained_on() == how
    recipe = load_recipe("denoise-color", {"data.degradation": STATED})
    assert recipe.data.degradation == how and recipe_from_dict(recipe.to_dict()) == recipe
    assert "channel_spread" not in recipe.to_yaml()  # left out at its default


def test_default_mixture_is_readable_and_has_all_kinds_of_noise() -> None:
    how = load_recipe("denoise-color", {"data.degradation.kind": "mixture"}).data.degradation
    assert how == Mixture() == degradation_from_dict(how.to_dict())
    kinds = {part.degradation.kind for part in how.parts}
    assert {"gaussian", "correlated", "poisson-gaussian", "speckle", "chain"} <= kinds
    text = how.describe()
    assert "\n" not in text and "5% clean images" in text and "JPEG compression" in text
    assert how.effect().endswith(" or other degradations")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parts": []}, r"degradation\.parts: \[\] is empty"),
        ({"parts": "gaussian"}, r"degradation\.parts: 'gaussian' is not a list"),
        ({"parts": ["gaussian"]}, r"degradation\.parts\[0\]: 'gaussian' is no mapping such as"),
        ({"parts": [{"kind": "gaussian"}]}, r"degradation\.parts\[0\]\.share: missing"),
        ({"parts": [{"share": 1}]}, r"degradation\.parts\[0\]\.kind: missing"),
        ({"parts": [{"share": -2, "kind": "gaussian"}]}, r"degradation\.parts\[0\]\.share: -2 is not a share"),
        ({"parts": [{"share": 0, "kind": "gaussian"}]}, r"degradation\.parts: all shares are 0"),
        ({"parts": [{"share": 1, "kind": "gausian"}]}, r"degradation\.parts\[0\]\.kind: .*did you mean 'gaussian'"),
        ({"parts": [{"share": 1, "kind": "none"}]}, r"degradation\.parts\[0\]\.kind: 'none' degrades nothing"),
        (
            {"parts": [{"share": 1, "kind": "gaussian"}, {"share": 1, "kind": "jpeg", "quality": 0}]},
            r"degradation\.parts\[1\]\.quality: 0 is not a quality",
        ),
        (
            {"parts": [{"share": 1, "kind": "jpeg", "sigma": 0}]},
            r"degradation\.parts\[0\]\.sigma: no such setting; it belongs to degradation\.parts\[0\]\.kind=gaussian",
        ),
        (
            {"parts": [{"share": 1, "kind": "chain", "steps": [{"kind": "jpeg"}, {"kind": "jpeg", "quality": 0}]}]},
            r"degradation\.parts\[0\]\.steps\[1\]\.quality: 0 is not a quality",
        ),
        ({"parts": [{"share": 1, "kind": "chain", "steps": []}]}, r"degradation\.parts\[0\]\.steps: \[\] is empty"),
        ({"clean": 1.5}, r"degradation\.clean: 1\.5 is not a share"),
        ({"stored": -1}, r"degradation\.stored: -1(\.0)? is not a share"),
    ],
)
def test_wrong_settings_name_the_part(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}") as caught:
        degradation_from_dict({"kind": "mixture", **change})
    assert "\n" not in str(caught.value)


def test_levels_and_held_out_settings_are_those_of_the_parts() -> None:
    how = Mixture((Part(1, Gaussian((5, 50))), Part(1, Rain(share=0.5))), clean=0)
    assert how.noise_levels() == (5, 50) and Mixture(how.parts, clean=0.1).noise_levels() == (0, 50)
    assert Mixture((Part(1, Jpeg(50)),)).noise_levels() is None
    # the share of a part says how often it rains
    assert [part.degradation for part in how.at_level(1).parts] == [Gaussian(50), Rain()]
    assert [part.degradation for part in how.held_out().parts] == [Gaussian((5, 50)), Rain()]
    chain = Chain((Gaussian((5, 50)), Jpeg((10, 20))))
    assert chain.noise_levels() == (5, 50) and chain.at_level(1) == Chain((Gaussian(50), Jpeg(20)))


def test_validation_images_draw_their_parts_once_for_all() -> None:
    images = [(np.full((8, 8, 1), 100, np.uint8), None)] * 300
    device = torch.device("cpu")
    found = [Validation(images, painted(1, 0.5, clean=0.1), crop=None, device=device).pairs for _ in range(2)]
    drawn = torch.tensor([float(source.mean()) for source, _ in found[0].values()])
    assert torch.equal(drawn, torch.tensor([float(source.mean()) for source, _ in found[1].values()]))
    shares = [float((drawn == value).float().mean()) for value in (1, 2)]
    assert shares == pytest.approx([0.6, 0.3], abs=0.08)


def test_batches_of_a_sampler_mix_the_parts() -> None:
    image = np.full((20, 20, 3), 100, np.uint8)
    sampler = PatchSampler(
        [(image, None)], patch=8, batch=64, degradation=painted(1, 1, clean=0.5), variety=Variety(), seed=0,
        device=torch.device("cpu"),
    )  # fmt: skip
    degraded, clean = sampler.draw()
    assert {round(float(value), 3) for value in degraded.unique()} == {round(100 / 255, 3), 1, 2}  # type: ignore[union-attr]
    assert clean is not None and (clean == 100 / 255).all()


@pytest.mark.slow
def test_a_color_network_is_trained_evaluated_and_calibrated_for_a_mixture(tmp_path: Path) -> None:
    for k, name in enumerate(("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")):
        Image.fromarray(read_image(SHIPPED / name, 3)[100:196, 100:196]).save(tmp_path / f"{k}.png")
    change = TINY | {
        "data.folder": str(tmp_path),
        "data.fractions": [0.5, 0.25, 0.25],
        "data.degradation.kind": "mixture",
        "data.gray_share": 0.3,
        "architecture": "PF",
        "train.epochs": 1,
        "train.steps_per_epoch": 2,
    }
    run = fit("denoise-color", tmp_path.with_name("run"), change, console=Console(quiet=True))
    assert set(run.result["protocols"]) == {
        "color-awgn-15", "color-awgn-25", "color-awgn-50", "color-correlated-25", "color-poisson-100",
        "color-speckle-10", "jpeg-50", "camera-1600",
    }  # fmt: skip
    card = run.restorer().card
    assert degradation_from_dict(card["degradation"]) == Mixture()
    assert read_calibration(tmp_path, card, 3).held_out[0][0].shape[1] == 3
    again = fit(
        "denoise-color", tmp_path.with_name("run"), change, console=Console(quiet=True)
    )  # nothing is done twice
    assert again.result["train"] == run.result["train"]


def test_shares_are_relative_to_one_another() -> None:
    parts = [{"share": 3, "kind": "gaussian", "sigma": 25}, {"share": 1, "kind": "jpeg"}]
    mixture = degradation_from_dict({"kind": "mixture", "parts": parts, "clean": 0})
    assert mixture.describe().startswith("a mixture of 75% ") and "; 25% " in mixture.describe()


def test_a_mixture_in_a_mixture_with_rain_is_built_again_from_its_settings() -> None:
    inner = Mixture((Part(1, Rain()), Part(0.5, Chain((Gaussian(10), Rain(share=0.25))))), clean=0.1)
    for whole in (Mixture((Part(0.5, inner), Part(2, Rain(share=0.25)))), inner):
        assert degradation_from_dict(whole.to_dict()) == whole
