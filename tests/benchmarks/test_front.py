"""The front of denoisers: turns and ratios, what is measured again, estimates, the figure and the table."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import clearer
from clearer.evaluation.robustness import image_lists
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights
from helpers.photos import write_photos

ROOT = Path(__file__).parents[2]
NAMES = ("front", "front_speed", "front_quality", "front_figure", "front_networks", "runtimes", "dncnn", "ffdnet")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The modules of the benchmark, without published weights and with PyTorch alone."""
    monkeypatch.delenv("CLEARER_SHARED", raising=False)
    for folder in ("benchmarks", "tools"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    found = SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES[:5]})
    found.table = importlib.import_module("result_tables.front").front_table
    monkeypatch.setattr(found.front_speed, "RUNTIMES", (("PyTorch", "bf16"),))
    yield found
    for name in [name for name in sys.modules if name in NAMES or name.split(".")[0] == "result_tables"]:
        del sys.modules[name]


def turn(modules: SimpleNamespace, name: str, runtime: str = "PyTorch", side: int = 100) -> Any:
    return modules.front_speed.Turn(name, runtime, "bf16", np.zeros((side, side), np.float32), lambda x: x)


@pytest.mark.parametrize(("runtime", "a_round"), [("PyTorch", "aabbcc"), ("OpenVINO", "abc")])
def test_all_take_turns_after_one_run_that_is_not_timed(modules: SimpleNamespace, runtime: str, a_round: str) -> None:
    order: list[str] = []
    turns = {name: turn(modules, name, runtime) for name in "abc"}

    def run(name: str) -> None:
        if order.count(name) == 0:
            time.sleep(0.1)
        order.append(name)

    runs = {one: lambda name=name: run(name) for name, one in turns.items()}
    seconds = modules.front_speed.in_turns(runs, 3, lambda text: None)
    assert "".join(order) == "abc" + a_round * 3
    assert all(len(found) == 3 and max(found) < 0.1 for found in seconds.values())


def test_ratios_are_those_to_ffdnet_in_the_same_runtime(modules: SimpleNamespace) -> None:
    ours, ffdnet, large = (turn(modules, name, side=side) for name, side in (("a", 100), ("FFDNet", 100), ("b", 200)))
    alone = turn(modules, "a", "ONNX Runtime")
    found = modules.front_speed.rows_of({ours: [1, 9, 2], ffdnet: [4, 3, 5], large: [4, 4, 4], alone: [1, 1, 1]})
    assert [row["ms_per_megapixel"] for row in found] == [2e5, 4e5, 1e5, 1e5]
    assert [row["ratio_to_ffdnet"] for row in found] == [2, 1, 4, None]


def test_a_model_that_is_slower_than_its_tier_is_named(modules: SimpleNamespace) -> None:
    ratios = {"denoise-gray-fast": 2.9, "denoise-gray": 1.0, "denoise-color-best": 0.2, "denoise-gray@2026-11": 0.1}
    rows = [
        {"name": name, "runtime": "PyTorch", "precision": "bf16", "ratio_to_ffdnet": x} for name, x in ratios.items()
    ]
    rows.append({"name": "denoise-gray", "runtime": "OpenVINO", "precision": "bf16", "ratio_to_ffdnet": 0.5})
    found = modules.front_speed.below_tier(rows)
    assert [line.split(":")[0] for line in found] == ["denoise-gray-fast", "denoise-color-best"]
    assert "2.90" in found[0] and "3 or more" in found[0]


def row(name: str, each: list[float], precision: str = "fp32") -> dict[str, Any]:
    facts = {"name": name, "precision": precision, "protocol": "gray-awgn-25", "images": len(each)}
    return {**facts, "psnr": sum(each) / len(each), "each": each}


def test_a_denoiser_of_the_first_images_is_placed_by_its_difference_from_ffdnet(modules: SimpleNamespace) -> None:
    rows = [row("FFDNet", [30, 32, 25, 25]), row("BM3D", [29, 31.5]), row("a", [20, 20, 20, 24]), row("a", [1], "bf16")]
    found = modules.front_quality.means(rows, 1, 4)
    error = np.std([-1, -0.5], ddof=1) / np.sqrt(2) * np.sqrt(1 - 2 / 4)
    assert found["BM3D"] == {"fp32": {"images": 2, "25": 28 - 0.75, "errors": {"25": pytest.approx(error, abs=1e-4)}}}
    assert found["a"] == {"fp32": {"images": 4, "25": 21}}


