"""Benchmarks and tools: the reference network equals ours, every script starts, and one line of speed."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from clearer.network.architecture import SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.network.supernet import Supernet
from clearer.search.objectives import architecture_loss
from helpers.networks import converged

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
NO_SCRIPTS = {"reference.py", "ffdnet.py", "workloads.py", "baselines.py"}  # imported by scripts, or METHODS of `--also`
SCRIPTS = sorted(
    path.relative_to(ROOT)
    for folder in (BENCHMARKS, ROOT / "tools")
    for path in folder.rglob("*.py")
    if path.name not in NO_SCRIPTS
)


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", BENCHMARKS / "speed" / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_every_script_starts_from_the_root_of_the_repository(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.setattr(sys, "path", [str((ROOT / script).parent), *sys.path])  # as Python does for a script
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage:")
    assert re.search(rf"^ *python {re.escape(str(script))}", out, re.MULTILINE), "the docstring shows no call"


def test_the_page_of_benchmarks_lists_every_file() -> None:
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    files = {str(path.relative_to(BENCHMARKS)) for kind in ("*.py", "*.sh") for path in BENCHMARKS.rglob(kind)}
    assert set(re.findall(r"\]\(([\w/]+\.(?:py|sh))\)", page)) == files


@pytest.mark.parametrize("letters", ["****-****-****", "FPPF-FFFF-PFFP"])
@pytest.mark.parametrize("training", [True, False])
def test_the_reference_is_the_same_network(letters: str, training: bool) -> None:
    torch.manual_seed(0)
    space = SearchSpace(width=4)
    ours = converged(
        Supernet(space) if "*" in letters else RestorationNetwork(space.architecture(letters.replace("-", "")))
    ).train(training)
    theirs = reference().Reference(letters, 4).train(training)
    theirs.load_state_dict(ours.state_dict())
    x, y = torch.rand(4, 1, 32, 32), torch.rand(4, 1, 32, 32)
    results = []
    for network in (ours, theirs):
        output = network(x)
        nn.functional.mse_loss(output, y).backward()
        results.append((output, torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])))
    for a, b in ((a.detach(), b.detach()) for a, b in zip(*results, strict=True)):
        assert float((a - b).abs().max()) < 1e-4 * float(b.abs().max())


@pytest.mark.slow
def test_the_reference_has_the_same_architecture_step() -> None:
    torch.manual_seed(0)
    ours = converged(Supernet(SearchSpace(width=4))).eval()
    assert isinstance(ours, Supernet)
    module = reference()
    theirs = module.Reference(width=4)
    theirs.load_state_dict(ours.state_dict())
    x, y = torch.rand(4, 1, 32, 32), torch.rand(4, 1, 32, 32)
    module.architecture_step(theirs, torch.optim.SGD([theirs.alpha], 1.0), x, y, lambda_arch=0.1)
    with ours.only_alpha():
        loss = nn.functional.mse_loss(ours(x), y) + 0.1 * architecture_loss(ours.mixing_weights)
        (gradient,) = torch.autograd.grad(loss, ours.alpha)
    moved = theirs.alpha.detach() - ours.alpha.detach()
    assert torch.allclose(moved, -gradient, atol=1e-4 * float(gradient.abs().max()))


@pytest.mark.slow
def test_a_line_of_speed() -> None:
    command = [sys.executable, str(BENCHMARKS / "speed" / "speed.py"), "data", "--rounds", "2", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = json.loads(done.stdout)
    assert line["work"] == "data" and line["patches_per_second"] > 0
    assert line["ours"]["seconds"] > 0 and line["reference"]["seconds"] > 0
    assert line["ratio_to_reference"] == pytest.approx(line["reference"]["seconds"] / line["ours"]["seconds"], rel=0.1)
