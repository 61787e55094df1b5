"""What pretrained models were trained on is known by content, and said where they are measured on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from clearer.data.folders import find_items
from clearer.pipeline import seen_images as seeing
from clearer.pipeline.seen_images import seen_images
from clearer.zoo import training_files as listed
from clearer.zoo.names import PACKAGED_MODELS, REPOSITORY_MODELS, RESEARCH_MODELS
from clearer.zoo.training_files import DIGITS, training_files
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
    """200 images of BSDS500 trained the paper's models, 400 and 130 photographs the others; derainers saw others."""
    paper, gray, rain = (training_files([name]) for name in ("denoise-gray-50", "denoise-gray", "derain"))
    trained = [{file for file, part in known.items() if part == "train"} for known in (paper, gray, rain)]
    assert (len(trained[0]), len(trained[1])) == (200, 530) and trained[0] < trained[1]
    assert not set(rain) & set(gray)
    assert training_files(["mine"]) == {}


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
    said = "the model was trained on 2 and chose its weights by 1 of the 4 images: they say nothing about new ones"
    assert said in outcome.err
    other = clearer("evaluate", "denoise-gray", *given)
    assert "seen" not in other.json and "was trained on" not in other.err


def test_tables_say_so_in_the_note_of_the_row(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    command = ("reproduce", "tables", "--models", "denoise-gray-fast", "--bsd500", photos, "--sigma", 50, "-o", out)
    assert clearer(*command).status == 0
    notes = [line for line in (out / "tables.md").read_text().splitlines() if "the model was trained on 2" in line]
    assert len(notes) == 1 and "chose its weights by 1 of the 4 images" in notes[0]


def test_a_run_that_began_with_a_model_has_seen_its_images(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card, located = seeing.read_form(seeing.located("denoise-gray"))[1], seeing.located
    began = type(card).from_dict({**card.to_dict(), "name": None, "start": "denoise-gray-fast"})
    monkeypatch.setattr(seeing, "located", lambda name: located("denoise-gray"))
    monkeypatch.setattr(seeing, "read_form", lambda path: (None, began))
    assert seen_images("runs/mine", find_items(photos, "clean")) == {"train": 2, "validation": 1}
