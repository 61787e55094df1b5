"""The command line: its face, its verbs on a tiny run, and one line for every fault that a user can mend."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer.main
from PIL import Image
from safetensors.numpy import load_file, save_file

import clearer
from clearer.cli import app as cli
from clearer.core.errors import Interrupted
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.network.receptive_field import receptive_field
from clearer.pipeline import evaluate as measure
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command
from helpers.command import settings
from helpers.photos import photograph, write_photos
from helpers.recipes import TINY

ROOT = Path(__file__).parents[2]


# The face. A change here changes what users' programs and scripts rely on.

PYTHON = {
    "Architecture": "(*, cells, channels=1, width=32, operations='supplement', norm='batch', residual=False, "
    "unshuffle=1)",
    "Recipe": None,  # settings are listed by `clearer fit --show`
    "RestorationNetwork": "(architecture)",
    "Restorer": "(network, card=None, *, device='auto', precision='auto')",
    "SearchSpace": "(*, channels=1, width=32, scales=4, modules_per_cell=4, operations='supplement', norm='batch', "
    "residual=False, unshuffle=1)",
    "Supernet": "(space, fusion_input='same')",
    "UserError": None,
    "__version__": None,
    "describe": "(target, **fields)",
    "evaluate": "(model, data, protocol, *, limit=None, ensemble=False, seed=0, layout='auto', device='auto', "
    "precision='fp32', out=None, progress=None)",
    "export": "(model, *, onnx=None, pt2=None, half=False, int8=False, calibrate=None, layout='auto')",
    "fit": "(recipe, out=None, overrides=None, *, stages=('search', 'train', 'evaluate'), tensorboard=False, "
    "console=None)",
    "load": "(name_or_path, device='auto', precision='auto')",
    "load_recipe": "(name_or_path, overrides=None)",
    "models": "()",
    "verdict": "(run, out=None, *, budget='full', overrides=None, seeds=2, random=4, sample=None, patches=128, "
    "statistics='batch', jobs=None, train=True, console=None)",
}

FITTING = {
    "--out", "--set", "--data", "--clean", "--degraded", "--train", "--validation", "--test", "--architecture",
    "--start", "--tensorboard", "--show", "--json",
}  # fmt: skip
VERBS = {
    "fit": FITTING,
    "search": FITTING,
    "train": FITTING,
    "quickstart": {"--out", "--set", "--json"},
    "evaluate": {
        "--protocol", "--data", "--clean", "--degraded", "--limit", "--ensemble", "--seed", "--out", "--precision",
        "--device", "--json",
    },
    "restore": {
        "--out", "--ensemble", "--tile", "--overlap", "--color", "--strength", "--range", "--format", "--depth",
        "--quality", "--recursive", "--pattern", "--skip-existing", "--precision", "--device", "--json",
    },
    "export": {"--onnx", "--torch", "--half", "--int8", "--calibrate", "--layout", "--json"},
    "describe": {"--operations", "--channels", "--width", "--norm", "--residual", "--unshuffle", "--out", "--json"},
    "doctor": {"--clean", "--degraded", "--layout", "--clean-side", "--json"},
    "models": {"--json"},
    "recipes": {"--json"},
    "reproduce": set(),
    "verdict": {
        "--out", "--budget", "--seeds", "--random", "--sample", "--patches", "--statistics", "--train", "--jobs",
        "--set", "--json",
    },
    "compare-protocols": {
        "--data", "--sigma", "--also", "--limit", "--seed", "--device", "--precision", "--out", "--json",
    },
    "web": {"--model", "--host", "--port", "--max-megapixels", "--max-files", "--device", "--precision"},
}  # fmt: skip
EXPERIMENT = {"--out", "--data", "--train", "--validation", "--scale", "--jobs", "--set", "--json"}
METHODS = {
    "--out", "--models", "--also", "--classical", "--bsd500", "--rain800", "--sigma", "--ensemble", "--device",
    "--precision", "--json",
}  # fmt: skip
REPRODUCE = {
    "table1": {*EXPERIMENT, "--lambda", "--recipe"},
    "figures34": {"--denoise", "--derain", "--out", "--json"},
    "figures5-7": {*METHODS, "--image", "--images", "--protocol", "--crop"},
    "tables": {*METHODS, "--rain-y", "--limit", "--seed"},
    "ablations": {*EXPERIMENT, "--seeds", "--only"},
    "redraw": {"--json"},
}


def bare_signature(function: object) -> str:
    """Return a signature without annotations."""
    found = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_the_python_face_is_as_published():
    assert sorted(PYTHON) == sorted(clearer.__all__)
    assert set(PYTHON) <= set(dir(clearer))
    found = {name: bare_signature(getattr(clearer, name)) if form else None for name, form in PYTHON.items()}
    assert found == PYTHON


def test_the_verbs_and_their_options_are_as_published():
    verbs = typer.main.get_command(cli.app).commands
    for commands, known in ((verbs, VERBS), (verbs["reproduce"].commands, REPRODUCE)):
        options = {name: [o for p in verb.params for o in p.opts] for name, verb in commands.items()}
        assert {name: {o for o in found if o.startswith("--")} for name, found in options.items()} == known


def test_the_version_is_stated_once_more_in_pyproject():
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == clearer.__version__
    assert command("--version").out == f"clearer {clearer.__version__}\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = clearer.fitt


@pytest.mark.slow
def test_functions_are_not_hidden_by_modules_of_their_name():
    modules = "fit", "describe", "evaluate", "quickstart"
    code = "import clearer.cli.main, " + ", ".join(f"clearer.pipeline.{name}" for name in modules) + "\n"
    code += "assert all(callable(getattr(clearer, n)) for n in ('fit', 'describe', 'evaluate', 'load'))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_needs_nothing_heavy():
    program = [sys.executable, "-X", "importtime", "-m", "clearer", "--help"]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    heavy = {"torch", "numpy", "PIL", "matplotlib", "torchmetrics", "skimage", "gradio"}
    assert "clearer" in imported and not imported & heavy
    assert all(verb in ended.stdout for verb in VERBS)


# The verbs, on a run of a second or two.


@pytest.fixture(scope="module")
def run(tmp_path_factory, photos) -> Path:
    """A run of `clearer fit quickstart` with tiny settings."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    ended = command("fit", "quickstart", "--data", photos, "-o", folder, "--json", *settings(TINY))
    assert ended.status == 0, ended.err
    assert ended.json["architecture"] == json.loads((folder / "architecture.json").read_text())["architecture"]
    assert ended.json["parameters"] > 0 and ended.json["protocols"]["gray-awgn-50"]["images"] >= 1
    assert ended.json["protocols"]["gray-awgn-50"]["precision"] == "fp32"
    return folder


