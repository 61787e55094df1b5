"""The first channels and modules of a wider network, as a network that shares its weights."""

from __future__ import annotations

import pytest
import torch

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.narrowed import Narrowed
from clearer.network.network import RestorationNetwork

FIELDS = "channels=1,norm=none,residual,unshuffle=2,condition=level,topology=unet"


def wide() -> RestorationNetwork:
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture.parse(f"PP-PP-PP@width=16:24,{FIELDS}"))
    for parameter in network.parameters():  # biases and the last convolutions of blocks start at zero
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_a_part_computes_what_a_network_with_the_cut_weights_computes() -> None:
    given = wide()
    architecture = Architecture.parse(f"P-PP-P@width=8:16,{FIELDS}")
    alone = RestorationNetwork(architecture)
    state = given.state_dict()
    cut = {name: state[name][tuple(slice(n) for n in value.shape)] for name, value in alone.state_dict().items()}
    alone.load_state_dict(cut)
    x = torch.rand(2, 1, 18, 21)
    assert torch.equal(Narrowed(given, architecture)(x, 0.1), alone(x, 0.1))
    assert torch.equal(Narrowed(given, given.architecture)(x), given(x))


def test_gradients_reach_the_first_channels_alone() -> None:
    given = wide()
    part = Narrowed(given, Architecture.parse(f"P-PP-P@width=8:16,{FIELDS}"))
    assert not list(part.parameters()) and not part.state_dict()
    part(torch.rand(1, 1, 16, 16), 0.1).square().mean().backward()
    grads = {name: parameter.grad for name, parameter in given.named_parameters()}
    assert all(grad is None for name, grad in grads.items() if name.startswith("cells.0.searched.1"))
    seen = [grad for name, grad in grads.items() if name.startswith("cells.1.searched.1") and grad is not None]
    assert seen and all(grad[:16].abs().sum() > 0 and grad[16:].abs().sum() == 0 for grad in seen)


@pytest.mark.parametrize("text", ["P-PP-P@width=24:24", "PPP-PP-PP@width=16:24", "P-P-P-P-P@width=8:8:8"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no part of the wider network") as caught:
        Narrowed(wide(), Architecture.parse(f"{text},{FIELDS}"))
    assert "\n" not in str(caught.value)
