"""Scoring architectures by shared weights: the tree gives the result of each network by itself."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.network.architecture import SearchSpace
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.network import RestorationNetwork
from clearer.network.supernet import Supernet
from clearer.search.one_shot import held_out_psnr, load_supernet, reestimate, score_architectures
from clearer.search.ranking import costs_of_all, pareto_front, rank_correlation


def _supernet(**fields: object) -> Supernet:
    """A supernet whose batch norms hold statistics that matter."""
    torch.manual_seed(0)
    supernet = Supernet(SearchSpace(**{"width": 4, "scales": 3, "modules_per_cell": 2, **fields}))  # type: ignore[arg-type]
    for parameter in supernet.weights():
        nn.init.normal_(parameter, 0.1, 0.2) if parameter.ndim == 1 else nn.init.kaiming_normal_(parameter)
    with torch.no_grad():
        for _ in range(3):
            supernet.train()(torch.rand(4, 1, 16, 16))
    return supernet.eval()


def _patches() -> tuple[Tensor, Tensor]:
    clean = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    return clean + 0.1, clean


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"operations": "released"},
        {"norm": "none", "residual": True, "unshuffle": 2},
        {"norm": "none", "condition": "level", "unshuffle": 2},
    ],
)
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_every_score_is_that_of_the_extracted_network(fields: dict[str, object], statistics: str) -> None:
    supernet, (degraded, clean) = _supernet(**fields), _patches()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    scores = score_architectures(supernet, degraded, clean, statistics=statistics, chunk=3)
    assert len(scores) == 16
    for architecture in supernet.space.all_architectures():
        network = supernet.extract(architecture).train(statistics == "batch")
        assert scores[str(architecture)] == pytest.approx(held_out_psnr(network, degraded, clean, chunk=3), abs=1e-4)
    after = supernet.state_dict()
    assert not supernet.training
    # num_batches_tracked counts calls and is used by nothing here.
    assert all(torch.equal(before[name], after[name]) for name in before if not name.endswith("tracked"))


@pytest.mark.slow
def test_a_sample_gets_the_scores_of_the_whole_and_no_module_is_computed_twice() -> None:
    supernet, (degraded, clean) = _supernet(), _patches()
    everything = score_architectures(supernet, degraded, clean)
    space = supernet.space
    sample = [space.random_architecture(seed) for seed in range(5)]
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    for cell in supernet.cells:
        for mixed in cell.searched:  # type: ignore[union-attr]
            mixed.parallel.register_forward_hook(count)
            mixed.fusion.register_forward_hook(count)
    scores = score_architectures(supernet, degraded, clean, sample)
    words = {architecture.choices for architecture in sample}
    assert calls == len({word[: n + 1] for word in words for n in range(space.modules)})
    assert scores == {str(a): pytest.approx(everything[str(a)], abs=1e-5) for a in sample}


def test_chunks_are_equal_so_that_no_patch_is_scored_by_its_own_statistics() -> None:
    supernet, architecture = _supernet(), SearchSpace(width=4, scales=3, modules_per_cell=2).architecture("PFPF")
    clean = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    degraded = clean + 0.1
    found = score_architectures(supernet, degraded, clean, [architecture], chunk=4)[str(architecture)]
    network = supernet.extract(architecture).train()
    halves = [held_out_psnr(network, degraded[part], clean[part]) for part in (slice(0, 3), slice(3, 5))]
    assert found == pytest.approx((3 * halves[0] + 2 * halves[1]) / 5, abs=1e-4)
    assert held_out_psnr(network, degraded, clean, chunk=4) == pytest.approx(found, abs=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    supernet, (degraded, clean) = _supernet(), _patches()
    with pytest.raises(UserError, match="statistics: 'moving' is not one of batch, running"):
        score_architectures(supernet, degraded, clean, statistics="moving")
    with pytest.raises(UserError, match="not of the supernet's space"):
        score_architectures(supernet, degraded, clean, [SearchSpace().random_architecture(0)])


@pytest.mark.slow
def test_costs_of_all_are_those_of_each() -> None:
    space = SearchSpace(width=4, scales=3, modules_per_cell=2, channels=3)
    costs = costs_of_all(space)
    assert len(costs) == 16
    for architecture in space.all_architectures():
        assert costs[str(architecture)] == (parameters(architecture), pytest.approx(macs_per_pixel(architecture)))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_no_point_dominates_one_of_the_front(points: list[tuple[int, int]]) -> None:
    named = {str(i): (float(cost), float(quality)) for i, (cost, quality) in enumerate(points)}
    front = {named[name] for name in pareto_front(named)}
    for cost, quality in named.values():
        dominated = any((c <= cost and q >= quality) and (c, q) != (cost, quality) for c, q in named.values())
        assert ((cost, quality) in front) != dominated


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=10))
@settings(max_examples=50)
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    mine = rank_correlation([float(x) for x in a], [float(x) for x in b])
    if len(set(a)) < 2 or len(set(b)) < 2:
        assert np.isnan(mine)
    else:
        assert mine == pytest.approx(float(spearmanr(a, b).statistic))


def test_statistics_measured_again_are_plain_averages_over_the_batches() -> None:
    torch.manual_seed(0)
    network = RestorationNetwork(SearchSpace(width=4, scales=2, modules_per_cell=1).architecture("P")).eval()
    batches = [torch.rand(2, 1, 8, 8) for _ in range(3)]
    lift, norm = network.stem[0][0], network.stem[0][1]  # type: ignore[index]
    expected = torch.stack([lift(batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    reestimate(network, itertools.islice(batches, 3))
    assert torch.allclose(norm.running_mean, expected, atol=1e-6)
    assert norm.momentum == 0.1 and not network.training


def test_a_folder_without_a_finished_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no finished search"):
        load_supernet(tmp_path, torch.device("cpu"))
