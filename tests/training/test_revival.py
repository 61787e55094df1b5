"""Dead features of a start: found on the images it is trained for, and revived."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clearer.losses.base import Batch
from clearer.network.architecture import NORMS, OPERATIONS, Architecture
from clearer.network.network import RestorationNetwork
from clearer.training.features import features_on
from clearer.training.revival import revive
from helpers.networks import plausible

STYLES = [(operations, norm) for operations in OPERATIONS for norm in NORMS]


def network_of(operations: str = "supplement", norm: str = "none", residual: bool = True) -> RestorationNetwork:
    form = {"width": 4, "operations": operations, "norm": norm, "residual": residual, "unshuffle": 2}
    return plausible(Architecture.parse("PF-FP", **form))


def fresh_for(network: RestorationNetwork, seed: int = 3) -> RestorationNetwork:
    torch.manual_seed(seed)
    return RestorationNetwork(network.architecture)


def images(seed: int = 0) -> Tensor:
    return torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def batch_of(degraded: Tensor, sigma: float = 0.05) -> Batch:
    noise = torch.randn(degraded.shape, generator=torch.Generator().manual_seed(9))
    return Batch(degraded, degraded + sigma * noise)


@pytest.mark.parametrize(("operations", "norm"), STYLES)
def test_the_features_are_what_enters_the_relus(operations: str, norm: str) -> None:
    network, x = network_of(operations, norm), images()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = features_on(network, x)
    assert not network.training and all(
        torch.equal(value, before[name]) for name, value in network.state_dict().items()
    )
    seen: list[Tensor] = []
    network.last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    with torch.no_grad():
        network.train()(x)
    assert torch.equal(found[-1].before.relu(), seen[0].transpose(0, 1).flatten(1))
    assert len({feature.name for feature in found}) == len(found)


def test_a_channel_is_dead_where_nothing_of_it_is_active() -> None:
    network, x = network_of(), images()
    before = features_on(network, x)
    place = 3
    channel = int(before[place].active.argmax())
    assert before[place].name == "stem.2.body.1" and channel not in before[place].dead
    network.get_parameter("stem.2.body.0.bias").data[channel] -= 1000
    after = features_on(network, x)
    assert channel in after[place].dead and after[place].active[channel] == 0
    others = [c for c in range(4) if c != channel]
    assert torch.equal(after[place].before[others], before[place].before[others])


def test_revived_weights_are_a_share_of_the_start_and_fresh_ones_and_the_image_passes() -> None:
    network, x = network_of(), images()
    for name, value in network.named_parameters():
        if "stem" not in name:
            value.data[:2] = 0.1 * value.data[:2] if value.ndim > 1 else -1.0
    start = {name: value.clone() for name, value in network.state_dict().items()}
    before = features_on(network, x)
    fresh = fresh_for(network)
    found = revive(network, fresh, batch_of(x))
    assert found.dead == sum(len(feature.dead) for feature in before) > 10
    both = list(zip(before, features_on(network, x), strict=True))
    assert found.revived == sum(len(set(b.dead.tolist()) - set(a.dead.tolist())) for b, a in both) > 0
    for name, value in fresh.state_dict().items():
        wanted = torch.zeros_like(value) if name.startswith("last.") else 0.3 * start[name] + 0.7 * value
        torch.testing.assert_close(network.state_dict()[name], wanted)
    with torch.no_grad():
        assert torch.equal(network.eval()(x), x)


def test_a_start_that_restores_is_left_as_it_is() -> None:
    network, x = network_of(), images()
    network.get_parameter("stem.2.body.0.bias").data[0] = -1000
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        restored = network(x)
    near = Batch(x, restored + 0.1 * (x - restored))  # its error is a ninth of the degraded's
    found = revive(network, fresh_for(network), near)
    assert found.dead > 0 and found.revived == 0 and found.gain == pytest.approx(20 * math.log10(9), abs=0.01)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
