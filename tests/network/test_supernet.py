"""The mixed network: both branches see one input, and with weights of 0 and 1 it equals the discretized network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.network.architecture import NORMS, OPERATIONS, Architecture, SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.network.plan import candidate_step
from clearer.network.supernet import ALPHA_STD, MixedModule, Supernet

SPACES = st.builds(
    SearchSpace,
    channels=st.sampled_from([1, 3, 4]),
    width=st.integers(1, 8),
    scales=st.integers(2, 5),
    modules_per_cell=st.integers(1, 4),
    operations=st.sampled_from(OPERATIONS),
    norm=st.sampled_from(NORMS),
    residual=st.booleans(),
    unshuffle=st.sampled_from([1, 2, 3]),
)
SMALL = SearchSpace(width=4, scales=3, modules_per_cell=2)


def scrambled(supernet: Supernet, seed: int = 0) -> Supernet:
    """Return it in float64 with random weights and statistics, so that no zero or one hides a difference."""
    chance = torch.Generator().manual_seed(seed)
    for layer in supernet.double().modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.weight[0].numel()
            layer.weight.data.normal_(std=(2 / fan_in) ** 0.5, generator=chance)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 1.0, generator=chance)
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(std=0.1, generator=chance)
            layer.running_var.uniform_(0.5, 2.0, generator=chance)
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d) and layer.bias is not None:
            layer.bias.data.normal_(std=0.1, generator=chance)
    supernet.alpha.data.normal_(generator=chance)
    return supernet


def decided(supernet: Supernet, architecture: Architecture) -> None:
    """Set the alpha so that the mixing_weights are exactly 0 and 1."""
    for row, letter in zip(supernet.alpha.data, architecture.choices, strict=True):
        row.copy_(torch.tensor([1e4, 0.0] if letter == "P" else [0.0, 1e4]))
    assert set(supernet.mixing_weights.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@settings(deadline=None, max_examples=15, derandomize=True)
@given(space=SPACES, seed=st.integers(0, 2**31), height=st.integers(17, 33), width=st.integers(17, 33))
def test_with_mixing_weights_of_zero_and_one_it_is_the_extracted_network(
    training: bool, space: SearchSpace, seed: int, height: int, width: int
) -> None:
    supernet = scrambled(Supernet(space), seed).train(training)
    architecture = space.random_architecture(seed)
    decided(supernet, architecture)
    assert supernet.discretize() == architecture
    network = supernet.extract(architecture if seed % 2 else None)
    assert network.architecture == architecture
    assert network.training == training
    images = torch.rand(2, space.channels, height, width, dtype=torch.float64)
    mixed, fixed = supernet(images), network(images)
    torch.testing.assert_close(mixed, fixed, rtol=1e-8, atol=1e-8 * float(fixed.detach().abs().max()))
    # The statistics that batch norms gathered on the way are the same too.
    again = supernet.extract(architecture)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-7, atol=1e-7, msg=name)


def test_in_float32_too() -> None:
    supernet = scrambled(Supernet(SMALL)).float().eval()
    decided(supernet, SMALL.architecture("PFFP"))
    images = torch.rand(2, 1, 20, 25)
    torch.testing.assert_close(supernet(images), supernet.extract()(images))


def test_mixture_is_the_sum_of_both_branches() -> None:
    torch.manual_seed(0)
    module = MixedModule(tuple(candidate_step(SMALL, letter, 3) for letter in "PF")).eval()
    features = [torch.randn(2, 4 * 2**s, 16 // 2**s, 16 // 2**s) for s in range(3)]
    mixed = module(features, torch.tensor([0.3, 0.7]))
    for output, p, f in zip(mixed, module.parallel(features), module.fusion(features), strict=True):
        assert torch.allclose(output, 0.3 * p + 0.7 * f, atol=1e-6)


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_both_branches_see_the_same_input(operations: str, norm: str, training: bool) -> None:
    """The same tensors, not written to by either branch, nor by anything that comes later."""
    space = SearchSpace(width=4, scales=4, modules_per_cell=2, operations=operations, norm=norm)
    supernet = scrambled(Supernet(space)).train(training)
    seen: dict[str, tuple[list[Tensor], list[Tensor]]] = {}

    def watch(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[list[Tensor], ...]) -> None:
            seen[name] = (list(inputs[0]), [feature.clone() for feature in inputs[0]])

        return hook

    names = [name for name, module in supernet.named_modules() if isinstance(module, MixedModule)]
    assert len(names) == space.modules
    for name in names:
        for branch in ("parallel", "fusion"):
            supernet.get_submodule(f"{name}.{branch}").register_forward_pre_hook(watch(f"{name}.{branch}"))
    supernet(torch.rand(2, 1, 16, 24, dtype=torch.float64)).sum().backward()
    for name in names:
        (parallel, before), (fusion, _) = seen[f"{name}.parallel"], seen[f"{name}.fusion"]
        assert len(parallel) == len(fusion) >= 2
        for one, other, copy in zip(parallel, fusion, before, strict=True):
            assert one is other
            assert torch.equal(one, copy)


def test_discretize_takes_the_larger_and_parallel_on_a_tie() -> None:
    supernet = Supernet(SMALL)
    supernet.alpha.data = torch.tensor([[0.1, 0.2], [0.2, 0.1], [-3.0, -4.0], [0.5, 0.5]])
    assert str(supernet.discretize()) == "FP-PP"
    assert supernet.discretize().space == SMALL


def test_discretize_follows_the_mixing_weights() -> None:
    supernet = Supernet(SearchSpace(width=1, modules_per_cell=20))
    supernet.alpha.data.normal_(generator=torch.Generator().manual_seed(0))
    letters = "".join("P" if p >= f else "F" for p, f in supernet.mixing_weights.tolist())
    assert supernet.discretize().choices == letters


def test_alpha_are_an_ordinary_parameter() -> None:
    supernet = Supernet(SearchSpace(width=1))
    assert supernet.state_dict()["alpha"].shape == (12, 2)
    assert isinstance(supernet.alpha, nn.Parameter)
    assert supernet.alpha.requires_grad
    assert all(weights is not supernet.alpha for weights in supernet.weights())
    assert len(supernet.weights()) == len(list(supernet.parameters())) - 1
    other = Supernet(SearchSpace(width=1))
    other.load_state_dict(supernet.state_dict())
    assert torch.equal(other.alpha, supernet.alpha)
    assert torch.allclose(supernet.mixing_weights.sum(dim=1), torch.ones(12))


def test_initial_alpha_are_small_and_random() -> None:
    torch.manual_seed(0)
    alpha = Supernet(SearchSpace(width=1, scales=2, modules_per_cell=100)).alpha.detach()
    assert alpha.shape == (100, 2)
    assert float(alpha.std()) == pytest.approx(ALPHA_STD, rel=0.2)
    assert abs(float(alpha.mean())) < 3e-4


def loss(supernet: Supernet) -> Tensor:
    image = torch.linspace(0, 1, 2 * 16 * 16, dtype=torch.float64).reshape(2, 1, 16, 16)
    result: Tensor = (supernet(image) - image).square().mean()
    return result


@pytest.mark.parametrize("operations", OPERATIONS)
def test_only_alpha_computes_no_weight_gradients(operations: str) -> None:
    space = SearchSpace(width=4, scales=3, modules_per_cell=2, operations=operations)
    supernet = scrambled(Supernet(space)).eval()
    with supernet.only_alpha():
        value = loss(supernet)
        value.backward()
    assert all(weights.grad is None for weights in supernet.weights())
    assert all(weights.requires_grad for weights in supernet.parameters())
    alone = supernet.alpha.grad
    assert alone is not None and alone.shape == (4, 2)
    supernet.alpha.grad = None
    everything = loss(supernet)
    everything.backward()
    assert all(weights.grad is not None for weights in supernet.weights())
    assert supernet.alpha.grad is not None
    torch.testing.assert_close(value, everything)
    torch.testing.assert_close(alone, supernet.alpha.grad)
    assert float(alone.abs().min()) > 0


def test_only_alpha_leaves_frozen_weights_frozen_and_ends_on_an_error() -> None:
    supernet = Supernet(SMALL)
    frozen = supernet.weights()[0].requires_grad_(False)
    with pytest.raises(ZeroDivisionError), supernet.only_alpha():
        assert not any(weights.requires_grad for weights in supernet.weights())
        raise ZeroDivisionError
    assert [weights for weights in supernet.weights() if not weights.requires_grad] == [frozen]


def test_alpha_gradients_are_those_of_finite_differences() -> None:
    supernet = scrambled(Supernet(SMALL)).eval()
    loss(supernet).backward()
    assert supernet.alpha.grad is not None
    step = 1e-5
    for index in ((0, 0), (1, 1), (3, 0)):
        values = []
        for sign in (1, -1):
            supernet.alpha.data[index] += sign * step
            values.append(loss(supernet).item())
            supernet.alpha.data[index] -= sign * step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(supernet.alpha.grad[index]), rel=1e-4)


def test_extract_copies_and_draws_no_random_numbers() -> None:
    supernet = scrambled(Supernet(SMALL))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    network = supernet.extract()
    assert torch.equal(torch.get_rng_state(), before)
    mine = {weights.data_ptr() for weights in supernet.state_dict().values()}
    assert not mine & {weights.data_ptr() for weights in network.state_dict().values()}
    assert {weights.dtype for weights in network.parameters()} == {torch.float64}
    assert all(weights.requires_grad for weights in network.parameters())
    network(torch.rand(2, 1, 8, 8, dtype=torch.float64)).sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())
    assert network.state_dict().keys() == RestorationNetwork(network.architecture).state_dict().keys()


@pytest.mark.parametrize(
    "other",
    [
        Architecture.parse("PF-FP", width=8),
        Architecture.parse("PF-FP", width=4, operations="released"),
        Architecture.parse("PFP-FPP", width=4),
        Architecture.parse("P-FPP", width=4),
    ],
)
def test_an_architecture_of_another_space_is_refused(other: Architecture) -> None:
    with pytest.raises(UserError) as caught:
        Supernet(SMALL).extract(other)
    assert "space" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 23)])
def test_any_size(size: tuple[int, int]) -> None:
    supernet = scrambled(Supernet(SMALL)).eval()
    assert supernet(torch.rand(1, 1, *size, dtype=torch.float64)).shape == (1, 1, *size)
