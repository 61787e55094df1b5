"""What pretrained models were trained on is known by content, and said where they are measured on it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.data.folders import find_items
from clearer.data.items import Item
from clearer.data.splits import Splits
from clearer.inference.restorer import load
from clearer.pipeline.resumption import check_images
from clearer.runs.layout import RunFolder
from clearer.zoo import training_files as listed
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import located
from clearer.zoo.names import PACKAGED_MODELS, REPOSITORY_MODELS, RESEARCH_MODELS
from clearer.zoo.seen_images import seen_images
from clearer.zoo.training_files import DIGITS, training_files
from clearer.zoo.weights import load_weights, save_weights
from helpers.command import clearer
from helpers.photos import NAMES, write_photos

MODELS = (*PACKAGED_MODELS, *REPOSITORY_MODELS, *RESEARCH_MODELS)


def digits(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]


@pytest.mark.parametrize("name", MODELS)
def test_every_pretrained_model_is_listed(name: str) -> None:
    parts = list(training_files([name]).values())
    assert parts.count("train") >= 200 and parts.count("validation") >= 30


def test_the_sets_are_those_of_the_cards() -> None:
    """BSDS500's 200 for the paper's models, 400 and 104 or 130 photographs for others, Rain800 for derainers."""
    names = ("denoise-gray-50", "denoise-gray", "denoise-color", "derain")
    paper, gray, color, rain = (
        {file for file, part in training_files([name]).items() if part == "train"} for name in names
    )
    assert (len(paper), len(gray), len(color)) == (200, 530, 504) and paper < color < gray
    assert not rain & gray
    assert training_files(["mine"]) == {}


@pytest.mark.skipif("CLEARER_SHARED" not in os.environ, reason="compares with images that are not in the repository")
def test_the_lists_are_of_the_images_themselves() -> None:
    sets = Path(os.environ["CLEARER_SHARED"], "data")
    for folder, gray, paper in (
        ("bsds500/train", {"train": 200}, {"train": 200}),
        ("bsds500/test", {"train": 200}, {}),
        ("bsds500/val", {"validation": 32}, {"validation": 32}),
        ("photos_cid22", {"train": 130}, {}),
    ):
        items = find_items(sets / folder, "clean")
        found = [seen_images(load(name).card, items) for name in ("denoise-gray", "denoise-gray-50")]
        assert found == [gray, paper], folder


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four photographs; denoise-gray-fast was trained on two of them and chose its weights by a third."""
    folder = write_photos(tmp_path / "photos", NAMES[:4], side=64)
    first, second, third, _ = (digits(item.clean) for item in find_items(folder, "clean"))
    group = {"models": ["denoise-gray-fast"], "train": [first, second], "validation": [second, third]}
    monkeypatch.setattr(listed, "_groups", lambda: [group])
    return folder


def test_evaluate_says_what_a_pretrained_model_has_seen(photos: Path, tmp_path: Path) -> None:
    given = ("--protocol", "gray-awgn-50", "--data", photos, "-o", tmp_path / "e.json", "--json")
    outcome = clearer("evaluate", "denoise-gray-fast", *given)
    assert outcome.json["seen"] == {"train": 2, "validation": 1}
    assert "the model was trained on 2 and chose its weights by 1 of the 4 images: these figures say" in outcome.err
    other = clearer("evaluate", "denoise-gray", *given)
    assert "seen" not in other.json and "was trained on" not in other.err


