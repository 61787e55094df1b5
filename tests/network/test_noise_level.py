"""The noise level as an input: what the network makes of it, and that networks without it are as before."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.inference.fused_cpu import fuse
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.cost import parameters
from clearer.network.network import RestorationNetwork
from clearer.network.receptive_field import receptive_field
from clearer.network.supernet import Supernet
from clearer.noise.level import estimate_level
from helpers.networks import SPACES, converged, plausible

TOLD = SPACES.map(lambda space: dataclasses.replace(space, condition="level"))


@settings(max_examples=25, derandomize=True)
@given(space=TOLD, seed=st.integers(0, 99), height=st.integers(1, 30), width=st.integers(1, 30))
def test_a_number_a_vector_and_a_map_say_the_same(space: SearchSpace, seed: int, height: int, width: int) -> None:
    torch.manual_seed(seed)
    network = RestorationNetwork(space.random_architecture(seed))
    converged(network).eval()
    x, level = torch.rand(2, space.channels, height, width), torch.rand(2)
    with torch.no_grad():
        told = network(x, level)
        assert told.shape == x.shape
        for same in (level.view(2, 1, 1, 1), level.view(2, 1, 1, 1).expand(2, 1, height, width)):
            assert torch.equal(network(x, same), told)
        torch.testing.assert_close(network(x, float(level[0]))[0], told[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(network(x), network(x, estimate_level(x)))


@pytest.mark.parametrize("operations", ["supplement", "released"])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_the_level_is_one_more_channel_of_the_first_convolutions(operations: str, unshuffle: int) -> None:
    form = {"channels": 3, "width": 5, "operations": operations, "unshuffle": unshuffle, "norm": "none"}
    plain, told = (Architecture.parse("PF-FP", condition=c, **form) for c in ("none", "level"))  # type: ignore[arg-type]
    before, after = (RestorationNetwork(a).state_dict() for a in (plain, told))
    grown = {name for name in before if before[name].shape != after[name].shape}
    assert before.keys() == after.keys()
    assert grown == {name for name in before if before[name].ndim == 4 and before[name].shape[1] == 3 * unshuffle**2}
    assert all(after[name].shape[1] == before[name].shape[1] + 1 for name in grown)
    assert sum(w.numel() for w in after.values()) == parameters(told) > parameters(plain)
    assert receptive_field(told) == receptive_field(plain)


def test_it_is_averaged_over_the_pixels_of_an_unshuffled_position() -> None:
    network = plausible(Architecture.parse("P", width=4, unshuffle=2, norm="none", condition="level")).eval()
    x, level = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    mean = torch.nn.functional.avg_pool2d(level, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
    with torch.no_grad():
        torch.testing.assert_close(network(x, level), network(x, mean), rtol=1e-5, atol=1e-6)
        assert (network(x, level) - network(x, level.mean())).abs().max() > 1e-3


def test_a_map_is_padded_as_the_image_is() -> None:
    network = plausible(Architecture.parse("PF-P", width=4, norm="none", condition="level")).eval()
    x, level = torch.rand(1, 1, 13, 22), torch.rand(1, 1, 13, 22)

    def padded(y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(y, (0, 2, 0, 3), mode="reflect")

    with torch.no_grad():
        torch.testing.assert_close(network(x, level), network(padded(x), padded(level))[..., :13, :22])


@settings(max_examples=15, derandomize=True)
@given(space=TOLD, seed=st.integers(0, 99), height=st.integers(1, 30), width=st.integers(1, 30))
def test_fused_equals_plain_for_a_given_level(space: SearchSpace, seed: int, height: int, width: int) -> None:
    torch.manual_seed(seed)
    network = RestorationNetwork(space.random_architecture(seed))
    converged(network).eval().requires_grad_(False)
    x, level = torch.rand(2, space.channels, height, width), torch.rand(2, 1, height, width)
    plain = network(x, level)
    assert float((fuse(network)(x, level) - plain).abs().max()) <= 2e-5 * float(plain.abs().max())


def test_the_supernet_takes_it_and_passes_it_on() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SearchSpace(width=4, scales=3, modules_per_cell=1, norm="none", condition="level"))
    converged(supernet).eval()
    x = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        supernet.alpha.copy_(torch.tensor([[40.0, 0.0], [0.0, 40.0]]))
        told, other = (supernet(x, torch.full((2,), level)) for level in (0.1, 0.4))
        assert (told - other).abs().max() > 1e-3
        torch.testing.assert_close(supernet.extract().eval()(x, 0.1), told, rtol=1e-4, atol=1e-5)


def test_networks_without_it_are_stored_as_before_and_refuse_it() -> None:
    plain = Architecture.parse("FPPF-FFFF-PFFP")
    assert "condition" not in plain.to_dict() and plain.digest == "3867f6844cd1"
    told = dataclasses.replace(plain.space, condition="level").architecture(plain.choices)
    assert told.condition == "level" and told.to_dict()["condition"] == "level"
    assert Architecture.from_json(told.to_json()) == told != plain
    with pytest.raises(ValueError, match="takes none"):
        RestorationNetwork(Architecture.parse("P", width=2))(torch.rand(1, 1, 8, 8), 0.1)
    with pytest.raises(UserError, match=r"network.condition: 'sigma' is not one of none, level"):
        SearchSpace(condition="sigma")
