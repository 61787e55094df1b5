"""The measurement of a network: of three channels on gray images, of a run, on pairs side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import clearer
from clearer.core.errors import UserError
from clearer.data.folders import Folders
from clearer.degradations.jpeg import Jpeg
from clearer.evaluation.metrics import psnr
from clearer.images.tensors import to_batch
from clearer.images.view import read_image
from clearer.inference.restorer import Restorer
from clearer.pipeline.fit import fit
from clearer.runs.layout import RunFolder
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights
from helpers.networks import converged
from helpers.photos import NAMES, SHIPPED, photograph, write_photos
from helpers.recipes import TINY


def _restorer(channels: int) -> Restorer:
    torch.manual_seed(0)
    network = clearer.RestorationNetwork(clearer.Architecture.parse("PF-F", width=4, channels=channels, residual=True))
    return Restorer(converged(network).eval(), device="cpu", precision="fp32")


def test_a_color_network_is_measured_on_gray_images_as_it_restores_gray_files(tmp_path: Path) -> None:
    restorer = _restorer(3)
    result = clearer.evaluate(restorer, write_photos(tmp_path / "a", NAMES[:1]), "jpeg-gray-10")
    clean = photograph(NAMES[0])
    degraded = Jpeg(10).degrade_image(clean, 0, 0)
    restored = to_batch(restorer.restore(degraded)).clamp(0, 1)
    expected = psnr(restored, to_batch((clean / 255).astype("float32"))).item()
    assert result["psnr"] == pytest.approx(expected, abs=1e-3) and result["psnr"] != result["input_psnr"]


def test_a_gray_network_is_not_measured_on_color_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"takes 1 channel\(s\) where jpeg-10 has 3"):
        clearer.evaluate(_restorer(1), write_photos(tmp_path / "a", NAMES[:1]), "jpeg-10")


@pytest.mark.parametrize(("white", "most"), [(4095, 4000), (65535, 60000)])
def test_the_levels_of_a_camera_are_noticed_as_where_files_are_restored(tmp_path: Path, white: int, most: int) -> None:
    rng = np.random.default_rng(0)
    clean = np.linspace(100, most, 48 * 40).reshape(48, 40)
    for folder, pixels in (("clean", clean), ("degraded", clean + rng.normal(0, white / 100, clean.shape))):
        (tmp_path / folder).mkdir()
        levels = pixels.round().clip(0, most).astype(np.uint16)
        Image.fromarray(levels).save(tmp_path / folder / "a.png")
        Image.fromarray(levels[::-1]).save(tmp_path / folder / "b.png")
    result = clearer.evaluate(_restorer(1), Folders(tmp_path / "clean", tmp_path / "degraded"), "pairs-gray")
    assert result["input_psnr"] == pytest.approx(40, abs=0.5)


def test_the_half_that_was_taken_as_clean_is_recorded(tmp_path: Path) -> None:
    """By default it is that of the run; a run whose recipe cannot be read is measured with the half that is stated."""
    halves = np.concatenate([photograph(NAMES[0]), photograph(NAMES[0]) // 2], 1)[..., 0]
    (tmp_path / "images").mkdir()
    Image.fromarray(halves).save(tmp_path / "images" / "a.png")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    architecture = clearer.Architecture.parse("PF-F", width=4, channels=1, residual=True)
    save_weights(run.weights, converged(clearer.RestorationNetwork(architecture)), ModelCard())
    run.recipe.write_text("name: [")
    with pytest.raises(UserError, match=r"recipe\.yaml.*; or state --clean-side"):
        clearer.evaluate(run.weights, tmp_path / "images", "pairs-gray")
    found = {
        side: clearer.evaluate(run.weights, tmp_path / "images", "pairs-gray", clean_side=side)
        for side in ("left", "right")
    }
    assert {side: record["clean_side"] for side, record in found.items()} == {"left": "left", "right": "right"}
    assert found["left"]["psnr"] != found["right"]["psnr"]


def test_one_channel_of_pairs_can_be_measured(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        for channel in (1, 2):
            clean = photograph(name)[..., 0] // channel
            for folder, pixels in (("clean", clean), ("degraded", clean // 2)):
                (tmp_path / folder).mkdir(exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / folder / f"{number}_{channel}.png")
    pairs, model = Folders(tmp_path / "clean", tmp_path / "degraded"), _restorer(1)
    whole = clearer.evaluate(model, pairs, "pairs-gray")["per_image"]
    one = clearer.evaluate(model, pairs, "pairs-gray", channel="2")
    assert one["channel"] == "2"
    second = one["per_image"]
    assert [score["name"] for score in second] == [f"{number}_2.png" for number in range(len(NAMES))]
    assert [score["psnr"] for score in second] == [score["psnr"] for score in whole[1::2]]
    with pytest.raises(UserError, match=r"^--channel: '3' is not one of"):
        clearer.evaluate(model, pairs, "pairs-gray", channel="3")


def test_single_images_are_not_taken_as_pairs_side_by_side_unless_that_is_stated(tmp_path: Path) -> None:
    """Halves of one scene agree, whatever degrades one of them; those of a photograph do not."""
    (tmp_path / "single").mkdir()
    (tmp_path / "beside").mkdir()
    for name in NAMES:
        photo = photograph(name)[:, : photograph(name).shape[1] // 2 * 2, 0]
        Image.fromarray(photo).save(tmp_path / "single" / f"{name}.png")
        Image.fromarray(np.concatenate([photo, photo // 2], 1)).save(tmp_path / "beside" / f"{name}.png")
    model = _restorer(1)
    with pytest.raises(UserError, match=r"single images, whose halves do not show one scene.*--clean-side left"):
        clearer.evaluate(model, tmp_path / "single", "pairs-gray")
    assert clearer.evaluate(model, tmp_path / "beside", "pairs-gray")["clean_side"] == "left"
    stated = clearer.evaluate(model, tmp_path / "single", "pairs-gray", clean_side="right")
    assert stated["clean_side"] == "right"
    assert clearer.evaluate(model, tmp_path / "single", "pairs-gray", layout="side-by-side")["images"] == len(NAMES)


def test_images_that_a_run_was_trained_on_are_counted_among_those_measured(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    change = {**TINY, "architecture": "PF", "data.folder": str(photos), "evaluate.samples": 0}
    run = fit("quickstart", tmp_path / "run", change, console=Console(quiet=True)).folder
    parts = {name: part for part, names in RunFolder(run).read_images().items() for name in names}
    for limit in (None, 3):
        seen = [parts[path.name] for path in sorted(photos.iterdir())[:limit]]
        counts = {part: seen.count(part) for part in ("train", "validation") if part in seen}
        assert clearer.evaluate(run, photos, "gray-awgn-50", limit=limit)["seen"] == counts


def test_a_gray_test_image_of_a_color_run_is_refused_with_what_helps(tmp_path: Path) -> None:
    for part, name in (("train", "astronaut.png"), ("train", "coffee.png"), ("validation", "chelsea.png")):
        (tmp_path / part).mkdir(exist_ok=True)
        Image.fromarray(read_image(SHIPPED / name, 3)[:80, :80]).save(tmp_path / part / name)
    gray = write_photos(tmp_path / "gray", NAMES[:1])
    change = {**TINY, "architecture": "PF", "data.convert": True, "train.epochs": 1, "evaluate.samples": 0}
    change |= {
        "data.train": str(tmp_path / "train"),
        "data.validation": str(tmp_path / "validation"),
        "data.test": str(gray),
    }
    with pytest.raises(UserError, match=r"gray, where color-awgn-\d+ needs 3 channels; .*set evaluate\.protocols=\[\]"):
        fit("denoise-color", tmp_path / "run", change, console=Console(quiet=True))
    assert not (tmp_path / "run").exists()
    fit("denoise-color", tmp_path / "run", {**change, "evaluate.protocols": []}, console=Console(quiet=True))


def test_a_range_that_is_none_is_refused(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", NAMES[:1])
    for span in ((1.0, 0.0), (0.0, float("nan")), (5.0, 5.0)):
        with pytest.raises(UserError, match=r"^range: .* is not two numbers with the smaller one first$"):
            clearer.evaluate(_restorer(1), photos, "gray-awgn-25", span=span)