def test_tables_say_so_in_the_note_of_the_row(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    command = ("reproduce", "tables", "--models", "denoise-gray-fast", "--bsd500", photos, "--sigma", 50, "-o", out)
    assert clearer(*command).status == 0
    notes = [line for line in (out / "tables.md").read_text().splitlines() if "the model was trained on 2" in line]
    assert len(notes) == 1 and "chose its weights by 1 of the 4 images" in notes[0]


@pytest.mark.parametrize("start", ["denoise-gray-fast", "{file}", "{run}/model.safetensors"])
def test_what_began_with_a_model_has_seen_its_images(photos: Path, tmp_path: Path, start: str) -> None:
    """By its name, by its file, and by way of a run that began with it and has noted images of its own."""
    file, run = located("denoise-gray-fast"), tmp_path / "run"
    network, _ = load_weights(file)
    run.mkdir()
    between = ModelCard.from_dict({"start": "denoise-gray-fast"})
    save_weights(run / "model.safetensors", network, between)
    clean = find_items(photos, "clean")[3].clean
    noted = {"clean": {"size": clean.stat().st_size, "sha256": hashlib.sha256(clean.read_bytes()).hexdigest()}}
    (run / "digests.json").write_text(json.dumps({"train": {clean.name: noted}}))
    mine = ModelCard.from_dict({"start": start.format(file=file, run=run)})
    own = 1 if "run" in start else 0
    assert seen_images(mine, find_items(photos, "clean")) == {"train": 2 + own, "validation": 1}
    assert seen_images(ModelCard(start="gone/model.safetensors"), find_items(photos, "clean")) == {}


def test_degraded_files_and_pages_of_stacks_that_a_run_noted_count(tmp_path: Path) -> None:
    """A run on noisy images alone has seen the degraded side of a pair; one on a stack, some of its pages."""
    run, clean, noisy, stack = tmp_path / "run", tmp_path / "a.png", tmp_path / "n.png", tmp_path / "s.tif"
    run.mkdir()
    for number, path in enumerate((clean, noisy)):
        Image.new("L", (8, 8), number).save(path)
    tifffile.imwrite(stack, np.zeros((12, 8, 8), np.uint8), photometric="minisblack")
    noted = {p: {"clean": {"size": 1, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()}} for p in (noisy, stack)}
    digests = {"train": {"n.png": noted[noisy], "s.tif": noted[stack]}, "validation": {"s.tif": noted[stack]}}
    (run / "digests.json").write_text(json.dumps(digests))
    images = {"train": ["n.png", "s.tif#01", "s.tif#11"], "validation": ["s.tif#02"], "test": ["s.tif#03"]}
    (run / "images.json").write_text(json.dumps(images))
    pairs = [Item("a.png", clean, noisy)]
    pages = [Item(f"s.tif#{page + 1:02}", stack, page=page) for page in range(12)]
    assert seen_images(ModelCard(), [*pairs, *pages], run) == {"train": 3, "validation": 1}
    assert seen_images(ModelCard(), [Item("a.png", clean), *pages[2:10]], run) == {}


def test_pages_of_stacks_of_one_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    """A run of an earlier version noted their names alone: pages that one of them had count for all of them."""
    run, places = RunFolder(tmp_path / "run"), [tmp_path / "a", tmp_path / "b"]
    for folder in (run.path, *places):
        folder.mkdir()
    for number, folder in enumerate(places):
        tifffile.imwrite(folder / "s.tif", np.full((3, 8, 8), number, np.uint8), photometric="minisblack")
    one, other = (find_items(folder, "clean") for folder in places)
    splits = Splits([*one[:2], *other[1:]], [one[2], other[0]], [])
    check_images(run, splits)
    assert seen_images(ModelCard(), [*one, *other], run.path) == {"train": 4, "validation": 2}
    assert seen_images(ModelCard(), one[2:], run.path) == {"validation": 1}
    whole = run.read_digests()
    earlier = {
        part: {name: {kind: {k: v for k, v in one.items() if k != "pages"} for kind, one in file.items()}
               for name, file in files.items()}
        for part, files in whole.items()
    }  # fmt: skip
    run.digests.write_text(json.dumps(earlier))
    assert seen_images(ModelCard(), [*one, *other], run.path) == {"train": 6}
    assert check_images(run, splits) and run.read_digests() == whole  # resumed, the run notes them


def test_an_exported_file_is_measured_like_its_model(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "mine.onnx"
    assert clearer("export", "denoise-gray-fast", "--onnx", file).status == 0
    given = ("--protocol", "gray-awgn-50", "--data", photos, "--limit", 1, "-o", tmp_path / "e.json", "--json")
    outcome = clearer("evaluate", file, *given)
    assert outcome.status == 0 and outcome.json["seen"] == {"train": 1}, outcome.err
