"""The network: published sizes, the sequences of the supplement, and images of any size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.inference.restorer import Restorer
from clearer.network import backbone
from clearer.network.architecture import OPERATIONS, Architecture, SearchSpace
from clearer.network.cost import cost_table, count_parameters, macs_per_pixel, parameters
from clearer.network.costs.registry import COSTS
from clearer.network.graph import Step
from clearer.network.modules import ResidualBlock, StepModule, edge_module
from clearer.network.network import RestorationNetwork
from clearer.network.plan import candidate_step, operations_of
from clearer.network.supernet import Supernet
from helpers.networks import SPACES, converged

RELEASED = SearchSpace(operations="released")
SUPPLEMENT = SearchSpace()
PUBLISHED = Architecture.parse("FPPF-FFFF-PFFP", operations="released")


def kinds(layers: nn.Module) -> list[str]:
    """Names of the basic operations of a sequence in order: conv, bn, relu, up."""
    names = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu", nn.Upsample: "up"}
    return [names[type(layer)] for layer in layers.modules() if not list(layer.children())]  # type: ignore[index]


def strided_convolution(space: SearchSpace, source: int, target: int, relu: bool = True) -> nn.Module:
    return edge_module(operations_of(space).strided(source, target, "", relu=relu))


def upsample(space: SearchSpace, source: int, target: int) -> nn.Module:
    return edge_module(operations_of(space).upsample(source, target, ""))


def convolutions(layers: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in layers.modules() if isinstance(layer, nn.Conv2d)]


# Published sizes


@pytest.mark.slow
def test_released_sizes() -> None:
    assert count_parameters(Supernet(RELEASED)) == 12_558_144
    assert count_parameters(RestorationNetwork(PUBLISHED)) == 6_073_536
    assert parameters(PUBLISHED) == 6_073_536
    assert macs_per_pixel(PUBLISHED) == 446_656
    assert parameters(RELEASED.architecture("P" * 12)) == pytest.approx(8.72e6, abs=5e3)
    assert parameters(RELEASED.architecture("F" * 12)) == pytest.approx(4.36e6, abs=5e3)


@pytest.mark.parametrize(
    ("letter", "scales", "published"),
    [
        ("P", 2, 92_544),
        ("P", 3, 387_968),
        ("P", 4, 1_568_640),
        ("F", 2, 20_672),
        ("F", 3, 153_536),
        ("F", 4, 784_512),
    ],
)
def test_released_module_sizes(letter: str, scales: int, published: int) -> None:
    module = StepModule(candidate_step(RELEASED, letter, scales))
    assert sum(weights.numel() for weights in module.parameters()) == published


def test_both_candidates_of_every_module_add_up_to_the_published_share() -> None:
    costs = COSTS.get("parameters")(RELEASED)
    assert costs.shape == (12, 2)
    assert float(costs[:, 0].sum() / costs.sum()) == pytest.approx(0.681, abs=5e-4)
    assert float(costs.sum(dim=1).max()) == pytest.approx(1)
    assert torch.equal(costs[0], costs[3])  # one stage, one cost
    # Multiply-adds of a scale are the same at every scale: its pixels fall as its weights grow.
    macs = COSTS.get("macs")(RELEASED)
    assert torch.allclose(macs[[0, 4, 8], 0] / macs[0, 0], torch.tensor([1.0, 1.5, 2.0]))


@pytest.mark.slow
@settings(deadline=None, max_examples=12, derandomize=True)
@given(space=SPACES, seed=st.integers(0, 999))
def test_cost_table_counts_the_network_itself(space: SearchSpace, seed: int) -> None:
    architecture = space.random_architecture(seed)
    network = RestorationNetwork(architecture)
    table = cost_table(architecture)
    assert sum(part.parameters for part in table) == count_parameters(network)
    counted = 0.0
    side = 2 * architecture.multiple

    def count(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv2d)
        per_value = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
        counted += output.numel() * per_value / side**2

    for layer in convolutions(network):
        layer.register_forward_hook(count)
    network.eval()(torch.zeros(1, space.channels, side, side))
    assert macs_per_pixel(architecture) == pytest.approx(counted)


def test_cost_of_a_parallel_module_by_hand() -> None:
    rows = {part.module: part for part in cost_table(SUPPLEMENT.architecture("P" * 12))}
    # Per scale two 3x3 convolutions, 2 * 9 * (32 * 2**s)**2, on 1 / 4**s of the pixels; four scales.
    assert rows["cell 3 module 9 (parallel)"].macs_per_pixel == 4 * 2 * 9 * 32**2
    assert len(rows) == 1 + 3 + 12 + 2


# The supplement's sequences, Fig. 1 (b)-(d)

STEPS = [(finer, steps) for finer in range(3) for steps in (1, 2, 3) if finer + steps < 5]
"""The finer scale of an edge, and R1 or R2: how many scales it crosses."""


@pytest.mark.parametrize(("source", "steps"), STEPS)
def test_strided_convolution_is_r1_pairs_then_one_relu(source: int, steps: int) -> None:
    space = SearchSpace(scales=5, width=4)
    layers = strided_convolution(space, source, source + steps)
    assert kinds(layers) == ["conv", "bn"] * steps + ["relu"]
    for step, layer in enumerate(convolutions(layers)):
        wide = 4 * 2 ** (source + step)
        assert (layer.in_channels, layer.out_channels) == (wide, 2 * wide)  # doubled as the resolution halves
        assert (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (2, 2), (1, 1))
        assert layer.bias is None
    feature = torch.rand(2, 4 * 2**source, 32, 16)
    assert layers(feature).shape == (2, 4 * 2 ** (source + steps), 32 // 2**steps, 16 // 2**steps)


@pytest.mark.parametrize(("target", "steps"), STEPS)
def test_upsample_is_r2_times_conv_bn_upsample(target: int, steps: int) -> None:
    space = SearchSpace(scales=5, width=4)
    layers = upsample(space, target + steps, target)
    assert kinds(layers) == ["conv", "bn", "up"] * steps
    for step, layer in enumerate(convolutions(layers)):
        wide = 4 * 2 ** (target + steps - step)
        assert (layer.in_channels, layer.out_channels) == (wide, wide // 2)
        assert layer.stride == (1, 1)
        assert layer.bias is None
    assert all(layer.scale_factor == 2 for layer in layers if isinstance(layer, nn.Upsample))
    feature = torch.rand(2, 4 * 2 ** (target + steps), 4, 2)
    assert layers(feature).shape == (2, 4 * 2**target, 4 * 2**steps, 2 * 2**steps)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("target", "steps"), STEPS)
def test_upsampling_last_changes_nothing(target: int, steps: int, training: bool) -> None:
    torch.manual_seed(steps)
    layers = converged(upsample(SearchSpace(scales=5, width=4), target + steps, target)).train(training)
    feature = torch.rand(2, 4 * 2 ** (target + steps), 4, 6)
    as_worded = nn.Sequential(*layers)(feature)
    assert torch.allclose(layers(feature), as_worded, atol=1e-5)


@pytest.mark.parametrize("operations", OPERATIONS)
def test_norms_are_folded_into_frozen_weights(operations: str) -> None:
    torch.manual_seed(0)
    space = SearchSpace(width=4, operations=operations)
    network = converged(RestorationNetwork(space.random_architecture(3))).eval()
    image = torch.rand(2, 1, 24, 16)
    with torch.no_grad():
        apart = network(image)
        seen: list[nn.Module] = []
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.register_forward_hook(lambda layer, *_: seen.append(layer))
        folded = network.requires_grad_(False)(image)
        assert not seen  # not one norm ran
        network.train()(image)
    assert seen
    assert float(apart.std()) > 1e-3  # something to compare
    assert float((folded - apart).abs().max()) < 1e-5 * float(apart.abs().max())


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_released_sequences(steps: int) -> None:
    down = strided_convolution(RELEASED, 0, steps)
    assert kinds(down) == ["conv", "bn", "relu"] * steps
    inside_a_fusion = strided_convolution(RELEASED, 0, steps, relu=False)
    assert kinds(inside_a_fusion) == (["conv", "bn", "relu"] * steps)[:-1]
    widths = [(layer.in_channels, layer.out_channels) for layer in convolutions(inside_a_fusion)]
    assert widths == [(32, 32)] * (steps - 1) + [(32, 32 * 2**steps)]  # the source's channels until the last step
    up = upsample(RELEASED, steps, 0)
    assert kinds(up) == ["conv", "bn", "up"]
    assert convolutions(up)[0].kernel_size == (1, 1)
    assert up(torch.rand(1, 32 * 2**steps, 2, 3)).shape == (1, 32, 2 * 2**steps, 3 * 2**steps)
    assert all(layer.bias is None for part in (down, inside_a_fusion, up) for layer in convolutions(part))


def test_upsampling_is_nearest() -> None:
    layers = [layer for layer in RestorationNetwork(PUBLISHED).modules() if isinstance(layer, nn.Upsample)]
    assert layers and all(layer.mode == "nearest" for layer in layers)


def test_convolution_is_conv_bn_relu_conv_bn_plus_input_relu() -> None:
    torch.manual_seed(0)
    block = edge_module(operations_of(SUPPLEMENT).residual(1, "")).eval()
    assert kinds(block) == ["conv", "bn", "relu", "conv", "bn"]
    assert all((c.kernel_size, c.stride) == ((3, 3), (1, 1)) for c in convolutions(block))
    x = torch.randn(2, 64, 6, 5)
    assert isinstance(block, ResidualBlock)
    first, norm, _, second, norm2 = block.body
    by_hand = (norm2(second(norm(first(x)).relu())) + x).relu()
    assert torch.allclose(block(x), by_hand, atol=1e-6)
    nn.init.zeros_(second.weight)  # type: ignore[arg-type]
    assert torch.allclose(block(x), x.relu(), atol=1e-6)


@pytest.mark.parametrize("operations", OPERATIONS)
def test_fusion_is_the_relu_of_the_sum_of_all_scales(operations: str) -> None:
    torch.manual_seed(0)
    space = SearchSpace(width=4, operations=operations)
    module = StepModule(candidate_step(space, "F", 3)).eval()
    features = [torch.randn(2, 4 * 2**s, 16 // 2**s, 8 // 2**s) for s in range(3)]
    for target, output in enumerate(module(features)):
        edges: Any = dict(module.get_submodule(f"edges.{target}").named_children())
        assert sorted(edges) == [str(s) for s in range(3) if s != target]  # the same scale comes in unchanged
        total = features[target] + sum(edges[s](features[int(s)]) for s in edges)
        assert torch.allclose(output, total.relu(), atol=1e-6)
        for source, edge in edges.items():
            made = strided_convolution(space, int(source), target, relu=False)
            assert kinds(edge) == kinds(made if int(source) < target else upsample(space, int(source), target))


@pytest.mark.parametrize("scales", [2, 3])
def test_transition_keeps_the_scales_it_has(scales: int) -> None:
    edges = operations_of(SUPPLEMENT).transition(scales)
    module = StepModule(Step("T", "", "", "", scales + 1, edges))
    features = [torch.rand(2, 32 * 2**s, 16 // 2**s, 16 // 2**s) for s in range(scales)]
    before = [feature.clone() for feature in features]
    output = module(features)
    assert len(output) == scales + 1
    for kept, feature, copy in zip(output[:-1], features, before, strict=True):
        assert kept is feature
        assert torch.equal(feature, copy)
    assert output[-1].shape == (2, 32 * 2**scales, 16 // 2**scales, 16 // 2**scales)
    assert kinds(module) == ["conv", "bn", "relu"]


def test_frame_of_the_published_network() -> None:
    network = RestorationNetwork(SUPPLEMENT.architecture("FPPFFFFFPFFP"))
    lift, *parallel = network.stem
    assert kinds(lift) == ["conv", "bn", "relu"]
    assert [type(module) for module in parallel] == [ResidualBlock, ResidualBlock]
    assert [len(cell.searched) for cell in network.cells] == [4, 4, 4]  # type: ignore[arg-type]
    assert isinstance(network.last, nn.Conv2d) and network.last.kernel_size == (3, 3)
    released = RestorationNetwork(PUBLISHED)
    bottleneck = ["conv", "bn", "relu", "conv", "bn", "relu", "conv", "bn"]
    assert [kinds(released.stem[i]) for i in (0, 1)] == [[*bottleneck, "conv", "bn"], bottleneck]  # type: ignore[index]
    assert isinstance(released.last, nn.Conv2d) and released.last.kernel_size == (1, 1)
    assert all(layer.bias is None for layer in convolutions(released))


# Initial weights


def test_published_initial_weights() -> None:
    torch.manual_seed(0)
    network = RestorationNetwork(PUBLISHED)
    weights = torch.cat([layer.weight.detach().flatten() for layer in convolutions(network)])
    assert float(weights.std()) == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize("operations", OPERATIONS)
def test_without_norm_a_residual_network_begins_as_the_identity(operations: str) -> None:
    torch.manual_seed(0)
    architecture = SearchSpace(width=4, operations=operations, norm="none", residual=True).random_architecture(1)
    network = RestorationNetwork(architecture)
    assert not [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    image = torch.rand(1, 1, 21, 13)
    assert torch.equal(network(image), image)
    with torch.no_grad():
        features = network.stem(torch.rand(1, 1, 64, 64))
    assert 0.05 < float(features.std()) < 20  # neither dead nor blown up


# Images of any size


@settings(deadline=None, max_examples=40, derandomize=True)
@given(space=SPACES, seed=st.integers(0, 999), height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_size(space: SearchSpace, seed: int, height: int, width: int) -> None:
    network = RestorationNetwork(space.random_architecture(seed)).eval()
    image = torch.rand(1, space.channels, height, width, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        output = network(image)
    assert output.shape == image.shape
    assert bool(output.isfinite().all())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (7, 1), (8, 8), (9, 23)])
@pytest.mark.parametrize("operations", OPERATIONS)
def test_it_is_mirrored_below_and_to_the_right(size: tuple[int, int], operations: str) -> None:
    torch.manual_seed(3)
    architecture = SearchSpace(channels=3, width=4, operations=operations, norm="none").random_architecture(0)
    network = RestorationNetwork(architecture).eval()
    image = torch.rand(2, 3, *size)
    below, right = (-size[0]) % 8, (-size[1]) % 8
    # Mirrored at the last pixel; where nothing is left to mirror, the first one goes on.
    rows, columns = (
        [*range(side), *(max(0, side - 2 - k) for k in range(more))]
        for side, more in zip(size, (below, right), strict=True)
    )
    padded = image[:, :, rows][:, :, :, columns]
    assert padded.shape[-2] % architecture.multiple == padded.shape[-1] % architecture.multiple == 0
    with torch.no_grad():
        assert torch.allclose(network(image), network(padded)[..., : size[0], : size[1]], atol=1e-6)


def test_padding_makes_no_streaks_of_noise() -> None:
    """Beyond the edge noise is as rough as before it; an edge repeated would be smooth along the padding."""
    noise = torch.randn(1, 1, 33, 33, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []
    RestorationNetwork(Architecture.parse("PF-FF-PF", width=2)).on_multiples(noise, lambda x: seen.append(x) or x)
    (padded,) = seen
    assert padded.shape[-2:] == (40, 40)
    assert padded[..., 33:, :].diff(dim=2).abs().mean() > 0.8 * noise.diff(dim=2).abs().mean()


def test_a_size_that_needs_no_padding_is_not_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Tensor:
        raise AssertionError("padded")

    monkeypatch.setattr(backbone, "_mirrored", refuse)
    network = RestorationNetwork(Architecture.parse("PF-FP", width=2)).eval()
    network(torch.rand(1, 1, 8, 12))
    with pytest.raises(AssertionError, match="padded"):
        network(torch.rand(1, 1, 8, 13))


def test_pixels_far_from_the_padding_do_not_depend_on_it() -> None:
    """The padding affects only pixels near it: far from it, a cropped image is restored as the whole one."""
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture.parse("P", width=2, norm="none")).eval()
    whole = torch.rand(1, 1, 96, 96)
    with torch.no_grad():
        cut, full = network(whole[..., :75, :81]), network(whole)
    assert torch.allclose(cut[..., :40, :40], full[..., :40, :40], atol=1e-6)
    assert not torch.allclose(cut[..., 70:75, 70:81], full[..., 70:75, 70:81], atol=1e-6)


def test_residual_adds_the_input() -> None:
    torch.manual_seed(0)
    plain = RestorationNetwork(Architecture.parse("PF-FP", width=4)).eval()
    added = RestorationNetwork(Architecture.parse("PF-FP", width=4, residual=True)).eval()
    added.load_state_dict(plain.state_dict())
    image = torch.rand(1, 1, 11, 14)
    with torch.no_grad():
        assert torch.allclose(added(image), plain(image) + image, atol=1e-6)
    assert image.min() >= 0  # the input is not written to


def test_training_reaches_every_weight() -> None:
    torch.manual_seed(0)
    for operations in OPERATIONS:
        network = RestorationNetwork(Architecture.parse("PF-FP", width=4, operations=operations))
        network(torch.rand(2, 1, 16, 16)).square().mean().backward()
        # The last fusion gives scale 0 alone, and every other weight lies on a way to it.
        assert all(weights.grad is not None for weights in network.parameters())


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    seed=st.integers(0, 999),
    operations=st.sampled_from(OPERATIONS),
    residual=st.booleans(),
    unshuffle=st.sampled_from([1, 2]),
    factor=st.floats(0.01, 100),
)
def test_without_biases_brightness_scales_through(
    seed: int, operations: str, residual: bool, unshuffle: int, factor: float
) -> None:
    torch.manual_seed(seed)
    space = SearchSpace(
        width=4, scales=3, operations=operations, norm="bias-free", residual=residual, unshuffle=unshuffle
    )
    network = RestorationNetwork(space.random_architecture(seed)).eval()
    assert not [name for name, _ in network.named_parameters() if name.endswith("bias")]
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
        image = torch.rand(1, 1, 21, 13)
        whole = network(image)
        torch.testing.assert_close(network(factor * image), factor * whole, rtol=1e-3, atol=1e-4 * factor)
        fused = Restorer(network, device="cpu", precision="fp32").run(image)
    torch.testing.assert_close(fused, whole, rtol=1e-3, atol=1e-4)