@pytest.mark.slow
def test_a_finished_fit_is_not_done_again(run, photos):
    before = (run / "model.safetensors").stat().st_mtime_ns
    ended = command("fit", "quickstart", "--data", photos, "-o", run, *settings(TINY))
    assert ended.status == 0, ended.err
    assert (run / "model.safetensors").stat().st_mtime_ns == before
    assert "gray-awgn-50" in ended.out


@pytest.mark.slow
def test_search_and_train_are_the_parts_of_fit(run, photos, tmp_path):
    options = ["quickstart", "--data", photos, "-o", tmp_path / "run", "--json", *settings(TINY)]
    assert "train" not in (searched := command("search", *options)).json, searched.err
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert command("train", *options).json["architecture"] == searched.json["architecture"]
    for name in ("model.safetensors", "last.safetensors"):
        mine, whole = (load_file(folder / name) for folder in (tmp_path / "run", run))
        assert mine.keys() == whole.keys() and all(np.array_equal(mine[key], whole[key]) for key in whole)


def test_train_takes_an_architecture_by_hand_and_an_explicit_split(tmp_path):
    names = ("astronaut.png", "camera.png", "coffee.png", "chelsea.png", "rocket.jpg", "moon.png")
    for part, few in (("train", names[:4]), ("validation", names[4:5]), ("test", names[5:])):
        write_photos(tmp_path / part, few)
    parts = [x for part in ("train", "validation", "test") for x in (f"--{part}", tmp_path / part)]
    out = tmp_path / "run"
    ended = command("train", "quickstart", *parts, "-o", out, "--architecture", "FP", "--json", *settings(TINY))
    assert (ended.json["architecture"], ended.json["protocols"]["gray-awgn-50"]["images"]) == ("FP", 1)
    assert not (out / "search").exists()


