"""Properties of every degradation, and the settings that version 0.1 stored of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.none import NoDegradation
from clearer.degradations.rain import Rain
from clearer.degradations.registry import DEGRADATIONS, degradation_from_dict
from clearer.images.tensors import to_array, to_batch
from clearer.zoo.card import ModelCard


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", DEGRADATIONS.names)
def test_every_kind_keeps_its_promises(name: str) -> None:
    kind = DEGRADATIONS.get(name)
    how = kind()
    assert kind.kind == name and dataclasses.is_dataclass(kind)
    assert degradation_from_dict(how.to_dict()) == how == degradation_from_dict({"kind": name})
    assert ModelCard(degradation=how.to_dict()).trained_on() == how
    assert how.describe() and bool(how.effect()) is not how.needs_pairs
    assert 0 <= how.held_out().share <= how.share
    assert hash(how) == hash(kind())
    clean = torch.rand(2, 3, 9, 7, generator=chance())
    before = clean.clone()
    found = how.apply(clean, chance())
    assert found.shape == clean.shape and found.dtype == clean.dtype and torch.equal(clean, before)
    assert torch.equal(found, how.apply(clean, chance()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DEGRADATIONS.names)
def test_every_kind_degrades_parts_of_a_batch_as_the_whole(name: str, channels: int) -> None:
    how = DEGRADATIONS.get(name)()
    clean = torch.rand(5, channels, 33, 48, generator=chance())
    generators = [chance(1) for _ in range(3)]
    edges = [(0, 2), (2, 3), (3, 5)]
    parts = [how.apply(clean[a:b], one, start=a, of=5) for (a, b), one in zip(edges, generators, strict=True)]
    assert torch.equal(torch.cat(parts), how.apply(clean, chance(1)))
    # All processes go on with equal generators.
    assert len({one.get_state().numpy().tobytes() for one in generators}) == 1


@pytest.mark.parametrize("how", [Rain(), Jpeg((10, 90))], ids=["rain", "jpeg"])
def test_protocols_that_were_drawn_in_float32_stay_as_they_were(how: Degradation) -> None:
    clean = np.random.default_rng(0).integers(0, 256, (33, 48, 3), np.uint8)
    single = how.apply(to_batch((clean / 255).astype(np.float32)), chance(1_000_003 * 2 + 3))
    assert np.array_equal(how.degrade_image(clean, 2, 3), to_array(single))


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ({"kind": "gaussian", "sigma": [0.0, 75.0], "clip8": False}, Gaussian((0, 75))),
        ({"kind": "gaussian", "sigma": 30.0, "clip8": True}, Gaussian(30, clip8=True)),
        ({"kind": "none", "sigma": 0.0, "clip8": False}, NoDegradation()),
        ({"kind": "rain", "sigma": 0.0, "clip8": False, "rain": {"haze": [0, 0.5]}, "share": 0.2},
         Rain(haze=(0, 0.5), share=0.2)),
    ],
)  # fmt: skip
def test_cards_of_version_0_1_are_read(former: dict[str, Any], present: Degradation) -> None:
    assert degradation_from_dict(former) == present == ModelCard(degradation=former).trained_on()


def test_unknown_kinds_and_settings_are_refused_and_a_card_that_has_one_is_not_known() -> None:
    for stated, words in (
        ({"kind": "gausian"}, r"^degradation\.kind: 'gausian' is not one of .*did you mean 'gaussian'"),
        ({"kind": "none", "sigma": 5}, r"^degradation\.sigma: no such setting; it belongs to .*kind=gaussian"),
        ({"kind": "gaussian", "sigam": 5}, r"^degradation\.sigam: no such setting \(did you mean 'sigma'\?\)"),
    ):
        with pytest.raises(UserError, match=words):
            degradation_from_dict(stated)
        assert ModelCard(degradation=stated).trained_on() is None
    assert ModelCard().trained_on() is None
