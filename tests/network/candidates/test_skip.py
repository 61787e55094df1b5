"""S, a third candidate: searched beside P and F, parsed, drawn, costed, fused, exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor

import clearer
from clearer.inference.fused_cpu import can_fuse, fuse
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.costs.registry import COSTS
from clearer.network.live_features import live_numbers
from clearer.network.network import RestorationNetwork
from clearer.network.receptive_field import receptive_field
from clearer.network.supernet import Supernet
from clearer.report.drawing import architecture_figure
from clearer.search.alphas import describe_mixing_weights, gaps
from clearer.search.ranking import costs_of_all
from clearer.zoo.weights import load_weights, save_weights

SPACE = SearchSpace(width=4, scales=3, modules_per_cell=2, norm="none", candidates="PFS")


def test_it_is_the_identity_and_costs_nothing() -> None:
    with_skip, without = Architecture.parse("PSFS-SSPF", width=4), Architecture.parse("PF-PF", width=4)
    assert parameters(with_skip) == parameters(without)
    assert macs_per_pixel(with_skip) == macs_per_pixel(without)
    assert receptive_field(with_skip) == receptive_field(without)
    assert live_numbers(with_skip) == live_numbers(without)
    torch.manual_seed(0)
    one = RestorationNetwork(without).eval()
    other = RestorationNetwork(with_skip).eval()
    names = {0: 0, 2: 1}, {2: 0, 3: 1}  # place with skips -> place without, cell by cell
    renamed = {}
    for name, value in one.state_dict().items():
        parts = name.split(".")
        if parts[0] == "cells" and parts[2] == "searched":
            back = {new: old for old, new in names[int(parts[1])].items()}
            parts[3] = str(back[int(parts[3])])
        renamed[".".join(parts)] = value
    other.load_state_dict(renamed)
    x = torch.rand(1, 1, 21, 30)
    assert torch.equal(other(x), one(x))


def test_costs_have_a_column_for_it() -> None:
    for name in COSTS:
        costs = COSTS.get(name)(SPACE)
        assert costs.shape == (4, 3)
        assert bool((costs[:, 2] == 0).all()) and bool((costs[:, :2] > 0).all())
    everything = costs_of_all(SPACE)
    assert len(everything) == 3**4
    assert everything["SF-PS"] == (
        parameters(Architecture.parse("SF-PS", width=4, norm="none")),
        macs_per_pixel(Architecture.parse("SF-PS", width=4, norm="none")),
    )


def test_a_supernet_mixes_three_candidates() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SPACE).eval()
    assert supernet.alpha.shape == (4, 3)
    supernet.alpha.data = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]]) * 20
    assert str(supernet.discretize()) == "PF-SP"
    x = torch.rand(1, 1, 16, 20)
    torch.testing.assert_close(supernet(x), supernet.extract()(x))
    weights = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    assert gaps(weights).tolist() == pytest.approx([0.2, 0.7])  # the largest minus the second
    assert describe_mixing_weights(weights)["gap"] == pytest.approx(0.45)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_fused_path_is_the_network(precision: str) -> None:
    if not can_fuse():
        pytest.skip("this build of torch has no fused convolutions")
    torch.manual_seed(1)
    network = RestorationNetwork(Architecture.parse("SP-FS", width=8)).eval().requires_grad_(False)
    x = torch.rand(1, 1, 19, 26)
    difference = (fuse(network, precision)(x) - network(x)).abs().max().item()
    assert difference < (1e-6 if precision == "fp32" else 1e-2) * network(x).abs().max().item() + 1e-7


def test_it_is_drawn() -> None:
    figure = architecture_figure(Architecture.parse("SP-FS"))
    ids = {artist.get_gid() for artist in figure.findobj(lambda artist: artist.get_gid() is not None)}
    assert {"module-1-S", "module-4-S", "module-2-P", "module-3-F"} <= ids
    # The input, two steps of the stem and a transition stand before the first module.
    assert {"edge-none-3-0-0", "edge-none-3-1-1"} <= ids
    texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert "skip" in texts
    plain = architecture_figure(Architecture.parse("PP-FP"))
    assert "skip" not in [text.get_text() for text in plain.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.slow
def test_its_weight_file_and_its_export_say_what_they_are(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = RestorationNetwork(Architecture.parse("SP-FS", width=4, norm="none", residual=True)).eval()
    with torch.no_grad():
        network.last.weight.normal_(std=0.05)  # type: ignore[union-attr, operator]
    save_weights(tmp_path / "skip.safetensors", network, {"task": "denoise"})
    again, _ = load_weights(tmp_path / "skip.safetensors")
    assert again.architecture == network.architecture
    clearer.export(tmp_path / "skip.safetensors", onnx=tmp_path / "skip.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "skip.onnx", providers=["CPUExecutionProvider"])
    x = torch.rand(1, 1, 22, 17)
    (result,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert float((torch.from_numpy(result) - network(x)).abs().max()) < 1e-5


@pytest.mark.slow
def test_a_search_beside_p_and_f(tmp_path: Path, photos: Path, tiny: dict[str, Any]) -> None:
    settings = tiny | {"network.candidates": "PFS", "network.norm": "none", "data.folder": str(photos)}
    run = clearer.fit("quickstart", tmp_path / "run", settings | {"search.costs": "activations"})
    assert set(run.architecture.choices) <= set("PFS")
    found = json.loads((tmp_path / "run" / "search" / "result.json").read_text())
    assert all(len(row) == 3 for row in found["mixing_weights"])
    assert (tmp_path / "run" / "report.html").exists()
    again = clearer.fit("quickstart", tmp_path / "run", settings | {"search.costs": "activations"})
    assert again.architecture == run.architecture

    restored: Tensor = run.restorer("cpu", "fp32")(torch.rand(1, 1, 18, 23))
    assert bool(restored.isfinite().all())


@pytest.mark.parametrize("name", ["macs", "parameters", "activations"])
def test_skips_alone_cost_nothing(name: str) -> None:
    costs = COSTS.get(name)(SearchSpace(scales=3, modules_per_cell=2, candidates="S"))
    assert costs.tolist() == [[0.0]] * 4
