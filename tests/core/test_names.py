"""Names of files that are not UTF-8: no output fails for them, and JSON and recipes name the same file again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from clearer.core.files import read_json, utf8_path, write_json, write_text
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.recipe.load import load_recipe
from clearer.report.comparison import Sample, comparison
from clearer.report.figures import save_figure
from clearer.runs.layout import RunFolder
from clearer.training.checkpoints import load_checkpoint, save_checkpoint
from clearer.training.tensorboard import tensorboard_log
from clearer.zoo.weights import load_weights, save_weights

NAME = "caf\udce9"  # b"caf\\xe9" as Python names it
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere refuse such names")


def network() -> RestorationNetwork:
    return RestorationNetwork(Architecture.parse("P-F", width=4))


def test_text_and_json_hold_such_names(tmp_path: Path) -> None:
    write_text(tmp_path / NAME, f"<p>{NAME}</p>")
    assert (tmp_path / NAME).read_text() == "<p>caf\\udce9</p>"
    write_json(tmp_path / f"{NAME}.json", {"file": NAME})
    assert read_json(tmp_path / f"{NAME}.json") == {"file": NAME}


def test_a_recipe_names_the_same_folder_again() -> None:
    recipe = load_recipe("denoise-gray", {"data.folder": NAME})
    assert yaml.safe_load(recipe.to_yaml().encode()) == recipe.to_dict()


def test_weights_and_checkpoints_are_read_again(tmp_path: Path) -> None:
    made = network()
    save_weights(tmp_path / NAME / "model.safetensors", made, {})
    found, _ = load_weights(tmp_path / NAME / "model.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(made.state_dict().values(), found.state_dict().values(), strict=True))
    save_checkpoint(tmp_path / NAME, 3, {"step": 3})
    assert load_checkpoint(tmp_path / NAME, pytest.fail) == {"step": 3}


def test_tensorboard_writes_to_such_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with tensorboard_log(tmp_path / NAME, True) as log:
        assert log is not None
        log("train", {"epoch": 1, "step": 2, "loss": 0.5})
    assert [p.name.split(".")[0] for p in (tmp_path / NAME / "train").iterdir()] == ["events"]


def test_names_in_utf8_are_not_linked(tmp_path: Path) -> None:
    with utf8_path(tmp_path / "café.png") as path:
        assert path == tmp_path / "café.png"
    (tmp_path / f"{NAME}.mp4").write_bytes(b"x")
    with utf8_path(tmp_path / f"{NAME}.mp4") as path:
        assert path.read_bytes() == b"x" and path.suffix == ".mp4" and str(path).encode()
    assert not path.exists()


def test_figures_show_such_names(tmp_path: Path) -> None:
    image = np.zeros((32, 32, 1), np.uint8)
    save_figure(comparison([Sample(f"{NAME}.png", image, image, image)]), tmp_path / "a.svg")
    assert "caf\\udce9.png" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_commands_print_such_names_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    for k in range(3):
        noise = np.random.default_rng(k).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(noise).save((folder / f"{NAME}{k}.png").open("wb"), "PNG")
    save_weights(folder / "model.safetensors", network(), {})
    out = tmp_path / f"o{NAME}"
    script = """
import sys
from clearer.cli.main import main
for arguments in sys.argv[1].split("|"):
    sys.argv = ["clearer", *arguments.split(";")]
    try:
        main()
    except SystemExit as end:
        print("status", end.code)
"""
    model = str(folder / "model.safetensors")
    calls = [["doctor", str(folder)], ["restore", model, str(folder), "-o", str(out)]]
    calls += [
        ["restore", model, str(folder), "-o", str(out), "--json"],
        ["restore", model, str(folder / NAME), "-o", "x"],
    ]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    arguments = "|".join(";".join(call) for call in calls)
    done = subprocess.run([sys.executable, "-c", script, arguments], capture_output=True, env=environment, check=True)
    text, errors = done.stdout.decode(encoding), done.stderr.decode(encoding, "replace")
    assert [line for line in text.splitlines() if line.startswith("status")] == [f"status {k}" for k in (0, 0, 0, 2)]
    assert "Traceback" not in errors and "caf\\udce9: no such file" in errors
    written = next(json.loads(line)["written"] for line in text.splitlines() if line.startswith("{"))
    assert [Path(path).exists() for path in written] == [True] * 3


def test_a_run_folder_lists_such_images(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_json(folder.images, {"train": [f"{NAME}.png"]})
    assert folder.read_images() == {"train": [f"{NAME}.png"]}
