"""Images that verdicts, tables and protocols measure are read as the recipe reads its own: range, sides, leaks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from clearer.core.errors import UserError
from clearer.experiments.protocols import compare_protocols
from clearer.experiments.runner import data_settings
from clearer.experiments.supernet_gap import held_out_patches
from clearer.experiments.verdict_images import measured_items
from clearer.images.pixels import WHOLE
from clearer.images.view import read_image
from clearer.methods.base import Method
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from helpers.photos import NAMES, SHIPPED, write_photos

QUIET = Console(quiet=True)


def write_twelve_bits(source: Path, target: Path) -> Path:
    """Write 8-bit images as files of 16 bits whose levels are those of a camera of 12 bits."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        gray = np.asarray(Image.open(path).convert("L"), np.uint16)
        Image.fromarray(np.rint(gray * (4095 / 255)).astype(np.uint16)).save(target / f"{path.stem}.png")
    return target


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of 8 bits, ``photos``, and of 12 bits, ``deep``."""
    folder = tmp_path_factory.mktemp("sets")
    for part, names in (("train", NAMES[:3]), ("val", NAMES[3:4]), ("test", NAMES[4:6])):
        write_photos(folder / "photos" / part, names)
        write_twelve_bits(folder / "photos" / part, folder / "deep" / part)
    return folder


def recipe_of(folder: Path, **changes: object) -> Recipe:
    small = {"search.patch": 16, "train.patch": 16, "evaluate.protocols": ["gray-awgn-25"]}
    return load_recipe("paper-denoise-50", {**data_settings(str(folder), None, None), **small, **changes})


def test_held_out_patches_are_as_bright_as_the_files_say(folders: Path) -> None:
    found = {}
    for name, changes in (("photos", {}), ("deep", {"data.range": [0, 4095]})):
        recipe = recipe_of(folders / name, **changes)
        found[name] = held_out_patches(recipe, 4, torch.device("cpu"), QUIET)[0]
    (degraded, clean), (deep_degraded, deep_clean) = found["photos"], found["deep"]
    assert (clean - deep_clean).abs().max() < 0.003 and clean.max() > 0.4
    assert (degraded - deep_degraded).abs().max() < 0.01


def test_test_images_have_the_range_of_the_recipe(folders: Path) -> None:
    recipe = recipe_of(folders / "deep", **{"data.range": [0, 4095]})
    items = measured_items(recipe, str(folders / "deep" / "test"), QUIET)
    assert [item.span for item in items] == [(0, 4095)] * 2
    assert {
        item.span for item in measured_items(recipe_of(folders / "photos"), str(folders / "photos" / "test"), QUIET)
    } == {WHOLE}


def test_images_that_were_trained_on_are_left_out(folders: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "mixed", [*NAMES[:2], NAMES[5]])
    console = Console(file=io.StringIO(), width=300)
    items = measured_items(recipe_of(folders / "photos"), str(tmp_path / "mixed"), console)
    assert [Path(item.name).stem for item in items] == [Path(NAMES[5]).stem]
    assert "2 of 3 images show what training or validation images show: left out" in console.file.getvalue()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="all 3 images show what training"):
        measured_items(recipe_of(folders / "photos"), str(folders / "photos" / "train"), console)
    with pytest.raises(UserError, match="give --test FOLDER"):
        measured_items(recipe_of(folders / "photos"), None, console)


def test_the_clean_side_is_that_of_the_recipe(tmp_path: Path) -> None:
    for part, names in (("train", NAMES[:3]), ("val", NAMES[3:4]), ("test", NAMES[4:5])):
        (tmp_path / part).mkdir()
        for name in names:
            clean = read_image(SHIPPED / name, 3)[60:124, 60:124]
            Image.fromarray(np.hstack([np.zeros_like(clean), clean])).save(tmp_path / part / f"{Path(name).stem}.png")
    sides = {"data.layout": "side-by-side", "data.clean_side": "right", "network.channels": 3}
    recipe = recipe_of(tmp_path, **sides, **{"data.degradation.kind": "none", "evaluate.protocols": ["pairs-color"]})
    (item,) = measured_items(recipe, str(tmp_path / "test"), QUIET)
    assert item.side == "right"


def test_single_images_are_not_cut_into_halves(tmp_path: Path) -> None:
    """A verdict and compare-protocols refuse them where pairs are needed; halves of one scene are pairs."""
    for part, names in (("train/clean", NAMES[:3]), ("validation/clean", NAMES[3:4]), ("single", NAMES[4:6])):
        write_photos(tmp_path / part, names, side=64)
    for path in [*tmp_path.glob("*/clean/*"), *(tmp_path / "single").iterdir()]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        folder = path.parent.parent / "noisy" if path.parent.name == "clean" else tmp_path / "beside"
        folder.mkdir(exist_ok=True)
        both = pixels // 2 if folder.name == "noisy" else np.hstack([pixels, pixels // 2])
        Image.fromarray(both).save(folder / path.name)
        Image.fromarray(pixels).save(path)
    parts = {f"data.{part}": str(tmp_path / part) for part in ("train", "validation")}
    color = {
        "data.layout": "pairs",
        "network.channels": 3,
        "data.degradation.kind": "none",
        "evaluate.protocols": ["pairs-color"],
    }
    recipe = load_recipe("paper-denoise-50", {"search.patch": 16, "train.patch": 16, **parts, **color})
    single, beside = str(tmp_path / "single"), str(tmp_path / "beside")
    with pytest.raises(UserError, match=r"single: single images, whose halves do not show one scene.*sub-folders of"):
        measured_items(recipe, single, QUIET)
    assert [item.side for item in measured_items(recipe, beside, QUIET)] == ["left"] * 2
    rain = Method("half", "rain", lambda x, sigma: x / 2, channels=3)  # the right halves are half of the left ones
    with pytest.raises(UserError, match=r"single: single images, whose halves do not show.*--clean-side left or"):
        compare_protocols(rain, single, console=QUIET)
    assert compare_protocols(rain, beside, console=QUIET)["images"] == 2
    first, other = (
        compare_protocols(rain, beside, clean_side=side, console=QUIET)["rows"][0] for side in ("left", "right")
    )
    assert other["psnr"] > first["psnr"] + 20
    assert compare_protocols(rain, single, clean_side="left", console=QUIET)["images"] == 2
    noise = Method("nothing", "gaussian", lambda x, sigma: x, channels=3)
    with pytest.raises(UserError, match=r"^--clean-side: color-awgn-25 takes clean images"):
        compare_protocols(noise, single, 25, clean_side="left", console=QUIET)


def test_levels_of_a_camera_are_noticed_by_compare_protocols(folders: Path) -> None:
    found = []
    for name in ("photos", "deep"):
        method = Method("nothing", "gaussian", lambda x, sigma: x, channels=1)
        found.append(compare_protocols(method, folders / name / "test", 25, console=QUIET)["rows"][0])
    assert found[0]["psnr"] == pytest.approx(found[1]["psnr"], abs=0.02)
