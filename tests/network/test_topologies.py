"""Topologies: the U-net computes what its definition says, and all that reads a plan agrees on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.inference.fused_cpu import fuse
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.live_features import live_numbers
from clearer.network.network import RestorationNetwork
from clearer.network.receptive_field import receptive_field
from clearer.network.stored_form import from_text
from clearer.network.supernet import Supernet
from clearer.pipeline.describe import describe
from clearer.recipe.load import load_recipe

UNET = Architecture.parse("P-PF-PS-F-PP@channels=3,width=4:8:12,norm=none,residual,condition=level,topology=unet")
ONE_SCALE = Architecture.parse("PPP@channels=1,width=8,norm=none,unshuffle=2,topology=unet")


def network_of(architecture: Architecture, seed: int = 0) -> RestorationNetwork:
    """Return a network whose weights are all at work."""
    torch.manual_seed(seed)
    network = RestorationNetwork(architecture).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.15)
    return network


@st.composite
def unets(draw: st.DrawFn) -> Architecture:
    scales = draw(st.integers(1, 4))
    cells = draw(st.lists(st.text("PFS", min_size=1, max_size=2), min_size=2 * scales - 1, max_size=2 * scales - 1))
    fields = {
        "channels": draw(st.sampled_from([1, 3])),
        "width": draw(st.one_of(st.integers(1, 5), st.lists(st.integers(1, 6), min_size=scales, max_size=scales))),
        "norm": draw(st.sampled_from(["batch", "none", "bias-free"])),
        "residual": draw(st.booleans()),
        "unshuffle": draw(st.sampled_from([1, 2, 4])),
        "condition": draw(st.sampled_from(["none", "level"])),
    }
    return Architecture(cells=tuple(cells), topology="unet", **fields)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(architecture=unets())
def test_every_reader_of_the_plan_agrees_on_a_unet(architecture: Architecture) -> None:
    assert Architecture.parse(architecture.text) == Architecture.from_json(architecture.to_json()) == architecture
    assert architecture.space.architecture(architecture.choices) == architecture
    network = network_of(architecture)
    assert parameters(architecture) == sum(value.numel() for value in network.parameters())
    x = torch.rand(1, architecture.channels, 19, 30)
    with torch.no_grad():
        plain = network(x, 0.1 if architecture.takes_level else None)
    assert plain.shape == x.shape
    fused = fuse(network)(x, 0.1 if architecture.takes_level else None)
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-4 * float(plain.abs().max()))


def test_a_unet_computes_its_definition() -> None:
    """Written out by hand: encoder, sums with what is upsampled, decoder."""
    architecture = Architecture.parse("P-P-P@channels=1,width=3:5,norm=none,topology=unet")
    network, x = network_of(architecture), torch.rand(1, 1, 8, 12)
    weights = network.state_dict()

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = weights[f"{name}.weight"]
        return F.conv2d(x, weight, weights[f"{name}.bias"], stride, weight.shape[-1] // 2)

    def block(x: torch.Tensor, name: str) -> torch.Tensor:
        return (conv(conv(x, f"{name}.body.0").relu(), f"{name}.body.2") + x).relu()

    fine = block(conv(x, "stem.0.0").relu(), "cells.0.searched.0.branches.0")
    coarse = block(conv(fine, "cells.1.transition.down.0", 2).relu(), "cells.1.searched.0.branches.1")
    up = F.interpolate(conv(coarse, "cells.2.transition.up.0"), scale_factor=2, mode="nearest")
    expected = conv(block(fine + up, "cells.2.searched.0.branches.0"), "last")
    torch.testing.assert_close(network(x), expected)
    pixels = (9 * 3 + 2 * 9 * 9) + (9 * 15 + 2 * 9 * 25) / 4 + 15 / 4 + 2 * 9 * 9 + 9 * 3
    assert macs_per_pixel(architecture) == pixels


def test_features_at_the_scale_of_the_image_that_wait_are_counted() -> None:
    """At the coarsest scale the encoder's features are alive beside the module's own."""
    architecture = Architecture.parse("P-PP-P@channels=1,width=8:8,norm=none,topology=unet")
    within_encoder, waiting = 8 + 3 * 8, 8
    assert within_encoder <= live_numbers(architecture) <= within_encoder + waiting
    deeper = Architecture.parse("P-P-P@channels=1,width=8:200,norm=none,topology=unet")
    assert live_numbers(deeper) >= 8 + 3 * 200 / 4


@pytest.mark.parametrize("architecture", [UNET, ONE_SCALE], ids=["unet", "one-scale"])
def test_the_receptive_field_is_exact(architecture: Architecture) -> None:
    radius = receptive_field(architecture)
    network = network_of(architecture).double()
    middle = (radius // 8 + 2) * 8
    x = torch.rand(1, architecture.channels, 1, 2 * middle + 8, dtype=torch.float64).expand(-1, -1, 8, -1).clone()
    level = 0.1 if architecture.takes_level else None
    reached = 0
    with torch.no_grad():
        before = network(x, level)
        for place in range(middle, middle + 8):
            changed = x.clone()
            changed[..., place] += 1
            differs = (network(changed, level) - before).abs().amax((0, 1, 2)).nonzero().flatten()
            reached = max(reached, int((differs - place).abs().max()))
    assert reached == radius


@pytest.mark.parametrize("architecture", [UNET, ONE_SCALE], ids=["unet", "one-scale"])
def test_tiles_equal_the_whole(architecture: Architecture) -> None:
    restorer = Restorer(network_of(architecture), device="cpu", precision="fp32")
    x = torch.rand(1, architecture.channels, 150, 190)
    level = {"level": 0.1} if architecture.takes_level else {}
    whole = restorer.restore(x, tile="none", **level)
    torch.testing.assert_close(restorer.restore(x, tile=96, overlap="full", **level), whole, rtol=1e-5, atol=1e-5)


def test_a_supernet_of_a_unet_extracts_its_networks() -> None:
    space = SearchSpace(width=[4, 6], scales=2, modules_per_cell=2, norm="none", candidates="PFS", topology="unet")
    torch.manual_seed(0)
    supernet = Supernet(space).eval()
    architecture = space.architecture("PSFFPS")
    with torch.no_grad():
        supernet.alpha.fill_(-1e4)
        for place, letter in enumerate(architecture.choices):
            supernet.alpha[place, "PFS".index(letter)] = 0
        x = torch.rand(1, 1, 12, 16)
        torch.testing.assert_close(supernet.extract()(x), supernet(x))
    assert supernet.discretize() == architecture


def test_a_genotype_keeps_its_plan_without_the_field() -> None:
    published = Architecture.parse("FPPF-FFFF-PFFP")
    assert published.space.topology == "streams" and "topology" not in published.to_dict()
    assert published.text == "FPPF-FFFF-PFFP@channels=1,width=32"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("PP-PP@topology=unet", "has 2 cells; use 1, 3, 5, 7, 9 (1 to 5 scales)"),
        ("P-P-P-P-P@width=8", "has 5 cells; use 1 to 4 (2 to 5 scales)"),
        ("PP@topology=unit", "did you mean 'unet'"),
        ("PP@witdh=8", "did you mean 'width'"),
        ("PP@width=8,width=9", "states width twice"),
        ("PP@width=8:x", "width is '8:x', not a number, or numbers such as 8:12:16"),
        ("PP@channels=1:2", "channels is '1:2', not a number"),
        ("PP@residual=maybe", "residual is 'maybe', not true or false"),
        ("P-P-P@topology=unet,operations=released", "unet has no released operations; use supplement"),
        ("P-P-P@topology=unet,width=8:16:24", "has 3 numbers where 2 are needed"),
        ("PP@", "'' is not one of"),
    ],
)
def test_a_wrong_text_form_is_refused_in_a_line(text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        Architecture.parse(text)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["PP", " pp-p@width=8 , residual=true"])
def test_spaces_do_not_matter(text: str) -> None:
    genotype, fields = from_text(text)
    assert genotype.upper() in ("PP", "PP-P") and fields in ({}, {"width": 8, "residual": True})


def test_a_recipe_takes_the_text_form(tmp_path: Path) -> None:
    recipe = load_recipe("denoise-gray", {"architecture": UNET.text})
    assert recipe.given is not None and recipe.given.text == UNET.text
    assert recipe.space.multiple == UNET.multiple and recipe.space.channels == 3
    recipe_again: dict[str, Any] = load_recipe("denoise-gray").to_dict()
    assert "topology" not in recipe_again["network"]


def test_describe_draws_a_unet(tmp_path: Path) -> None:
    found = describe(UNET.text)
    assert found.architecture == UNET and found.to_dict()["text"] == UNET.text
    found.draw(tmp_path / "unet.svg")
    svg = (tmp_path / "unet.svg").read_text()
    assert 'id="edge-upsample-' in svg and "U-net, 3 scales" in svg and "first and last convolution" in svg