def test_evaluate_saves_its_table_in_the_run(run, photos):
    ended = command("evaluate", run, "--protocol", "gray-awgn-50", "--data", photos, "--limit", 2, "--json")
    result = ended.json
    place = run / "evaluation" / f"gray-awgn-50-{photos.parent.name}-photos-first2.json"
    assert result["saved"] == str(place)
    assert json.loads(place.read_text()) == {key: value for key, value in result.items() if key != "saved"}
    assert len(place.with_suffix(".csv").read_text().splitlines()) == 3
    assert {"model", "data", "architecture", "parameters", "macs_per_pixel", "device", "precision"} <= set(result)
    assert result["images"] == len(result["per_image"]) == 2
    assert 14 < result["input_psnr"] < 17  # sigma 50: 14.15 dB and what clamping takes away
    table = command("evaluate", run, "--protocol", "gray-awgn-50", "--data", photos, "--limit", 2)
    assert f"{result['input_psnr']:.2f}" in table.out and f"{result['psnr']:.2f}" in table.out
    again = clearer.evaluate(run, photos, "gray-awgn-50", limit=2)
    assert again["psnr"] == result["psnr"]


def test_where_results_go_by_default(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def place(model, **how):
        return measure.default_place(model, "sets/photos", "rain-y", **how)

    assert place(run, ensemble=True) == run / "evaluation" / "rain-y-sets-photos-ensemble.json"
    assert place(run / "model.safetensors") == run / "evaluation" / "rain-y-sets-photos.json"
    assert place(run / "last.safetensors", seed=3) == run / "evaluation" / "last-rain-y-sets-photos-seed3.json"
    outside = Path("evaluation/shared-net-rain-y-sets-photos-bf16.json")
    assert place("shared/net.safetensors", precision="bf16") == outside
    here = measure.default_place("net.safetensors", ".", "rain-y")
    assert here == Path(f"evaluation/net-rain-y-{tmp_path.name}.json")


def test_restore_a_image_and_a_folder(run, photos, tmp_path):
    assert command("restore", run, photos / "moon.png", "-o", tmp_path / "one.png").status == 0
    ended = command("restore", run / "model.safetensors", photos, "-o", tmp_path / "all", "--json")
    names = sorted(path.name for path in photos.iterdir())
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == names
    assert [Path(path).name for path in ended.json["written"]] == names
    one, moon = (np.asarray(Image.open(path)) for path in (tmp_path / "one.png", tmp_path / "all" / "moon.png"))
    assert np.array_equal(one, moon)
    assert np.array_equal(one, clearer.load(run).restore(photograph("moon.png")[..., 0]))
    ensemble = command("restore", run, photos / "moon.png", "-o", tmp_path, "--ensemble", "--json").json
    assert ensemble["written"] == [str(tmp_path / "moon.png")]
    assert not np.array_equal(one, np.asarray(Image.open(tmp_path / "moon.png")))


def test_restore_in_tiles_and_by_rows(run, photos, tmp_path, monkeypatch):
    whole, tiled = tmp_path / "whole.png", tmp_path / "tiled.png"
    assert command("restore", run, photos / "moon.png", "-o", whole, "--tile", "none").status == 0
    ended = command("restore", run, photos / "moon.png", "-o", tiled, "--tile", "32", "--overlap", "full", "--json")
    assert (ended.json["tile"], ended.json["overlap"]) == (32, receptive_field(clearer.load(run).architecture))
    expected = np.asarray(Image.open(whole)).astype(int)
    assert np.abs(np.asarray(Image.open(tiled)) - expected).max() <= 1
    monkeypatch.setattr("clearer.inference.large_tiff.LARGE", 80 * 80)
    monkeypatch.setattr("clearer.inference.files.read_file", None)  # it may not be read whole
    Image.open(photos / "moon.png").save(tmp_path / "moon.tif")
    assert command("restore", run, tmp_path / "moon.tif", "-o", tmp_path / "by-rows.tif").status == 0
    assert np.abs(np.asarray(Image.open(tmp_path / "by-rows.tif")) - expected).max() <= 1


def test_describe_doctor_and_recipes(run, photos, tmp_path):
    drawing = tmp_path / "drawn.svg"
    ended = command("describe", "FPPF-FFFF-PFFP", "--operations", "released", "-o", drawing, "--json")
    assert (ended.json["parameters"], ended.json["macs_per_pixel"]) == (6_073_536, 446_656)
    assert ended.json["drawing"] == str(drawing) and drawing.exists()
    assert "6,073,536" in ended.err and "cell 3 module 12 (parallel)" in ended.err
    assert command("describe", run, "--json").json["width"] == 4
    assert "7" in command("doctor", photos).out
    assert command("doctor", photos, "--json").json["parts"][0]["count"] == 7
    listed = command("recipes", "--json").json["recipes"]
    assert {"quickstart", "paper-denoise-50", "denoise-gray", "derain"} <= {entry["name"] for entry in listed}


def test_show_prints_a_recipe_that_reads_back(tmp_path):
    ended = command("fit", "derain", "--show", "--clean", "a", "--degraded", "b", "--set", "train.epochs=7")
    path = tmp_path / "mine.yaml"
    path.write_text(ended.out)
    recipe = clearer.load_recipe(path)
    assert recipe.train.epochs == 7
    assert recipe.to_dict()["data"]["folder"] == {"clean": "a", "degraded": "b"}
    # Options stand in place of all images that a recipe names.
    shown = command("search", path, "--show", "--json", "--train", "x", "--test", "y").json["data"]
    assert [shown[key] for key in ("folder", "train", "validation", "test")] == [None, "x", None, "y"]
    assert command("fit", path, "--show", "--json", "--test", "y").json["data"]["folder"]["clean"] == "a"


# What a user can do wrong: one line, status 2, nothing written.


@pytest.fixture(scope="module")
def bad_input(tmp_path_factory) -> Path:
    """A folder with all kinds of bad input in it."""
    here = tmp_path_factory.mktemp("bad") / "input"
    for name in ("photos", "torn", "small", "mixed", "clean", "degraded"):
        write_photos(here / name)
    write_photos(here / "few", ("moon.png",))
    (here / "empty").mkdir()
    gray, red = photograph("moon.png")[..., 0], np.zeros((80, 80, 3), np.uint8) + np.uint8([200, 30, 30])
    Image.fromarray(gray).save(here / "gray.png")
    Image.fromarray(gray).save(here / "cut.jpg", quality=95)
    Image.fromarray(red).save(here / "red.png")
    Image.fromarray(red).save(here / "mixed" / "red.png")
    Image.fromarray(gray[:12, :12]).save(here / "small" / "tiny.png")
    Image.fromarray(gray[:70]).save(here / "degraded" / "moon.png")
    for name, channels in (("gray", 1), ("cut", 1), ("color", 3)):
        network = RestorationNetwork(Architecture.parse("FP", width=2, channels=channels))
        save_weights(here / f"{name}.safetensors", network, {})
    save_file({"weight": np.zeros(3, np.float32)}, here / "foreign.safetensors")
    (here / "text.safetensors").write_text("not a weight file")
    (here / "recipe.yaml").write_text("network: {width: 4\n")
    for name in ("cut.jpg", "cut.safetensors"):
        whole = (here / name).read_bytes()
        (here / name).write_bytes(whole[: len(whole) // 2])
    shutil.copy(here / "cut.jpg", here / "torn" / "zebra.jpg")
    return here


@pytest.fixture
def place(bad_input, tmp_path, monkeypatch) -> Path:
    """A copy of it, to stand in."""
    shutil.copytree(bad_input, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


QUICK = ["quickstart", *settings(TINY)]
AWGN = ["--protocol", "gray-awgn-50"]

FAULTS = {
    "unknown recipe": (["fit", "quikstart"], ["quikstart", "did you mean 'quickstart'?"]),
    "missing recipe file": (["fit", "mine.yaml"], ["mine.yaml", "no such recipe file"]),
    "recipe that is no YAML": (["fit", "recipe.yaml"], ["recipe.yaml", "not readable as YAML"]),
    "unknown key": (["fit", "quickstart", "--set", "serch.epochs=1"], ["serch", "did you mean 'search'?"]),
    "unknown inner key": (["fit", *QUICK, "--set", "train.epoch=1"], ["train.epoch", "did you mean 'epochs'?"]),
    "value of a wrong type": (["fit", *QUICK, "--set", "train.epochs=many"], ["train.epochs", "'many'"]),
    "value out of range": (["fit", *QUICK, "--set", "train.epochs=0"], ["train.epochs", "0"]),
    "setting without a value": (["fit", *QUICK, "--set", "train.epochs"], ["--set train.epochs", "KEY=VALUE"]),
    "no images named": (["fit", *QUICK], ["no images are named", "--data FOLDER"]),
    "missing folder": (["fit", *QUICK, "--data", "nowhere"], ["nowhere", "no such folder"]),
    "empty folder": (["fit", *QUICK, "--data", "empty"], ["empty", "no images"]),
    "file for a folder": (["fit", *QUICK, "--data", "gray.png"], ["gray.png", "folder"]),
    "truncated jpeg": (["fit", *QUICK, "--data", "torn"], ["torn/zebra.jpg"]),
    "image smaller than a patch": (["fit", *QUICK, "--data", "small"], ["small/tiny.png", "12x12", "16x16"]),
    "color in a gray set": (["fit", *QUICK, "--data", "mixed"], ["mixed/red.png", "color"]),
    "gray in a color set": (
        ["fit", *QUICK, "--data", "photos", "--set", "network.channels=3", "--set", "evaluate.protocols=[]"],
        ["photos/", "gray"],
    ),
    "pairs of two sizes": (
        ["fit", *QUICK, "--clean", "clean", "--degraded", "degraded", "--set", "data.layout=pairs"],
        ["degraded/moon.png", "80x70", "80x80"],
    ),
    "pairs without partners": (
        ["fit", *QUICK, "--clean", "clean", "--degraded", "few", "--set", "data.layout=pairs"],
        ["no partner"],
    ),
    "one folder of two": (["fit", *QUICK, "--clean", "clean"], ["--clean, --degraded", "both"]),
    "folders named twice": (["fit", *QUICK, "--data", "photos", "--train", "photos"], ["--train", "split"]),
    "leak": (
        ["fit", *QUICK, "--train", "photos", "--validation", "clean", "--test", "few"],
        ["same clean image", "moon.png", "data.leaks=drop"],
    ),
    "protocol of other channels": (
        ["fit", *QUICK, "--data", "photos", "--set", "evaluate.protocols=[color-awgn-50]"],
        ["color-awgn-50", "network.channels"],
    ),
    "bad architecture": (["fit", *QUICK, "--data", "photos", "--architecture", "FX"], ["'FX'", "FPPF-FFFF-PFFP"]),
    "run where a file stands": (["fit", *QUICK, "--data", "photos", "-o", "gray.png/run"], ["gray.png/run"]),
    "run in a folder of other things": (["fit", *QUICK, "--data", "photos", "-o", "few"], ["few", "is not a run"]),
    "device that is not there": (["fit", *QUICK, "--data", "photos", "--set", "device=tpu"], ["device", "'tpu'"]),
    "restore by a missing model": (["restore", "no.safetensors", "gray.png", "-o", "a.png"], ["no.safetensors"]),
    "restore by a text file": (["restore", "text.safetensors", "gray.png", "-o", "a.png"], ["not a weight file"]),
    "restore by a foreign model": (["restore", "foreign.safetensors", "gray.png", "-o", "a.png"], ["not written by"]),
    "restore by a torn model": (["restore", "cut.safetensors", "gray.png", "-o", "a.png"], ["cut.safetensors"]),
    "restore by a folder of no run": (["restore", "photos", "gray.png", "-o", "a.png"], ["photos", "safetensors"]),
    "restore a missing image": (["restore", "gray.safetensors", "no.png", "-o", "a.png"], ["no.png", "no such"]),
    "restore a torn jpeg": (["restore", "gray.safetensors", "cut.jpg", "-o", "a.png"], ["cut.jpg", "not readable"]),
    "restore in no tiles": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--tile", "all"],
        ["tile: 'all'", "auto, none"],
    ),
    "restore with a wrong overlap": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--overlap", "-1"],
        ["overlap: '-1'", "auto, full"],
    ),
    "restore no image": (["restore", "gray.safetensors", "text.safetensors", "-o", "a.png"], ["text.safetensors"]),
    "restore an empty folder": (["restore", "gray.safetensors", "empty", "-o", "a"], ["empty", "no images"]),
    "restore to two formats": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--format", "jpg"],
        ["a.png", "--format", "agree"],
    ),
    "restore to no format": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a", "--format", "tif8"],
        ["format", "did you mean 'tiff'?"],
    ),
    "restore to a depth that is not there": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.jpg", "--depth", "16"],
        ["gray.png", "JPEG", "16"],
    ),
    "restore what of the color": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--color", "chanels"],
        ["did you mean 'channels'?"],
    ),
    "restore too strongly": (["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--strength", "2"], ["2"]),
    "restore in no range": (["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--range", "1"], ["LOW,HIGH"]),
    "restore a file recursively": (["restore", "gray.safetensors", "gray.png", "-o", "a.png", "-r"], ["folders"]),
    "restore a folder to nowhere": (["restore", "gray.safetensors", "photos", "-o", "-"], ["photos", "folder"]),
    "restore and JSON to one place": (["restore", "gray.safetensors", "gray.png", "-o", "-", "--json"], ["--json"]),
    "restore to no kind of file": (["restore", "gray.safetensors", "gray.png", "-o", "a.txt"], ["a.txt", ".png"]),
    "restore a folder to a file": (["restore", "gray.safetensors", "photos", "-o", "red.png"], ["red.png", "folder"]),
    "restore onto itself": (["restore", "gray.safetensors", "gray.png", "-o", "gray.png"], ["itself"]),
    "restore under a file": (["restore", "gray.safetensors", "gray.png", "-o", "red.png/a.png"], ["red.png/a.png"]),
    "restore in no precision": (
        ["restore", "gray.safetensors", "gray.png", "-o", "a.png", "--precision", "fp16"],
        ["'fp16'", "bf16"],
    ),
    "unknown protocol": (
        ["evaluate", "gray.safetensors", "--protocol", "grey-awgn-50", "--data", "photos"],
        ["grey-awgn-50", "did you mean 'gray-awgn-50'?"],
    ),
    "color protocol for a gray model": (
        ["evaluate", "gray.safetensors", "--protocol", "color-awgn-50", "--data", "photos"],
        ["gray.safetensors", "channel", "color-awgn-50"],
    ),
    "gray images for a color protocol": (
        ["evaluate", "color.safetensors", "--protocol", "color-awgn-50", "--data", "photos"],
        ["photos/astronaut.png", "gray"],
    ),
    "no pairs for a rain protocol": (
        ["evaluate", "color.safetensors", "--protocol", "rain-rgb", "--clean", "few"],
        ["--clean, --degraded"],
    ),
    "evaluate nothing": (["evaluate", "gray.safetensors", *AWGN], ["none are named"]),
    "evaluate a missing folder": (["evaluate", "gray.safetensors", *AWGN, "--data", "nowhere"], ["nowhere"]),
    "evaluate a torn jpeg": (["evaluate", "gray.safetensors", *AWGN, "--data", "torn"], ["torn/zebra.jpg"]),
    "evaluate no image": (["evaluate", "gray.safetensors", *AWGN, "--data", "few", "--limit", "0"], ["limit: 0"]),
    "evaluate into a table": (
        ["evaluate", "gray.safetensors", *AWGN, "--data", "few", "-o", "a.csv"],
        ["a.csv", "JSON"],
    ),
    "evaluate under a file": (
        ["evaluate", "gray.safetensors", *AWGN, "--data", "few", "-o", "gray.png/a.json"],
        ["gray.png/a.json", "file stands"],
    ),
    "evaluate into a folder": (["evaluate", "gray.safetensors", *AWGN, "--data", "few", "-o", "few"], ["is a folder"]),
    "too small for the protocol": (
        ["evaluate", "gray.safetensors", "--protocol", "clearer-gray-50", "--data", "small"],
        ["small/tiny.png", "64"],
    ),
    "describe no architecture": (["describe", "FPXF"], ["'FPXF'", "FPPF-FFFF-PFFP"]),
    "describe a missing file": (["describe", "no/such.safetensors"], ["no/such.safetensors"]),
    "describe against the file": (["describe", "gray.safetensors", "--width", "8"], ["width", "leave"]),
    "describe unknown operations": (["describe", "FP", "--operations", "relased"], ["relased", "released"]),
    "draw as no image": (["describe", "FP", "-o", "a.gif"], ["a.gif", ".svg"]),
    "draw under a file": (["describe", "FP", "-o", "gray.png/a.svg"], ["gray.png/a.svg"]),
    "examine a missing folder": (["doctor", "nowhere"], ["nowhere", "no such folder"]),
    "examine an empty folder": (["doctor", "empty"], ["empty", "no images"]),
    "examine nothing": (["doctor"], ["none are named"]),
    "examine in no layout": (["doctor", "photos", "--layout", "cleen"], ["cleen", "did you mean 'clean'?"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_said_in_one_line_and_leaves_nothing_behind(place, name):
    arguments, words = FAULTS[name]
    before = {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")}
    ended = command(*arguments)
    assert ended.status == 2, ended
    assert ended.err.startswith("clearer: ") and ended.err.count("\n") == 1 and ended.err.endswith("\n"), ended.err
    assert all(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.err
    assert {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")} == before


def test_a_torn_image_in_a_folder_is_reported_and_the_rest_goes_on(place):
    ended = command("restore", "gray.safetensors", "torn", "-o", "restored")
    assert ended.status == 1 and "torn/zebra.jpg" in ended.err and ended.err.count("\n") == 1
    for path in (place / "restored").iterdir():
        assert np.asarray(Image.open(path)).shape == (80, 80)


def test_an_unknown_option_ends_with_status_2():
    ended = command("fit", "quickstart", "--sett", "a=1")
    assert ended.status == 2 and "--sett" in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [(Interrupted("train: stopped", 15), 143, "clearer: train: stopped\n"), (KeyboardInterrupt(), 130, "")],
)
def test_a_run_that_is_stopped_says_so_in_its_status(monkeypatch, raised, status, said):
    def stopped(*_args, **_options):
        raise raised

    monkeypatch.setattr("clearer.pipeline.fit.fit", stopped)
    ended = command("fit", "quickstart")
    assert (ended.status, ended.err) == (status, said)


def test_a_reader_that_leaves_is_no_fault():
    program = subprocess.Popen(
        [sys.executable, "-m", "clearer", "recipes", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None and program.stderr is not None
    program.stdout.close()
    said = program.stderr.read().decode()
    program.stderr.close()
    assert program.wait() == 1
    assert "Traceback" not in said and "BrokenPipe" not in said