def test_the_front_leaves_out_what_another_beats(modules: SimpleNamespace) -> None:
    points = [("d", 3.0, 27.0), ("a", 1.0, 30.0), ("b", 2.0, 29.0), ("c", 1.5, 28.0), ("e", 2.0, 28.5)]
    assert [name for name, *_ in modules.front_figure.front(points)] == ["a", "b", "d"]


def weights(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    network = RestorationNetwork(Architecture.parse("PP", channels=1, width=4, residual=True))
    save_weights(path, network, ModelCard(name=path.stem))
    return path


def key_of(value: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["name"], one["protocol"], one["precision"]) for one in value["quality"]]


@pytest.mark.slow
def test_only_what_is_missing_or_changed_is_measured(
    modules: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = write_photos(tmp_path / "photos", ("camera.png", "moon.png", "coffee.png"), side=48)
    models = [weights(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate("ab")]
    out, figure = tmp_path / "front-gray.json", tmp_path / "front-gray.png"
    timed, scored = [], []
    evaluate, in_turns = modules.front_quality.evaluate, modules.front_speed.in_turns

    def evaluated(restore: Any, items: Any, protocol: str) -> Any:
        scored.append(protocol)
        return evaluate(restore, items, protocol)

    monkeypatch.setattr(modules.front_quality, "evaluate", evaluated)
    monkeypatch.setattr(
        modules.front_speed, "in_turns", lambda runs, *more: timed.append(runs) or in_turns(runs, *more)
    )

    def run(*more: str) -> tuple[int, int]:
        timed.clear()
        scored.clear()
        given = ["gray", *map(str, models), str(models[0]), "--data", str(photos), "--size", "64x48", "--rounds", "2"]
        given += ["--bm3d-images", "0", "-o", str(out), "--figure", str(figure), *more]
        monkeypatch.setattr(sys, "argv", ["front.py", *given])
        modules.front.main()
        return len(timed), len(scored)

    assert run() == (1, 12)  # two models, three levels, two precisions
    assert len(timed[0]) == len({(one.name, one.runtime, one.precision) for one in timed[0]}) == 4
    value = json.loads(out.read_text())
    assert value["images"] == 3 and len(value["speed"]["rows"]) == 4 and not value["speed"]["left_out"]
    for name in "ab":
        for precision in ("fp32", "bf16"):
            assert 5 < value["psnr"][name][precision]["50"] < value["psnr"][name][precision]["15"] < 30
    with Image.open(figure) as drawn:
        assert drawn.width > 900 and figure.stat().st_size < 100_000
    table = modules.table(value)
    assert f"{value['psnr']['a']['fp32']['25']:.2f}" in table and "| FFDNet |" in table
    figure.unlink()
    assert run() == (0, 0) and figure.is_file()
    assert run("--again", "speed") == (1, 0)
    assert run("--again", "quality", "--parts", "quality") == (0, 12)
    assert run("--parts", "figure") == (0, 0)
    assert key_of(json.loads(out.read_text())) == key_of(value)
    assert "--again" not in json.loads(out.read_text())["command"]
    models[1] = weights(models[1], seed=7)
    assert run("--parts", "quality") == (0, 6)
    assert run() == (1, 0)


def test_one_that_fails_in_a_runtime_costs_its_row_alone(
    modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_runtime = modules.front_speed.in_runtime

    def failing(denoiser: Any, *more: Any) -> Any:
        if denoiser.name == "DnCNN":
            raise RuntimeError("out of\nmemory")
        return in_runtime(denoiser, *more)

    monkeypatch.setattr(modules.front_speed, "in_runtime", failing)
    compared, size = modules.front_networks.denoisers(1, [], False), modules.front.ImageSize(64, 48)
    turns, left_out = modules.front_speed.prepared(compared, 1, size, 1, Path(), lambda text: None)
    assert [one.name for one in turns] == ["FFDNet"]
    assert left_out == [{"name": "DnCNN", "runtime": "PyTorch bf16", "why": "out of memory"}]


@pytest.mark.parametrize(("name", "channels"), [("FFDNet", 1), ("FFDNet", 3), ("DnCNN", 1)])
@pytest.mark.slow
def test_an_exported_network_restores_as_it_does_in_pytorch(
    modules: SimpleNamespace, name: str, channels: int, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    image = np.random.default_rng(0).random((34, 46, channels), np.float32).reshape((34, 46) + (3,) * (channels > 1))
    denoiser = modules.front_networks.Denoiser(name, "published", "told", "")
    found = []
    for where in (("PyTorch", "fp32"), ("ONNX Runtime", "fp32")):
        torch.manual_seed(0)
        found.append(modules.front_speed.in_runtime(denoiser, channels, where, 1, tmp_path)(image))
    assert found[0].shape == image.shape and found[0].std() > 1e-3
    assert np.abs(found[0] - found[1]).max() < 1e-5


def test_dncnn_computes_what_its_published_layers_do(modules: SimpleNamespace, tmp_path: Path) -> None:
    dncnn, rng = sys.modules["dncnn"], np.random.default_rng(0)
    widths = [1, *[dncnn.WIDTH] * (dncnn.LAYERS - 1), 1]
    layers = [
        (rng.normal(0, 0.05, (b, a, 3, 3)).astype(np.float32), rng.normal(0, 0.05, b).astype(np.float32))
        for a, b in itertools.pairwise(widths)
    ]
    np.savez(
        tmp_path / "w.npz",
        **{f"{n}{i:02d}": v for i, pair in enumerate(layers) for n, v in zip("wb", pair, strict=True)},
    )
    x = y = torch.rand(2, 1, 9, 11)
    for i, (weight, bias) in enumerate(layers):
        y = torch.nn.functional.conv2d(y, torch.from_numpy(weight), torch.from_numpy(bias), padding=1)
        y = y.relu() if i < len(layers) - 1 else y
    with torch.no_grad():
        assert torch.allclose(dncnn.DnCNN().load_published(tmp_path / "w.npz")(x), x - y, atol=1e-5)


def test_cbsd68_is_found_among_the_images_of_bsds500(
    modules: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARER_SHARED", str(tmp_path))
    (tmp_path / "data" / "bsds500").mkdir(parents=True)
    found = modules.front_quality.images_of("cbsd68")
    names = [item.name for item in found]
    assert len(names) == 68 and names == sorted(names)
    assert {str(item.clean.relative_to(tmp_path / "data")) for item in found} == set(image_lists()["bsd68"])
    with pytest.raises(SystemExit, match=r"set13.*CLEARER_SHARED"):
        modules.front_quality.images_of("set13")


def test_what_a_card_or_another_page_states_is_not_measured_again(modules: SimpleNamespace) -> None:
    known = modules.front_networks.denoisers(1, ["denoise-gray"], False)
    ours, dncnn = (next(one for one in known if one.name == name) for name in ("denoise-gray", "DnCNN"))
    stated = next(one for one in clearer.load("denoise-gray", "cpu").card.results if one.protocol == "gray-awgn-25")
    recorded = modules.front_quality.recorded
    row = recorded(ours, "gray-awgn-25", "fp32", stated.data, stated.images)
    assert row["psnr"] == pytest.approx(stated.psnr, abs=1e-4) and row["digest"] == ours.digest
    assert modules.front_quality.is_measured(row, ours, "gray-awgn-25", "fp32", stated.images)
    assert recorded(dncnn, "gray-awgn-50", "fp32", "bsd68", 68)["psnr"] == pytest.approx(26.22, abs=0.005)
    for one, *other in (
        (ours, "gray-awgn-25", "bf16", stated.data, stated.images),
        (ours, "gray-awgn-25", "fp32", "others", stated.images),
        (ours, "gray-awgn-25", "fp32", stated.data, 2),
        (dncnn, "gray-awgn-50", "bf16", "bsd68", 68),
        (dncnn, "gray-awgn-25", "fp32", "bsd68", 68),
    ):
        assert recorded(one, *other) is None


def test_two_calls_may_measure_one_part_each(modules: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "front.json"
    empty = {"channels": 1, "images": 0, "speed": None, "quality": []}
    modules.front.save(out, {**empty, "images": 2, "quality": [row("a", [30, 31])]}, "quality")
    modules.front.save(out, {**empty, "speed": {"rounds": 5}}, "speed")
    modules.front.save(out, {**empty, "images": 2, "quality": [row("b", [20, 21])]}, "quality")
    value = json.loads(out.read_text())
    assert value["speed"] == {"rounds": 5} and value["psnr"] == {"b": {"fp32": {"images": 2, "25": 20.5}}}


def test_the_commands_of_the_page_name_models_that_exist(
    modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    lines = re.findall(r"^python (benchmarks/front\.py .*)$", page, re.MULTILINE)
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        given = modules.front.arguments()
        named = modules.front_networks.denoisers(modules.front.CHANNELS[given.kind], given.names, False)
        assert [one.name for one in named if one.kind == "ours"] == given.names
        assert given.out == Path(f"docs/results/front-{given.kind}.json")
        assert given.figure == Path(f"docs/images/front-{given.kind}.png")
        assert modules.front.command(sys.argv[1:]) == f"python {line}"
        if (ROOT / given.out).exists():
            assert json.loads((ROOT / given.out).read_text())["command"] == f"python {line}"
    assert len(lines) == 2
