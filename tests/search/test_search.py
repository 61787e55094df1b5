"""The search's objectives and loop."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.core.files import write_text
from clearer.network.architecture import SearchSpace
from clearer.network.costs.registry import COSTS
from clearer.network.supernet import Supernet
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import SearchSettings
from clearer.runs.layout import RunFolder
from clearer.search import bilevel
from clearer.search.alphas import Convergence, mean_gap
from clearer.search.bilevel import search
from clearer.search.objectives import architecture_loss, complexity_loss
from clearer.search.one_shot import load_supernet
from clearer.training.job import RunContext
from clearer.training.optimizers import make_optimizer
from helpers.photos import photograph


@pytest.mark.slow
@pytest.mark.parametrize(("strength", "gap", "tolerance"), [(0.1, 0.669, 0.005), (0.01, 0.0, 0.005)])
def test_the_architecture_loss_alone_converges_where_weight_decay_balances_it(
    strength: float, gap: float, tolerance: float
) -> None:
    """Under the published Adam; 0.6709 is the caption of the supplement's Figure 2 for lambda 0.1."""
    torch.manual_seed(0)
    alpha = torch.nn.Parameter(1e-3 * torch.randn(12, 2))
    optimizer = make_optimizer(SearchSettings().alpha, [alpha])
    for _ in range(5000):
        optimizer.zero_grad()
        (strength * architecture_loss(alpha.softmax(1))).backward()
        optimizer.step()
    assert mean_gap(alpha.detach().softmax(1)) == pytest.approx(gap, abs=tolerance)


@given(st.floats(0, 1))
def test_entropy_is_finite_with_a_finite_gradient_everywhere(a: float) -> None:
    alpha = torch.tensor([[a, 1 - a]], dtype=torch.float64, requires_grad=True)
    loss = architecture_loss(alpha)
    loss.backward()
    assert alpha.grad is not None and torch.isfinite(alpha.grad).all()
    expected = -sum(p * math.log10(p) for p in (a, 1 - a) if p > 0)
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_entropy_at_alpha_that_saturate_has_no_nan_gradient() -> None:
    alpha = torch.tensor([[200.0, -200.0], [0.0, 0.0]], requires_grad=True)
    architecture_loss(alpha.softmax(1)).backward()
    assert alpha.grad is not None and torch.isfinite(alpha.grad).all()


def test_complexity_is_the_mean_over_modules() -> None:
    alpha = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    assert complexity_loss(alpha, torch.tensor([[0.7, 0.3], [0.7, 0.3]])).item() == pytest.approx(0.6)


@pytest.mark.slow
def test_costs_are_the_papers_ratio_or_measured() -> None:
    released = SearchSpace(operations="released")
    assert COSTS.get("paper")(released).tolist() == [[pytest.approx(0.7), pytest.approx(0.3)]] * 12
    measured = COSTS.get("parameters")(released)
    total = measured.sum(0)
    # The share of parameters that the published 0.7 : 0.3 stands for, measured on the released form.
    assert (total[0] / total.sum()).item() == pytest.approx(0.681, abs=0.001)
    assert measured[0, 0] / measured[8, 0] == pytest.approx(92_544 / 1_568_640)
    assert COSTS.get("macs")(SearchSpace()).shape == (12, 2)


def _images(names: tuple[str, ...]) -> list[tuple[Any, None]]:
    return [(photograph(name), None) for name in names]


def _search(tmp_path: Path, tiny: dict[str, Any], **more: Any) -> dict[str, Any]:
    recipe = load_recipe("quickstart", {**tiny, **more})
    training, validation = _images(("astronaut.png", "camera.png")), _images(("coffee.png",))
    search(recipe, RunContext.of(recipe, RunFolder(tmp_path), training, validation))
    result: dict[str, Any] = json.loads((tmp_path / "search" / "result.json").read_text())
    return result


def test_a_search_logs_alpha_and_respects_the_warm_up(tmp_path: Path, tiny: dict[str, Any]) -> None:
    result = _search(tmp_path, tiny)
    lines = [json.loads(line) for line in (tmp_path / "search" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9]
    assert [line["arch_step"] for line in lines] == [0, 3, 6] and result["arch_steps"] == 6
    torch.manual_seed(load_recipe("quickstart").seed)
    start = Supernet(load_recipe("quickstart", tiny).space).mixing_weights.tolist()
    assert lines[0]["mixing_weights"] == [[pytest.approx(a, abs=1e-6) for a in row] for row in start]
    assert lines[1]["mixing_weights"] != lines[0]["mixing_weights"]
    for line in lines:
        assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in line["mixing_weights"])


