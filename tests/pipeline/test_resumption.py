"""Resuming a run: folders written otherwise, replaced images, and more epochs."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from clearer.core.config import override
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.data.items import Item
from clearer.data.splits import Splits
from clearer.pipeline.fit import fit
from clearer.pipeline.resumption import check_images
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.load import load_recipe, recipe_from_dict, shipped_recipes
from clearer.runs.layout import RunFolder
from clearer.training.optimizers import learning_rate
from helpers.recipes import TINY

GIVEN = {**TINY, "architecture": "PF", "train.epochs": 2, "evaluate.samples": 0, "evaluate.protocols": []}


def run(where: str | Path, out: Path, **more: Any) -> str:
    text = io.StringIO()
    given = {**GIVEN, "data.folder": str(where), **{key.replace("__", "."): value for key, value in more.items()}}
    fit("quickstart", out, given, console=Console(file=text, width=1000))
    return text.getvalue()


def photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24), dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images in photos and a finished run."""
    place = tmp_path_factory.mktemp("resumption")
    for k in range(6):
        photo(place / "photos" / f"{k}.bmp", k)
    run(place / "photos", place / "run")
    return place


@pytest.mark.parametrize("name", ["photos", "./photos", "../{}/photos", "link", "moved"])
def test_one_folder_may_be_named_in_many_ways(finished: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(finished)
    if name == "link" and not Path(name).exists():
        Path(name).symlink_to("photos")
    if name == "moved":
        Path("moved").mkdir()
        for path in Path("photos").iterdir():
            os.link(path, Path("moved") / path.name)
    before = (finished / "run" / "model.safetensors").read_bytes()
    run(name.format(finished.name), finished / "run")
    assert (finished / "run" / "model.safetensors").read_bytes() == before


def test_further_clean_images_may_be_named_in_many_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names have their folder in front; other images of the same names are still refused."""
    for k in range(8):
        photo(tmp_path / ("photos" if k < 6 else "more") / f"{k}.bmp", k)
    monkeypatch.chdir(tmp_path)
    run("photos", tmp_path / "run", data__train_clean="more")
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    shutil.move("more", "elsewhere")
    run("photos", tmp_path / "run", data__train_clean=str(tmp_path / "elsewhere"))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
    assert any("elsewhere/6.bmp" in name for name in RunFolder(tmp_path / "run").read_images()["train"])
    photo(tmp_path / "elsewhere" / "6.bmp", 99)
    with pytest.raises(UserError, match="1 of its images have changed since this run began"):
        run("photos", tmp_path / "run", data__train_clean=str(tmp_path / "elsewhere"))


def test_equal_names_in_several_folders_are_all_compared(tmp_path: Path) -> None:
    """Also by a run that an earlier version began, which recorded the last file of a name alone."""
    items = [Item(name="0.bmp", clean=tmp_path / folder / "0.bmp") for folder in "abc"]
    for k, item in enumerate(items):
        photo(item.clean, k)
    folder, splits = RunFolder(tmp_path / "run"), Splits(items, [], [])
    folder.path.mkdir()
    assert not check_images(folder, splits)
    whole = folder.read_digests()
    assert list(whole["train"]) == ["0.bmp (1)", "0.bmp (2)", "0.bmp"]
    write_json(folder.digests, {**whole, "train": {"0.bmp": whole["train"]["0.bmp"]}})
    assert check_images(folder, splits) and folder.read_digests() == whole
    for item in items:
        kept = item.clean.read_bytes()
        photo(item.clean, 99)
        with pytest.raises(UserError, match="1 of its images have changed"):
            check_images(folder, splits)
        item.clean.write_bytes(kept)


def test_replaced_images_are_named(finished: Path) -> None:
    path = finished / "photos" / "3.bmp"
    before, times = path.read_bytes(), path.stat()
    photo(path, 99)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size  # only the content tells
    with pytest.raises(UserError, match=r"run: 1 of its images have changed since this run began \(3\.bmp\)"):
        run(finished / "photos", finished / "run")
    path.write_bytes(before)
    run(finished / "photos", finished / "run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "3.bmp").unlink(), r"1 missing: 3\.bmp"),
        (lambda folder: photo(folder / "9.bmp", 9), r"1 new: 9\.bmp"),
        (lambda folder: (folder / "3.bmp").rename(folder / "x.bmp"), r"1 missing: 3\.bmp; 1 new: x\.bmp"),
    ],
)
def test_what_changed_in_a_folder_is_named(finished: Path, tmp_path: Path, change: Any, said: str) -> None:
    shutil.copytree(finished / "photos", tmp_path / "photos")
    change(tmp_path / "photos")
    with pytest.raises(UserError, match=rf"run: the images have changed since this run began \({said}\); put the"):
        run(tmp_path / "photos", finished / "run")


def test_runs_without_digests_are_resumed_and_get_them(finished: Path) -> None:
    recorded = (finished / "run" / "digests.json").read_bytes()
    (finished / "run" / "digests.json").unlink()
    run(finished / "photos", finished / "run")
    assert (finished / "run" / "digests.json").read_bytes() == recorded
    parts = json.loads(recorded)
    assert sum(map(len, parts.values())) == 6 and len(parts["train"]["0.bmp"]["clean"]["sha256"]) == 64


def test_other_recipes_are_refused(finished: Path) -> None:
    for key, value in (("seed", 7), ("train__epochs", 1), ("train__batch", 3)):
        with pytest.raises(UserError, match=r"holds a run of another recipe \((seed|train\.\w+) was"):
            run(finished / "photos", finished / "run", **{key: value})


@pytest.mark.parametrize(
    ("part", "key", "value", "said"),
    [  # a version wrote the recipe that did not have the setting
        ("train", "watch_start", 7, "train.watch_start was not stated, which means 500; now 7"),
        ("data", "soft_share", 0.5, "data.soft_share was not stated, which means 0.0; now 0.5"),
        ("data", "range", [0, 9], "data.range was not stated; now [0.0, 9.0]"),
        # left out at its default by this version, too
        ("search", "order", "alpha", "search.order was not stated, which means 'weights'; now 'alpha'"),
        ("train", "optimizer.factor", 0.5, "train.optimizer.factor was not stated, which means 0.1; now 0.5"),
    ],
)
def test_settings_that_a_recipe_does_not_state_are_said_to_be_so(
    tmp_path: Path, part: str, key: str, value: Any, said: str
) -> None:
    same = load_recipe("quickstart")
    settings = same.to_dict()
    settings[part].pop(key, None)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(settings))
    refuse_other_recipe(RunFolder(tmp_path), same)
    changed = same.to_dict()
    override(changed, f"{part}.{key}", value)
    with pytest.raises(UserError, match=re.escape(f"holds a run of another recipe ({said}); choose")):
        refuse_other_recipe(RunFolder(tmp_path), recipe_from_dict(changed))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(changed))
    with pytest.raises(UserError, match=rf"recipe \({part}\.{key} was .*, now"):
        refuse_other_recipe(RunFolder(tmp_path), same)


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_every_recipe_is_the_same_as_what_a_run_stores_of_it(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    refuse_other_recipe(RunFolder(tmp_path), recipe)


def test_a_finished_run_is_continued_by_more_epochs(tmp_path: Path) -> None:
    for k in range(6):
        photo(tmp_path / "photos" / f"{k}.bmp", k)
    run(tmp_path / "photos", tmp_path / "run")
    said = run(tmp_path / "photos", tmp_path / "run", train__epochs=5)
    settings = load_recipe("quickstart").train.optimizer
    lines = [json.loads(line) for line in (tmp_path / "run" / "train" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    rates = [line["lr"] for line in lines]
    assert rates == [
        *(learning_rate(settings, e, 2) for e in range(2)),
        *(learning_rate(settings, e, 5) for e in (2, 3, 4)),
    ]
    assert "raised from 2 to 5; epochs 3 to 5 follow the learning rate of a run of 5 epochs" in said
    assert f"from {rates[2]:.3g} to {rates[4]:.3g}" in said
    result = json.loads((tmp_path / "run" / "train" / "result.json").read_text())
    assert result["steps"] == 15
    assert json.loads((tmp_path / "run" / "after-2-epochs" / "result.json").read_text())["steps"] == 6
    again = run(tmp_path / "photos", tmp_path / "run", train__epochs=5)
    assert "raised" not in again
    for path in (tmp_path / "run" / "train" / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="no checkpoint left, so it cannot be continued"):
        run(tmp_path / "photos", tmp_path / "run", train__epochs=6)


@pytest.mark.parametrize(
    "listed",
    [{"train": 7}, {"train": [7]}, {"train": [["a.png"]]}, [], "text", {"train": {"a.png": 1}}, {"other": []}],
)
def test_a_list_of_images_of_another_shape_costs_one_line(finished: Path, listed: Any) -> None:
    path = finished / "run" / "images.json"
    sound = path.read_text()
    path.write_text(json.dumps(listed))
    with pytest.raises(UserError, match=r"images\.json|images have changed") as caught:
        run(finished / "photos", finished / "run")
    path.write_text(sound)
    assert "\n" not in str(caught.value)
