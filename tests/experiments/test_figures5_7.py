"""Figures 5 to 7: crops, the figures below them, and the cache of restored images."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.evaluation.evaluate import evaluate
from clearer.experiments import figures5_7 as experiment
from clearer.experiments.figures5_7 import figures5_7
from clearer.experiments.figures5_7_page import CELL, Layout, best_of, caption, comparison_figure, redraw
from clearer.experiments.redraw import redraw_folder
from clearer.images.view import read_image
from clearer.methods.base import ImageArray, Method, as_restore
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.report.comparison import detail_crop
from clearer.zoo.weights import save_weights
from helpers.command import clearer
from helpers.photos import SHIPPED, write_photos

pytestmark = pytest.mark.slow  # whole pages, figures and verbs

NAMES = ("astronaut.png", "camera.png", "coffee.png")


def box(image: ImageArray, sigma: float | None) -> ImageArray:
    """Mean of 3x3, edges repeated."""
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    h, w = image.shape[:2]
    return np.mean([wide[y : y + h, x : x + w] for y in range(3) for x in range(3)], axis=0, dtype=np.float32)


BOX = Method("box", "gaussian", box)
KEEP = Method("keep", "gaussian", lambda image, sigma: image)
DRY = Method("dry", "rain", box, channels=3)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("set") / "clean", NAMES, side=96)


@pytest.fixture(scope="module")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two color images, each beside itself with slanted streaks."""
    folder = tmp_path_factory.mktemp("set") / "rain"
    folder.mkdir()
    for name in ("coffee.png", "rocket.jpg"):
        image = read_image(SHIPPED / name, 3)[100:170, 100:200]
        y, x = np.mgrid[:70, :100]
        wet = np.where(((y + 3 * x) % 17 == 0)[..., None], 230, image).astype(np.uint8)
        Image.fromarray(np.concatenate([image, wet], axis=1)).save(folder / f"{Path(name).stem}.png")
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures: they take most of the time and are looked at by tests of their own."""
    monkeypatch.setattr(experiment, "redraw", lambda out: None)


@pytest.mark.parametrize("protocol", ["clearer-gray", "gray-awgn"])
def test_figures_are_those_of_an_evaluation_of_the_whole_folder(
    clean: Path, tmp_path: Path, protocol: str, undrawn: None
) -> None:
    result = figures5_7(tmp_path, [BOX], bsd500=clean, names=["coffee"], sigmas=[30, 70], protocol=protocol)
    (figure,) = result["figures"]
    assert figure["place"] == 2
    for row in figure["rows"]:
        single = evaluate(as_restore(BOX, row["sigma"]), clean, row["protocol"]).per_image[2]
        assert (single["height"], single["width"]) == (figure["height"], figure["width"])
        for prefix, cell in (("input_", row["input"]), ("", row["cells"]["box"])):
            assert cell["psnr"] == pytest.approx(single[f"{prefix}psnr"], abs=1e-4)  # type: ignore[literal-required]
            assert cell["ssim"] == pytest.approx(single[f"{prefix}ssim"], abs=1e-5)  # type: ignore[literal-required]


def test_rain_is_measured_as_an_evaluation_does(rain: Path, tmp_path: Path, undrawn: None) -> None:
    result = figures5_7(tmp_path, [DRY, BOX], rain800=rain, images=1)
    (figure,) = result["figures"]
    assert figure["name"] == "derain-coffee" and figure["columns"] == ["dry"] and result["left_out"] == ["box"]
    single = evaluate(as_restore(DRY, None), rain, "rain-rgb", limit=1).per_image[0]
    (row,) = figure["rows"]
    assert row["sigma"] is None
    assert row["cells"]["dry"]["psnr"] == pytest.approx(single["psnr"], abs=1e-4)
    assert row["input"]["psnr"] == pytest.approx(single["input_psnr"], abs=1e-4)


def test_every_crop_is_the_same_place_of_its_image(clean: Path, tmp_path: Path, undrawn: None) -> None:
    own, chosen = (
        figures5_7(tmp_path, [BOX], bsd500=clean, images=1, sigmas=[50], protocol="gray-awgn", crop=crop)["figures"][0]
        for crop in (None, (5, 7, 40))
    )
    truth = read_image(clean / "astronaut.png", 1)
    assert own["crop"] == dict(zip(("top", "left", "side"), (*detail_crop(truth, 96, 96), 96), strict=True))
    assert chosen["crop"] == {"top": 5, "left": 7, "side": 40}
    cell = chosen["rows"][0]["cells"]["box"]
    restored = read_image(tmp_path / cell["restored"])
    assert restored.shape == truth.shape
    for whole, file in ((restored, cell["crop"]), (truth, chosen["truth"])):
        assert np.array_equal(read_image(tmp_path / file), whole[5:45, 7:47])
    error = (restored / 255.0 - truth / 255.0) ** 2
    assert cell["psnr"] == pytest.approx(-10 * np.log10(error.mean()), abs=0.05)  # except for the rounding to 8 bits


def test_only_what_has_changed_is_restored_again(clean: Path, tmp_path: Path, undrawn: None) -> None:
    calls: list[tuple[str, float | None]] = []

    def counted(method: Method) -> Method:
        def restore(image: ImageArray, sigma: float | None) -> ImageArray:
            if image.shape == (96, 96, 1):  # not the corner
                calls.append((method.name, sigma))
            return method.restore(image, sigma)

        return dataclasses.replace(method, restore=restore)

    def make(*methods: Method, **how: Any) -> dict[str, Any]:
        calls.clear()
        how = {"images": 1, "sigmas": [30, 50], "protocol": "gray-awgn"} | how
        return figures5_7(tmp_path, [counted(m) for m in methods], bsd500=clean, **how)

    first = make(BOX, KEEP)
    assert len(calls) == 4
    assert make(BOX, KEEP) == first and calls == []
    stronger = dataclasses.replace(BOX, restore=lambda image, sigma: box(box(image, sigma), sigma))
    second = make(stronger, KEEP)
    assert calls == [("box", 30), ("box", 50)]
    cells = [result["figures"][0]["rows"][0]["cells"] for result in (first, second)]
    assert cells[0]["keep"] == cells[1]["keep"] and cells[0]["box"]["psnr"] != cells[1]["box"]["psnr"]
    make(stronger, KEEP, crop=(0, 0, 8))
    assert calls == []
    make(stronger, KEEP, sigmas=[30, 70])
    assert calls == [("box", 70), ("keep", 70)]
    (tmp_path / cells[1]["keep"]["restored"]).unlink()
    make(stronger, KEEP)
    assert calls == [("keep", 30)]


def test_networks_for_one_level_each_share_a_column(clean: Path, tmp_path: Path, undrawn: None) -> None:
    for_30 = dataclasses.replace(KEEP, name="net", sigmas=(30, 30))
    for_50 = dataclasses.replace(BOX, name="net", sigmas=(50, 50))
    result = figures5_7(tmp_path, [for_30, for_50, KEEP], bsd500=clean, images=1)
    (figure,) = result["figures"]
    assert figure["columns"] == ["net", "keep"]
    low, middle, high = figure["rows"]
    assert low["cells"]["net"]["psnr"] == low["cells"]["keep"]["psnr"] == pytest.approx(low["input"]["psnr"])
    assert middle["cells"]["net"]["psnr"] > middle["cells"]["keep"]["psnr"] + 1
    assert high["cells"]["net"] is None and high["cells"]["keep"] is not None
    with pytest.raises(UserError, match="method 'net': two of this name are for clearer-gray-50"):
        figures5_7(tmp_path, [for_50, dataclasses.replace(for_50)], bsd500=clean, images=1)


def test_the_best_of_a_row_is_judged_as_it_is_written() -> None:
    def row(*pairs: tuple[float, float] | None) -> dict[str, Any]:
        return {"cells": {str(i): pair and {"psnr": pair[0], "ssim": pair[1]} for i, pair in enumerate(pairs)}}

    assert best_of(row((28.1, 0.7), None, (27.0, 0.8))) == {"psnr": "28.10", "ssim": "0.8000"}
    assert best_of(row((28.1, 0.7), None)) == {}  # nothing to be better than
    # a network that was trained on the image is no bar
    assert best_of(row((28.1, 0.7), (29, 0.9), (27.0, 0.8)), ["1"]) == {"psnr": "28.10", "ssim": "0.8000"}


def test_networks_that_were_trained_on_the_image_are_marked(clean: Path, tmp_path: Path, undrawn: None) -> None:
    def seen(items: Sequence[Item]) -> dict[str, int]:
        return {"train": 1} if [item.name for item in items] == ["astronaut.png"] else {}

    net = dataclasses.replace(KEEP, name="net", seen=seen)
    (first, second) = figures5_7(tmp_path, [BOX, net, KEEP], bsd500=clean, images=2, sigmas=[50])["figures"]
    assert (first["seen"], second["seen"]) == (["net"], [])
    heads = [" ".join(lines) for lines in Layout.of(first, np.zeros((96, 96, 3), np.uint8)).heads]
    assert heads == ["input", "box", "net *", "keep", "ground truth"]
    assert "but for those that were trained on this very image" in caption(first)[1]
    assert "very image" not in caption(second)[1]


def made_up(tmp_path: Path, columns: list[str], rows: int) -> dict[str, Any]:
    """A figure of gray cells, every third one missing."""
    Image.new("L", (96, 96), 128).save(tmp_path / "cell.png")
    Image.new("L", (321, 481), 90).save(tmp_path / "whole.png")
    cell = {"crop": "cell.png", "psnr": 28.125, "ssim": 0.8125}
    levels = [30.0, 50.0, 70.0][:rows] if rows > 1 else [None]
    return {
        "name": "figure", "task": "denoise" if rows > 1 else "derain", "data": "a/set", "image": "an image.png",
        "place": 11, "height": 481, "width": 321, "whole": "whole.png", "truth": "cell.png", "columns": columns,
        "crop": {"top": 10, "left": 20, "side": 96}, "notes": {},
        "rows": [
            {"protocol": "gray-awgn-30", "sigma": level, "input": cell,
             "cells": {name: None if (i + r) % 3 == 2 else cell for i, name in enumerate(columns)}}
            for r, level in enumerate(levels)
        ],
    }  # fmt: skip


LONG = ["BM3D", "non-local means, as published", "x", "a $name$ with _signs^ in it", "total variation", "net", "final"]


@pytest.mark.parametrize(("columns", "rows"), [(LONG, 3), (LONG[:2], 1), (["CLEARER"], 1), (["CLEARER"], 3)])
def test_texts_of_a_figure_lie_apart_and_inside(tmp_path: Path, columns: list[str], rows: int) -> None:
    figure = comparison_figure(tmp_path, made_up(tmp_path, columns, rows))
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = figure.axes[0].texts
    boxes = [text.get_window_extent(renderer) for text in texts]
    for (a, one), (b, other) in itertools.combinations(zip(boxes, texts, strict=True), 2):
        assert not a.overlaps(b), (one.get_text(), other.get_text())
    width, height = figure.canvas.get_width_height()
    assert all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in boxes)
    images = [axes.get_window_extent(renderer) for axes in figure.axes[1:]]
    assert not [text.get_text() for text, b in zip(texts, boxes, strict=True) for p in images if b.overlaps(p)]
    for a, b in itertools.combinations(images, 2):
        assert not a.overlaps(b)
    bold = [text for text in texts if text.get_weight() == "bold"]
    shown = [[cell for cell in row["cells"].values() if cell] for row in made_up(tmp_path, columns, rows)["rows"]]
    assert len(bold) == sum(2 * len(cells) for cells in shown if len(cells) > 1)  # all are equal, so all are best
    empty = [text for text in texts if text.get_text() == "not for this level"]
    assert len(empty) == len(columns) * rows - sum(map(len, shown))


@pytest.mark.slow
def test_figures_are_drawn_again_from_json_and_crops(clean: Path, rain: Path, tmp_path: Path) -> None:
    figures5_7(tmp_path, [BOX, DRY], bsd500=clean, rain800=rain, images=1, sigmas=[50])
    names = ("denoise-astronaut.png", "derain-coffee.png", "figures57.md")
    drawn = {name: (tmp_path / name).read_bytes() for name in names}
    assert b"not of the crop" in drawn["figures57.md"] and b"](derain-coffee.png)" in drawn["figures57.md"]
    for path in [*(tmp_path / name for name in drawn), *(tmp_path / "restored").iterdir()]:
        path.unlink()
    redraw(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in drawn} == drawn


def test_a_folder_of_version_0_1_is_redrawn(clean: Path, tmp_path: Path) -> None:
    figures5_7(tmp_path, [BOX], bsd500=clean, images=1, sigmas=[50])
    names = ("denoise-astronaut.png", "figures57.md")
    drawn = [(tmp_path / name).read_bytes() for name in names]
    value = json.loads((tmp_path / "figures57.json").read_text())
    (sheet,) = value.pop("figures")
    old = {**value, "sheets": [{**{k: v for k, v in sheet.items() if k != "image"}, "picture": sheet["image"]}]}
    (tmp_path / "sheets.json").write_text(json.dumps(old))
    for name in (*names, "figures57.json"):
        (tmp_path / name).unlink()
    assert redraw_folder(tmp_path) == ["sheets.json"]
    assert [(tmp_path / name).read_bytes() for name in ("denoise-astronaut.png", "sheets.md")] == drawn
    (tmp_path / "sheets.md").unlink()
    (tmp_path / "figures57.json").write_text(json.dumps({**value, "figures": []}))
    assert redraw_folder(tmp_path) == ["figures57.json"] and not (tmp_path / "sheets.md").exists()


def test_images_that_differ_in_suffix_only_get_figures_of_their_own(tmp_path: Path, undrawn: None) -> None:
    folder = write_photos(tmp_path / "set", NAMES[:1], side=64)
    Image.open(folder / "astronaut.png").save(folder / "astronaut.bmp")
    result = figures5_7(tmp_path / "out", [KEEP], bsd500=folder, names=["astronaut"], sigmas=[50])
    assert [shown["image"] for shown in result["figures"]] == ["astronaut.bmp", "astronaut.png"]
    assert len({shown["name"] for shown in result["figures"]}) == 2


def test_faults_are_reported_before_any_work(clean: Path, rain: Path, tmp_path: Path) -> None:
    def unused(image: ImageArray, sigma: float | None) -> ImageArray:
        raise AssertionError("restored all the same")

    method = dataclasses.replace(BOX, restore=unused)
    out = tmp_path / "out"
    for how, words in (
        ({}, "images: none are named; give --bsd500"),
        ({"bsd500": clean, "names": ["cofee.png"]}, r"image 'cofee.png': not in .*did you mean 'coffee.png'"),
        ({"bsd500": clean, "images": 0}, "images: 0 is less than 1"),
        ({"bsd500": clean, "sigmas": []}, "no noise level is given"),
        ({"bsd500": clean, "protocol": "clearer-grey"}, "protocol: 'clearer-grey-30' is not known"),
        ({"bsd500": clean, "protocol": "color-awgn"}, "gray, but color-awgn-30 needs color"),
        ({"bsd500": clean, "crop": (0, 60, 10)}, "--crop 0,60,10: not within astronaut.png, 64x64 pixels"),
        ({"rain800": rain}, "methods: none is for rain-rgb"),
        ({"rain800": clean}, "astronaut.png: gray, but rain-rgb needs color"),
    ):
        with pytest.raises(UserError, match=words) as fault:
            figures5_7(out, [method], **how)  # type: ignore[arg-type]
        assert "\n" not in str(fault.value) and not out.exists()


def test_the_verb_takes_models_and_functions_of_a_file(clean: Path, tmp_path: Path) -> None:
    weights, file, out = tmp_path / "net.safetensors", tmp_path / "own.py", tmp_path / "out"
    network = RestorationNetwork(Architecture.parse("P-F", width=4))
    save_weights(weights, network, {"degradation": {"kind": "gaussian", "sigma": 30.0, "clip8": True}})
    file.write_text(
        "from clearer.methods.base import Method\n"
        "METHODS = [Method('mine', 'gaussian', lambda p, s: p), Method('dry', 'rain', lambda p, s: p)]\n"
    )
    command = ("reproduce", "figures5-7", "--models", f"CLEARER={weights}", "--also", file, "--bsd500", clean)
    wanted = ("--image", "camera", "--sigma", 30, "--sigma", 50, "--crop", "1,2,30", "-o", out, "--device", "cpu")
    outcome = clearer(*command, *wanted, "--json")
    assert outcome.status == 0, outcome.err
    (figure,) = outcome.json["figures"]
    assert figure["columns"] == ["mine", "CLEARER"] and figure["notes"].keys() == {"CLEARER"}
    assert [row["cells"]["CLEARER"] is None for row in figure["rows"]] == [False, True]
    assert figure["crop"] == {"top": 1, "left": 2, "side": 30}
    assert "dry: suits nothing that is shown" in outcome.err
    assert outcome.json["saved"] == str(out) and (out / "denoise-camera.png").is_file()
    for crop in ("1,2", "1,2,x", "1,2,-3"):
        fault = clearer(*command, "--crop", crop, "-o", tmp_path / "none")
        assert fault.status == 2 and "not of the form TOP,LEFT,SIDE" in fault.err and fault.err.count("\n") == 1


def test_a_method_that_fails_is_named(clean: Path, tmp_path: Path) -> None:
    for restore, words in (
        (lambda image, sigma: image[1:], r"box: restore returned shape \(63, 64, 1\) for \(64, 64, 1\)"),
        (lambda image, sigma: image * np.nan, "box: its image holds values that are not finite"),
    ):
        with pytest.raises(UserError, match=words):
            figures5_7(tmp_path, [dataclasses.replace(BOX, restore=restore)], bsd500=clean, images=1)


def test_many_columns_break_into_lines_of_equal_length_with_heads_of_their_own(clean: Path, tmp_path: Path) -> None:
    methods = [dataclasses.replace(KEEP, name=f"keep {k}") for k in range(13)]
    result = figures5_7(tmp_path, methods, bsd500=clean, images=1, sigmas=[30, 50])
    shown = result["figures"][0]
    layout = Layout.of(shown, np.zeros((96, 96, 3), np.uint8))
    corners = [layout.corner(row, cell) for row in range(2) for cell in range(15)]
    assert len(set(corners)) == 30 and len({left for left, _ in corners}) == 8 and len({top for _, top in corners}) == 4
    width, height = layout.size
    assert all(left + CELL <= width and top + CELL <= layout.text_top < height for left, top in corners)
    few = Layout.of({**shown, "columns": shown["columns"][:7]}, np.zeros((96, 96, 3), np.uint8))
    assert len({few.corner(row, cell)[1] for row in range(2) for cell in range(9)}) == 2
    heads = [text.get_text() for text in comparison_figure(tmp_path, shown).axes[0].texts]
    assert heads.count("keep 12") == heads.count("ground truth") == 2