def test_the_order_within_a_step_is_a_setting(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    for name in ("alpha_step", "weight_step"):
        known = getattr(bilevel.SearchJob, name)
        monkeypatch.setattr(
            bilevel.SearchJob, name, lambda job, epoch, n=name, f=known: moved.append(n) or f(job, epoch)
        )
    _search(tmp_path / "weights", tiny)
    first, moved[:] = list(moved), []
    _search(tmp_path / "alpha", tiny | {"search.order": "alpha"})
    assert first == ["weight_step"] * 3 + ["weight_step", "alpha_step"] * 6
    assert moved == ["weight_step"] * 3 + ["alpha_step", "weight_step"] * 6
    assert {
        load_recipe(f"paper-{name}").search.order for name in ("denoise-30", "denoise-50", "denoise-70", "derain")
    } == {"alpha"}


def test_a_strong_complexity_term_chooses_what_is_cheap(tmp_path: Path, tiny: dict[str, Any]) -> None:
    result = _search(tmp_path, {**tiny, "search.lambda_comp": 100.0, "search.lambda_arch": 0.0})
    assert result["architecture"] == "FF"  # 0.3 against 0.7


@pytest.mark.slow
def test_a_converged_search_ends_early_and_reports_what_it_saved(tmp_path: Path, tiny: dict[str, Any]) -> None:
    # By L_Comp alone all letters become F within an epoch or two, and stay so.
    strong = {**tiny, "search.lambda_comp": 100.0, "search.lambda_arch": 0.0, "search.epochs": 12}
    early = {**strong, "search.stop_gap": 0.0, "search.stop_steps": 7, "search.alpha.lr": 0.01}
    result = _search(tmp_path / "early", early)
    whole = _search(tmp_path / "whole", {**strong, "search.alpha.lr": 0.01})
    assert result["architecture"] == whole["architecture"] == "FF"
    lines = [json.loads(line) for line in (tmp_path / "early" / "search" / "metrics.jsonl").read_text().splitlines()]
    # One warm-up epoch; seven steps without a change are over with the third epoch after it at the earliest.
    assert 4 * 3 <= result["steps"] == lines[-1]["step"] < 36 and result["steps_saved"] == 36 - result["steps"]
    assert result["arch_steps"] == result["steps"] - 3 and result["seconds_saved"] > 0
    assert (whole["steps"], whole["steps_saved"], whole["seconds_saved"]) == (36, 0, 0)
    # What reads the supernet again knows where its search ended.
    write_text(tmp_path / "early" / "recipe.yaml", load_recipe("quickstart", early).to_yaml())
    _, supernet = load_supernet(tmp_path / "early", torch.device("cpu"))
    assert str(supernet.discretize()) == "FF"
    # The end is found again by a search that was killed before it had written its result.
    (tmp_path / "early" / "search" / "result.json").unlink()
    again = _search(tmp_path / "early", early)
    assert again["steps"] == result["steps"] and again["mixing_weights"] == result["mixing_weights"]


def test_a_supernet_may_have_a_norm_of_its_own(tmp_path: Path, tiny: dict[str, Any]) -> None:
    recipe = load_recipe("quickstart", {**tiny, "search.norm": "batch"})
    assert (recipe.space.norm, recipe.search_space.norm) == ("none", "batch")
    photos = _images(("camera.png",))
    found = search(recipe, RunContext.of(recipe, RunFolder(tmp_path), photos, photos))
    assert found.norm == "none"
    # A finished search says the same again, and its supernet is read with the norm it has.
    assert search(recipe, RunContext.of(recipe, RunFolder(tmp_path))) == found
    write_text(tmp_path / "recipe.yaml", recipe.to_yaml())
    _, supernet = load_supernet(tmp_path, torch.device("cpu"))
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in supernet.modules())
    assert supernet.discretize().choices == found.choices
    with pytest.raises(UserError, match=r"^search\.batch: batch norm needs"):
        load_recipe("quickstart", {**tiny, "search.norm": "batch", "search.batch": 1})


def test_convergence_is_counted_and_resumes_from_a_checkpoint() -> None:
    def note(convergence: Convergence, *rows: list[list[float]]) -> int:
        for row in rows:
            convergence.note(torch.tensor(row))
        return int(convergence.state_dict()["count"])

    a, b, near = [[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.8, 0.2]], [[0.55, 0.45], [0.45, 0.55]]
    convergence = Convergence(0.5, 3)
    assert note(convergence, a, a) == 2 and not convergence.converged()
    resumed = Convergence(0.5, 3)
    resumed.load_state_dict(convergence.state_dict(), torch.device("cpu"))
    assert note(resumed, a) == 3 and resumed.converged()
    assert note(convergence, near) == 0 and note(convergence, a, a) == 2  # the gap was too small
    assert note(convergence, b) == 1  # a letter has changed
    off = Convergence(None, 1)
    off.note(torch.tensor(a))
    assert off.state_dict() == {} and not off.converged()


@pytest.mark.slow
def test_a_search_is_the_same_twice_and_another_with_another_seed(tmp_path: Path, tiny: dict[str, Any]) -> None:
    first, second = (_search(tmp_path / name, tiny)["mixing_weights"] for name in "ab")
    assert first == second
    assert _search(tmp_path / "c", {**tiny, "seed": 1})["mixing_weights"] != first
