"""Benchmarks and tools: the reference network equals ours, every script starts, and one line of speed."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from clearer.evaluation.metrics import psnr
from clearer.network.architecture import SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.network.supernet import Supernet
from clearer.recipe.schema import OptimizerSettings, TrainSettings
from clearer.search.objectives import architecture_loss
from clearer.zoo.weights import load_weights
from helpers.networks import converged
from helpers.photos import photograph

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
NO_SCRIPTS = {
    "reference.py",
    "ffdnet.py",
    "dncnn.py",
    "front_networks.py",
    "front_speed.py",
    "front_quality.py",
    "front_figure.py",
    "workloads.py",
    "baselines.py",
    "models_page.py",
    "brief_training.py",
    "graph_step.py",
    "graph_search.py",
}  # imported, or METHODS of `--also`; tools/site is for mkdocs
SCRIPTS = sorted(
    path.relative_to(ROOT)
    for folder in (BENCHMARKS, ROOT / "tools")
    for path in folder.rglob("*.py")
    if path.name not in NO_SCRIPTS and path.parent.name != "site" and not (path.parent / "__init__.py").exists()
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


def ffdnet() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ffdnet", BENCHMARKS / "speed" / "ffdnet.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def phases(x: torch.Tensor) -> torch.Tensor:
    """Return the four half-size phases of each channel, in the column-major order of the published weights."""
    return torch.stack([x[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)], 2).flatten(1, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_ffdnet_reads_weights_whose_phases_stand_in_column_major_order(channels: int, tmp_path: Path) -> None:
    module, rng = ffdnet(), np.random.default_rng(0)
    count, width = module.SIZES[channels]
    widths = [4 * channels + 1, *[width] * (count - 1), 4 * channels]
    layers = [
        (rng.normal(0, 0.05, (b, a, 3, 3)).astype(np.float32), rng.normal(0, 0.05, b).astype(np.float32))
        for a, b in itertools.pairwise(widths)
    ]
    np.savez(
        tmp_path / "w.npz",
        **{f"{n}{i:02d}": v for i, pair in enumerate(layers) for n, v in zip("wb", pair, strict=True)},
    )
    x = torch.rand(2, channels, 8, 10)
    y = torch.cat([phases(x), torch.full((2, 1, 4, 5), 25 / 255)], 1)
    for i, (weight, bias) in enumerate(layers):
        y = nn.functional.conv2d(y, torch.from_numpy(weight), torch.from_numpy(bias), padding=1)
        y = y.relu() if i < count - 1 else y
    with torch.no_grad():
        found = module.FFDNet(channels).load_published(tmp_path / "w.npz")(x, 25)
    assert torch.allclose(phases(found), y, atol=1e-5)


@pytest.mark.parametrize("name", ["ffdnet_gray", "ffdnet_color", "ffdnet_color_clip"])
def test_ffdnet_denoises_with_its_published_weights(name: str) -> None:
    module = ffdnet()
    path = module.published(name)
    if path is None:
        pytest.skip("CLEARER_SHARED names no folder with the published weights")
    channels = 1 if "gray" in name else 3
    clean = torch.from_numpy(photograph("coffee.png", 96)[..., :1] / 255).float().permute(2, 0, 1)[None]
    clean = clean.expand(-1, channels, -1, -1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 25 / 255
    noisy = (clean + noise).clamp(0, 1) if "clip" in name else clean + noise
    with torch.no_grad():
        restored = module.FFDNet(channels).load_published(path).eval()(noisy, 25)
    assert psnr(restored.clamp(0, 1), clean).item() > psnr(noisy.clamp(0, 1), clean).item() + 8


@pytest.mark.slow
def test_a_model_is_timed_beside_ffdnet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "speed"))
    workloads = importlib.import_module("workloads")
    counts = {}
    for kind in ("ours", "ffdnet-color", "ffdnet-gray"):
        (_, gflop), precision = workloads.prepare("restore-model", kind, "cpu", 0, "fp32", "denoise-color")
        counts[kind] = gflop * 1e6 / 2 / (1080 * 1920)
        assert precision == "fp32"
    assert counts == pytest.approx({"ours": 159.628, "ffdnet-color": 212.9, "ffdnet-gray": 121.1}, rel=0.01)


def tiny_training(tmp_path: Path) -> dict[str, Any]:
    """Return settings of a training that takes moments a step, with two images to train and validate on."""
    for part, name in (("train", "camera.png"), ("val", "coins.png")):
        (tmp_path / part).mkdir()
        Image.fromarray(photograph(name)[..., 0]).save(tmp_path / part / name)
    return {
        "architecture": "PP",
        "network.width": 4,
        "network.scales": 2,
        "network.modules_per_cell": 2,
        "data.train": str(tmp_path / "train"),
        "data.validation": str(tmp_path / "val"),
        "train.batch": 2,
        "train.patch": 16,
        "train.average": 0.9,
    }


def test_a_timed_training_ends_in_time_and_writes_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [f"--set={key}={json.dumps(value)}" for key, value in tiny_training(tmp_path).items()]
    out = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["", "denoise-gray", "--minutes", "0.02", "-o", str(out), *given])
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)  # set back after the test
    runpy.run_path(str(BENCHMARKS / "timed_training.py"), run_name="__main__")
    network, card = load_weights(out / "model.safetensors")
    result = json.loads((out / "train" / "result.json").read_text())
    assert card.steps == result["steps"] > 3
    assert 1.2 <= result["seconds"] < 6
    assert card.validation_psnr == result["psnr"]
    assert network.architecture.text == result["architecture"]


@pytest.mark.parametrize("in_loss", [True, False])
def test_a_timed_training_that_diverges_in_the_end_keeps_sound_weights(
    in_loss: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = runpy.run_path(str(BENCHMARKS / "timed_training.py"), run_name="timed")
    job, folder = timed["prepared"]("denoise-gray", tiny_training(tmp_path), 0.02, tmp_path / "run")
    plain = job.step

    def diverged(step: int) -> dict[str, torch.Tensor]:
        plain(step)
        with torch.no_grad():
            for weights in job.network.parameters():
                weights.fill_(torch.nan)
        return {"loss": torch.tensor(torch.nan)} if in_loss else {"loss": torch.tensor(0.1)}

    monkeypatch.setattr(job, "step", diverged)
    timed["train"](job, folder, 0.1, 0)
    _, card = load_weights(folder.weights)  # which refuses weights that are not finite
    assert card.validation_psnr is not None and math.isfinite(card.validation_psnr)
    lines = [json.loads(line) for line in folder.train.metrics.read_text().splitlines()]
    assert lines[-2]["diverged"] and lines[-2]["step"] == lines[-1]["step"] == card.steps


def test_a_timed_training_that_diverges_goes_back() -> None:
    timed = runpy.run_path(str(BENCHMARKS / "timed_training.py"), run_name="timed")
    network = nn.Conv2d(8, 8, 3)
    settings = TrainSettings(optimizer=OptimizerSettings(kind="muon", lr=0.004))
    context = SimpleNamespace(precision="fp32")
    job = SimpleNamespace(network=network, averaged=None, settings=settings, context=context, optimizer=None)
    anchor = timed["Anchor"](job)
    assert anchor.holds(0.1) and anchor.holds(0.2)
    before = network.weight.detach().clone()
    with torch.no_grad():
        network.weight.fill_(torch.nan)
    for loss in (math.nan, math.inf, 0.31):
        assert not anchor.holds(loss)
    anchor.back()
    assert torch.equal(network.weight, before) and job.settings.optimizer.lr == 0.002
    assert job.optimizer.param_groups[0]["params"][0] is network.weight
