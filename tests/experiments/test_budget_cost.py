"""What a budget means for a network: the default network scaled to it, and what nothing meets."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.pressure import Watch
from clearer.experiments import budget_cost
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields, refuse_unmet, scaled_default
from clearer.inference import latency_table
from clearer.inference.budget import Budget, ImageSize
from clearer.inference.latency import Latency
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.recipe.load import load_recipe

FIELDS: dict[str, Any] = {"channels": 1, "norm": "none", "residual": True}
GRAY = load_recipe("denoise-gray")


def widths_in_steps_of_eight(architecture: Architecture) -> float:
    """Return a cost as of hardware with vectors of 8: a width costs as much as the next multiple, odd ones more."""
    width = architecture.widths[0]
    return -(-width // 8) * 8 + (3 if width % 2 else 0)


def test_the_default_network_is_the_widest_that_fits() -> None:
    for budget in (3_000, 45_500, 45_600, 300_000):
        found = scaled_default(macs_per_pixel, budget, FIELDS)
        wider = Architecture.parse("FPFF-FFFF", width=found.widths[0] + 1, unshuffle=2, **FIELDS)
        assert macs_per_pixel(found) <= budget < macs_per_pixel(wider)
    assert scaled_default(macs_per_pixel, 1e12, FIELDS).width == 128


def test_a_slow_odd_width_does_not_end_the_scaling() -> None:
    seen = []

    def cost(architecture: Architecture) -> float:
        seen.append(architecture.widths[0])
        return widths_in_steps_of_eight(architecture)

    assert scaled_default(cost, 32, FIELDS).width == 32  # 25 to 31 cost as much or more
    assert len(set(seen)) < 12  # each takes seconds to measure
    assert scaled_default(cost, 40.5, FIELDS).width == 40


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (
            "0.5kmac",
            "0.5 kMAC/pixel is less than the default network needs at its least width; the nearest ",
        ),
        ("900000kmac", "kMAC/pixel is more than the largest network of the space needs; the nearest that can be met: "),
    ],
)
def test_a_budget_that_nothing_meets_is_refused_with_a_known_quality(budget: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        cost_of_networks(Budget.parse(budget), GRAY, Console(quiet=True))
    text = str(caught.value)
    assert says in text and "\n" not in text
    name, quality = ("denoise-gray-fast", "26.21") if budget.startswith("0.5") else ("denoise-gray", "26.23")
    assert f"; {name} costs " in text and f" kMAC/pixel and reaches {quality}" in text and text.endswith(", bsd68)")


@pytest.mark.parametrize("name", ["denoise-gray", "denoise-color", "denoise-photo", "dejpeg", "derain"])
def test_the_quality_of_a_model_for_the_kinds_of_a_recipe_is_known(name: str) -> None:
    with pytest.raises(UserError, match=rf"; {name}\S* costs .* and reaches "):
        cost_of_networks(Budget.parse("0.01kmac"), load_recipe(name), Console(quiet=True))


def test_no_quality_is_made_up() -> None:
    recipe = load_recipe("derain", {"network.channels": 1})
    with pytest.raises(UserError, match="no pretrained model tells its quality"):
        refuse_unmet(macs_per_pixel, Budget.parse("0.1kmac"), recipe)


def test_a_time_that_nothing_meets_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every piece takes 1 ms, and the largest networks are not measured where their multiply-adds tell enough."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(latency_table, "time_runs", lambda run, size, *_: Latency(size, (0.001, 0.001)))
    monkeypatch.setattr(budget_cost, "peak_macs", lambda *_: 1e9)
    with pytest.raises(UserError, match=r"budget: 2 ms at 64x48 is less than .* met: (\d+) ms; denoise-gray.* dB"):
        cost_of_networks(Budget.parse("2ms@64x48"), GRAY, Console(quiet=True))
    cost, amount = cost_of_networks(Budget.parse("40ms@64x48"), GRAY, Console(quiet=True))
    assert amount == 40
    default = Architecture.parse("FPFF-FFFF", width=8, unshuffle=2, **fixed_fields(GRAY))
    assert cost(default) == pytest.approx(int(cost(default))) and 5 < cost(default) < 40


def test_a_table_of_another_device_is_measured_again_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(budget_cost, "peak_macs", lambda *_: 1e9)
    times = itertools.count()

    def timed(run: object, size: ImageSize, *_: float) -> Latency:
        next(times)
        return Latency(size, (0.001, 0.001))

    monkeypatch.setattr(latency_table, "time_runs", timed)
    monkeypatch.setattr(Watch, "busy", False)
    budget = Budget.parse("60ms@64x48")
    for name, said in (("first", False), ("first", False), ("second", True)):
        monkeypatch.setattr(latency_table, "device_name", lambda device, name=name: name)
        before = next(times)
        console = Console(width=200)
        cost_of_networks(budget, GRAY, console)
        out = capsys.readouterr().out
        assert ("measured again, since it was measured with another device first, now second" in out) == said
        assert out.count("measured again") == said
        measured = next(times) - before > 2
        assert measured == (name == "second" or before == 0)


def test_a_busy_machine_is_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(latency_table, "time_runs", lambda run, size, *_: Latency(size, (0.001, 0.001)))
    monkeypatch.setattr(budget_cost, "peak_macs", lambda *_: 1e9)
    for busy in (True, False):
        monkeypatch.setattr(Watch, "busy", busy)
        console = Console(file=io.StringIO(), width=500)
        cost_of_networks(Budget.parse("40ms@64x48"), GRAY, console)
        said = console.file.getvalue()  # type: ignore[attr-defined]
        assert said.count("keep this machine busy") == busy


@pytest.mark.parametrize(
    ("precision", "timed", "said"), [("auto", "fp32", 1), ("fp32", "fp32", 0), ("bf16", "bf16", 0)]
)
def test_times_hold_for_images_of_any_depth_unless_the_precision_is_stated(
    precision: str, timed: str, said: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(latency_table, "time_runs", lambda run, size, *_: Latency(size, (0.001, 0.001)))
    monkeypatch.setattr(budget_cost, "peak_macs", lambda *_: 1e9)
    monkeypatch.setattr(budget_cost, "choose_precision", lambda *_: "bf16")
    monkeypatch.setattr(Watch, "busy", False)
    console = Console(file=io.StringIO(), width=500)
    recipe = dataclasses.replace(GRAY, precision=precision)
    cost_of_networks(Budget.parse("40ms@64x48"), recipe, console)
    (file,) = (tmp_path / "clearer").iterdir()
    assert json.loads(file.read_text())["valid_for"]["precision"] == timed
    assert console.file.getvalue().count("--set precision=bf16") == said  # type: ignore[attr-defined]
