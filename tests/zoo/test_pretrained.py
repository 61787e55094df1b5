"""Pretrained models: complete, small, described, and better than no restoration."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import clearer
from clearer.core.errors import UserError
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.rain import Rain
from clearer.images.view import read_image
from clearer.inference.restorer import Restorer
from clearer.web.offered import about
from clearer.zoo.card_text import cost_line
from clearer.zoo.locate import find_models, located
from clearer.zoo.names import ModelName, is_for_use
from clearer.zoo.weight_metadata import read_architecture
from clearer.zoo.weights import load_weights, save_weights
from helpers.command import clearer as command
from helpers.photos import SHIPPED, photograph

ROOT = Path(__file__).parents[2]
NAMES = sorted(find_models())
LARGEST, LARGEST_OF_BEST = 6_500_000, 15_000_000
COFFEE = np.ascontiguousarray(read_image(SHIPPED / "coffee.png", 3)[72:328, 172:428])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_all_models_are_found() -> None:
    blind, paper = (
        {"denoise-gray", "denoise-gray-fast", "denoise-gray-medium", "denoise-color", "denoise-color-fast"},
        {f"denoise-gray-{s}{found}" for s in (30, 50, 70) for found in ("", "-searched")},
    )
    assert blind | paper | {"derain", "derain-searched"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_small_half_precision_and_described(name: str) -> None:
    path = find_models()[name].path
    assert path.stat().st_size <= (LARGEST_OF_BEST if ModelName.parse(name).tier == "best" else LARGEST)
    with safe_open(path, "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} <= {torch.float16, torch.int64}  # noqa: SIM118
    restorer = clearer.load(name, "cpu", "fp32")
    assert {p.dtype for p in restorer.network.parameters()} == {torch.float32}
    card = restorer.card
    assert card["name"] == name and card["data"] and card["limits"] and card["license"] and card["description"]
    assert card["results"] and all(r["psnr"] > r["input_psnr"] for r in card["results"])
    assert about(restorer.architecture, card).startswith(("For ", "Color and gray ", "Gray images "))


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_and_the_results_agree_with_the_file(name: str) -> None:
    folder, path = ROOT / "models" / name, find_models()[name].path
    text = (folder / "README.md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    assert f"## Cost\n\n{cost_line(*read_architecture(path))}\n" in text, "run python tools/make_models.py"
    assert re.match(r"For (color and gray |color |gray )?(images|photographs) ", text.splitlines()[2])
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) > 1 and (folder / "recipe.yaml").is_file()
    results = [json.loads(file.read_text()) for file in sorted((folder / "results").glob("*.json"))]
    stated = clearer.load(name, "cpu").card["results"]
    assert [(r["protocol"], r["psnr"]) for r in results] == [(r["protocol"], r["psnr"]) for r in stated]
    for result in results:
        assert result["command"].startswith("clearer evaluate ") and f"{result['psnr']:.2f}" in text


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("denoise")])
def test_a_denoiser_denoises_a_photograph(name: str) -> None:
    restorer = clearer.load(name, "cpu")
    color = restorer.architecture.channels == 3
    clean = COFFEE if color else photograph("camera.png", 256)
    noise = restorer.card["degradation"]
    single = isinstance(noise.get("sigma"), float)
    noisy = Gaussian(noise["sigma"] if single else 50.0, noise.get("clip8", False)).degrade_image(clean, 0, 0)
    before = psnr(np.clip(noisy, 0, 1) * 255, clean)
    assert psnr(restorer.restore(noisy) * 255, clean) > before + 8


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("derain")])
def test_a_derainer_derains_a_photograph(name: str) -> None:
    restorer = clearer.load(name, "cpu")
    clean = torch.from_numpy(COFFEE.astype(np.float32) / 255).permute(2, 0, 1)[None]
    rainy = Rain(density=(0.005, 0.005), brightness=(0.4, 0.4)).apply(clean, torch.Generator().manual_seed(1))
    restored = restorer.restore(rainy)
    assert psnr(restored.numpy() * 255, clean.numpy() * 255) > psnr(rainy.numpy() * 255, clean.numpy() * 255) + 1


@pytest.mark.slow
def test_the_verbs_take_names(tmp_path: Path) -> None:
    name = "denoise-gray"
    listed = json.loads(command("models", "--all", "--json", "--no-measure").out.splitlines()[-1])["models"]
    assert [model["name"] for model in listed] == NAMES == [model["name"] for model in clearer.models()]
    offered = json.loads(command("models", "--json", "--no-measure").out.splitlines()[-1])["models"]
    assert [model["name"] for model in offered] == [name for name in NAMES if is_for_use(name)]
    assert name in command("models", "--no-measure").out
    described = json.loads(command("describe", name, "--json").out.splitlines()[-1])
    assert described["card"]["name"] == name
    assert described["macs_per_pixel"] == listed[NAMES.index(name)]["macs_per_pixel"]
    Image.fromarray(photograph("camera.png", 64)[:, :, 0]).save(tmp_path / "a.png")
    ended = command("restore", name, tmp_path / "a.png", "-o", tmp_path / "b.png")
    assert ended.status == 0 and (tmp_path / "b.png").is_file(), ended.err


def test_an_existing_run_takes_precedence_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = NAMES[0]
    assert located(name) == find_models()[name].path
    (tmp_path / name).mkdir()
    assert located(name) == find_models()[name].path  # an empty folder is no run
    shutil.copy(find_models()[name].path, tmp_path / name / "model.safetensors")
    assert located(name) == Path(name) / "model.safetensors"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"denoise-grey: no such .* \(did you mean 'denoise-gray'"):
        located("denoise-grey")


def test_saving_half_keeps_the_architecture_and_rounds_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = clearer.RestorationNetwork(clearer.Architecture.parse("PF-FP", width=12)).eval()
    save_weights(tmp_path / "half.safetensors", network, {}, half=True)
    save_weights(tmp_path / "full.safetensors", network, {})
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    found, _ = load_weights(tmp_path / "half.safetensors")
    for key, value in network.state_dict().items():
        wanted = value.half().float() if value.is_floating_point() else value
        assert torch.equal(found.state_dict()[key], wanted)
    image = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    pair = [Restorer(n, device="cpu", precision="fp32").restore(image).astype(int) for n in (network, found)]
    assert np.abs(pair[0] - pair[1]).max() <= 1
