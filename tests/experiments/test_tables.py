"""The tables of results: measured once, kept, set beside the published figures, drawn again from JSON."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.core.peak_memory import PeakMemory
from clearer.data.folders import find_items, short_name
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.protocols import parse_protocol
from clearer.experiments import published, table_measurements
from clearer.experiments.method_memory import RUNS, memory_of
from clearer.experiments.table_measurements import ImageSet
from clearer.experiments.tables import tables
from clearer.experiments.tables_page import as_markdown, redraw
from clearer.images.view import read_image
from clearer.methods.base import ImageArray, Method
from helpers.command import clearer
from helpers.networks import write_model
from helpers.photos import NAMES, SHIPPED, write_photos

MEMORY = 1 + RUNS if PeakMemory().added() is not None else 0
"""How often the memory of a fast method is measured."""


class Counting:
    """Blends with the mean, and remembers how often it was asked and at which levels."""

    def __init__(self) -> None:
        self.sigmas: list[float | None] = []

    def __call__(self, image: ImageArray, sigma: float | None) -> ImageArray:
        self.sigmas.append(sigma)
        return (image + image.mean()) / np.float32(2)


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("set") / "test", NAMES[:3])


@pytest.fixture(scope="module")
def rainy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Color pairs side by side, the clean half left."""
    folder = tmp_path_factory.mktemp("rain") / "test_syn"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for name in ("astronaut.png", "coffee.png"):
        clean = read_image(SHIPPED / name, 3)[:70, :66]
        rain = np.clip(clean + 90 * (chance.random((70, 66, 1)) < 0.06), 0, 255).astype(np.uint8)
        Image.fromarray(np.concatenate([clean, rain], 1)).save(folder / name)
    return folder


def row_of(result: dict[str, Any], name: str, source: str = "here", table: int = 0) -> dict[str, Any]:
    (row,) = (r for r in result["tables"][table]["rows"] if (r["name"], r["source"]) == (name, source))
    return row


def lines_of(text: str) -> list[list[str]]:
    """Return the cells of the lines of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_from_the_command_line_to_a_table(gray: Path, rainy: Path, tmp_path: Path) -> None:
    one = write_model(tmp_path / "one" / "model.safetensors")
    rain = {"degradation": {"kind": "none", "sigma": 0.0, "clip8": False}, "task": "derain"}
    two = write_model(tmp_path / "two.safetensors", rain, channels=3)
    also = tmp_path / "mine.py"
    also.write_text(
        "from clearer.methods.base import Method\n"
        "METHODS = [Method('half|way', 'gaussian', lambda p, s: p / 2, notes='a joke')]"
    )
    out = tmp_path / "t"
    command = (
        "reproduce", "tables", "--models", f"ours={one.parent}", "--models", two, "--also", also, "--classical", "tv",
        "--bsd500", gray, "--rain800", rainy, "--sigma", 50, "--sigma", 70, "--limit", 2, "--device", "cpu",
        "-o", out, "--json",
    )  # fmt: skip
    done = clearer(*command)
    assert done.status == 0, done.err
    result = done.json
    assert result == {**json.loads((out / "tables.json").read_text()), "saved": str(out)}
    # The figures are those of `clearer evaluate`.
    measured = clearer("evaluate", one, "--protocol", "clearer-gray-50", "--data", gray, "--limit", 2, "--json",
                       "-o", tmp_path / "e.json", "--device", "cpu").json  # fmt: skip
    cell = row_of(result, "ours")["cells"]["clearer-gray-50"]
    assert {key: cell[key] for key in ("psnr", "ssim")} == {key: measured[key] for key in ("psnr", "ssim")}
    assert (cell["parameters"], cell["macs_per_pixel"]) == (measured["parameters"], measured["macs_per_pixel"])
    start = row_of(result, "degraded input", "input")["cells"]["clearer-gray-50"]
    assert start["psnr"] == measured["input_psnr"] and start["ssim"] == measured["input_ssim"]
    # A network for one level is not measured at another; a method for any level is.
    assert list(row_of(result, "ours")["cells"]) == ["clearer-gray-50"]
    assert list(row_of(result, "TV")["cells"]) == ["clearer-gray-50", "clearer-gray-70"]
    assert list(row_of(result, "two", table=1)["cells"]) == ["rain-rgb"] and result["left_out"] == []
    text = (out / "tables.md").read_text()
    assert text in done.err and text.count("only the first 2** of 3 images") == 1 and "a joke" in text
    rows = {(line[0].split(" (")[0], line[1]): line for line in lines_of(text.replace("\\|", "/"))}
    assert rows["ours", "here"][3] == "" and rows["BM3D", "published"][2:4] == ["25.06 / 0.6831", "23.82 / 0.6240"]
    figures = f"{cell['psnr']:.2f} / {cell['ssim']:.4f} ({cell['ssim_zero_padded']:.4f})"
    assert 0 < abs(cell["ssim_zero_padded"] - cell["ssim"]) < 0.1 and "surrounds images with zeros" in text
    assert rows["ours", "here"][2] == figures and ("half/way", "here") in rows
    assert rows["WNNM", "published"][3] == "23.95 / -" and rows["DSC", "published"][2] == "18.56 / 0.5996"


def test_published_rows_are_all_there_and_clearer_p_stands_apart(gray: Path, tmp_path: Path) -> None:
    result = tables(tmp_path, [], data_noise=gray, sigmas=(30, 70, 25))
    for name, values in published.BSD500.items():
        cells = row_of(result, name, "published")["cells"]
        assert {p: (c["psnr"], c["ssim"]) for p, c in cells.items()} == {
            f"clearer-gray-{sigma}": values[sigma] for sigma in (30, 70)
        }
    text = (tmp_path / "tables.md").read_text()
    assert not any("CLEARER-P" in line[0] for line in lines_of(text))
    assert "CLEARER-P, published, is not in the table: sigma 30: 29.68 / 0.8439, sigma 70: 26.09 / 0.7267. T" in text
    assert "all 3 images" in text and "only" not in text


def test_measurements_are_repeated_only_after_a_change(gray: Path, tmp_path: Path) -> None:
    blend = Counting()
    method = Method("m", "gaussian", blend, sha256="a")

    def measured(method: Method = method, data: Path = gray, **how: Any) -> int:
        before = len(blend.sigmas)
        tables(tmp_path / "t", [method], data_noise=data, **{"sigmas": [50], **how})
        calls = len(blend.sigmas) - before
        return calls - MEMORY if calls else 0

    assert measured() == 4 and set(blend.sigmas) == {50}  # three images, and the corner before timing
    assert measured() == 0
    assert measured(sigmas=[50, 30]) == 4
    assert measured(limit=2) == 3 and measured(limit=2) == 0 and measured() == 0
    assert measured(seed=1) == 4 and measured() == 0
    assert measured(dataclasses.replace(method, setup="cpu, bf16")) == 4
    assert measured(dataclasses.replace(method, sha256="b")) == 4
    assert measured() == 4  # the file of this name now holds the other's
    other = write_photos(tmp_path / "test", NAMES[3:5])
    assert measured(data=other) == 3 and measured() == 0
    write_photos(other, NAMES[5:6])
    assert measured(data=other) == 4
    kept = json.loads(next((tmp_path / "t" / "measured").glob("m-clearer-gray-30*.json")).read_text())
    assert kept["key"]["sha256"] == "a" and len(kept["per_image"]) == 3


def test_networks_of_one_name_share_a_row(gray: Path, tmp_path: Path) -> None:
    makers = [
        Method("net", "gaussian", Counting(), sigmas=(s, s), parameters=1000 + (s == 70), notes=f"of {s}")
        for s in (30, 50, 70)
    ]
    result = tables(tmp_path, makers, data_noise=gray, limit=1)
    assert list(row_of(result, "net")["cells"]) == [f"clearer-gray-{s}" for s in (30, 50, 70)]
    (line,) = (line for line in lines_of((tmp_path / "tables.md").read_text()) if line[0].startswith("net ("))
    assert all(line[2:5]) and line[5] == "1,000 / 1,001"
    with pytest.raises(UserError, match="'net': two of this name are for clearer-gray-50"):
        tables(tmp_path, [*makers, makers[1]], data_noise=gray)


def test_time_is_that_of_the_quickest_level() -> None:
    def cell(seconds: float, pixels: float, threads: int) -> dict[str, Any]:
        facts = {"psnr": 25.0, "ssim": 0.7, "parameters": None, "macs_per_pixel": None, "notes": "", "setup": ""}
        speed = {"seconds_per_image": seconds, "megapixels_per_second": pixels / seconds}
        return {**facts, "threads": threads, **speed}

    cells = {"clearer-gray-30": cell(3, 0.1, 1), "clearer-gray-50": cell(1, 0.1, 2)}
    row = {"name": "m", "source": "here", "cells": cells}
    counts = {"images": 1, "images_in_set": 1}
    table = {"name": "bsd500", "data": "x", **counts, "protocols": list(cells), "rows": [row]}
    text = as_markdown({"seed": 0, "left_out": [], "tables": [table]})
    (line,) = (x for x in lines_of(text) if x[0] == "m")
    assert line[-2:] == ["1", "0.1"] and "with 2 CPU thread(s) for torch, at the level that took least." in text
    for level in cells.values():
        del level["seconds_per_image"], level["megapixels_per_second"], level["threads"]
    text = as_markdown({"seed": 0, "left_out": [], "tables": [table]})
    (line,) = (x for x in lines_of(text) if x[0] == "m")
    assert line[-2:] == ["", ""] and "Speed is for" not in text


def test_rain_on_y_has_a_table_of_its_own(rainy: Path, tmp_path: Path) -> None:
    blend = Counting()
    methods = [Method("m", "rain", blend), Method("gray only", "rain", blend, channels=1)]
    result = tables(tmp_path, methods, data_rain=rainy, rain_y=True)
    assert [t["name"] for t in result["tables"]] == ["rain800-rgb", "rain800-y"] and set(blend.sigmas) == {None}
    for table, protocol in zip(result["tables"], ("rain-rgb", "rain-y"), strict=True):
        start = row_of({"tables": [table]}, "degraded input", "input")["cells"][protocol]
        assert start["psnr"] == pytest.approx(evaluate(lambda x: x, rainy, protocol).psnr)
    assert {row["source"] for row in result["tables"][0]["rows"]} == {"input", "published", "here"}
    assert {row["source"] for row in result["tables"][1]["rows"]} == {"input", "here"}
    assert result["left_out"] == ["gray only (rain, gray)"]
    assert "gray only (rain, gray)" in (tmp_path / "tables.md").read_text()


def test_the_page_comes_from_the_json_alone(gray: Path, tmp_path: Path) -> None:
    tables(tmp_path, [Method("m", "gaussian", Counting())], data_noise=gray, limit=1)
    text = (tmp_path / "tables.md").read_text()
    for path in tmp_path.glob("measured/*"):
        path.unlink()
    (tmp_path / "tables.md").unlink()
    redraw(tmp_path)
    assert (tmp_path / "tables.md").read_text() == text


def test_faults_are_reported_in_one_line_before_anything_is_measured(gray: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("METHODS = 3")
    for arguments, words in (
        ((), "images: none are named; give --bsd500"),
        (("--bsd500", tmp_path / "none"), "no such folder"),
        (("--bsd500", gray, "--rain800", tmp_path / "none"), "no such folder"),
        (("--bsd500", gray, "--models", "a=none"), "none: no such weight file"),
        (("--bsd500", gray, "--classical", "bm4d"), "--classical: 'bm4d' is not one of"),
        (("--bsd500", gray, "--also", tmp_path / "bad.py"), "METHODS is not a list"),
        (("--bsd500", gray, "--sigma", -5), "--sigma: -5 is not 0 or more"),
    ):
        outcome = clearer("reproduce", "tables", "-o", tmp_path / "out", *arguments)
        assert outcome.status == 2 and words in outcome.err and outcome.err.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_sample_that_holds_all_images_of_up_to_a_megapixel_is_not_called_drawn(
    gray: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(gray, tmp_path / "set" / "test")
    Image.fromarray(np.zeros((128, 128), np.uint8)).save(tmp_path / "set" / "test" / "large.png")
    monkeypatch.setattr(table_measurements, "HUGE", 128 * 128 - 1)
    method = Method("slow", "gaussian", Counting(), sample=10)
    _, sample = tables(tmp_path / "out", [method], data_noise=tmp_path / "set" / "test", sigmas=[50])["tables"]
    assert (sample["images"], sample["images_in_set"], sample["drawn"]) == (3, 4, False)
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "(all 3 of 4 images that have up to 1 megapixel, of set/test)" in text


def test_a_slow_method_has_a_table_of_a_sample_beside_all_others(gray: Path, tmp_path: Path) -> None:
    slow, fast = Counting(), Counting()
    methods = [Method("slow", "gaussian", slow, sample=2), Method("fast", "gaussian", fast)]
    whole, sample = tables(tmp_path, methods, data_noise=gray, sigmas=[50])["tables"]
    assert (len(slow.sigmas), len(fast.sigmas)) == (2 + 1 + MEMORY, 3 + 1 + MEMORY)
    assert sample["sample"] == sample["images"] == 2
    assert [row["name"] for row in whole["rows"] if row["source"] == "here"] == ["fast"]
    assert [row["name"] for row in sample["rows"] if row["source"] != "published"] == ["degraded input", "slow", "fast"]
    published = [[row for row in table["rows"] if row["source"] == "published"] for table in (whole, sample)]
    assert published[0] == published[1] and "BM3D" in {row["name"] for row in published[1]}
    # The same images with the same noise.
    cells = {row["name"]: row["cells"]["clearer-gray-50"] for row in sample["rows"]}
    assert {key: cells["slow"][key] for key in ("psnr", "ssim", "images")} == {
        key: cells["fast"][key] for key in ("psnr", "ssim", "images")
    }
    text = (tmp_path / "tables.md").read_text()
    assert f"(2 of 3 images, drawn with seed 0 from those of up to 1 megapixel, of {short_name(gray)})" in text
    assert text.count("on all 200 test images, whatever images this table has") == 2
    tables(tmp_path / "limited", methods, data_noise=gray, sigmas=[50], limit=2)
    assert "**only the first 2** of 3 images" in (tmp_path / "limited" / "tables.md").read_text()
    tables(tmp_path / "limited", [methods[1], Method("slow", "gaussian", slow, sample=1)], data_noise=gray, limit=2)
    text = (tmp_path / "limited" / "tables.md").read_text()
    assert (
        f"(1 of the first 2 of 3 images, drawn with seed 0 from those of up to 1 megapixel, of {short_name(gray)})"
        in text
    )


def test_published_rows_state_their_protocol(gray: Path, tmp_path: Path) -> None:
    """All of them, by the notes of their own table; the rows of denoisers have other notes than those of derainers."""
    for name, rows in (("bsd500", published.BSD500), ("rain800-rgb", published.RAIN800)):
        assert set(published.PROTOCOLS[name]) == set(rows) - {"CLEARER-P"}  # it stands below its table
    tables(tmp_path, [], data_noise=gray, sigmas=[50])
    text = (tmp_path / "tables.md").read_text()
    (line,) = (line for line in lines_of(text) if line[0].startswith("NLRN ("))
    number = line[0].removeprefix("NLRN ")
    assert f"- {number} probably images of about half the size" in text


def test_the_memory_of_all_methods_is_measured_on_one_image_apart_from_scoring(gray: Path, tmp_path: Path) -> None:
    def large(image: ImageArray, sigma: float | None) -> ImageArray:
        return image + np.ones(8 * 2**20).mean().astype(np.float32) * 0  # 64 MiB that are freed at once

    methods = [
        Method("light", "gaussian", lambda image, sigma: image),
        Method("large", "gaussian", large, sample=2),
        Method("elsewhere", "gaussian", large, setup="cuda:0, fp32"),
    ]
    result = tables(tmp_path / "t", methods, data_noise=gray, sigmas=[50])
    whole, sample = result["tables"]
    assert whole["mib_size"] == sample["mib_size"] == [64, 64]
    cells = {row["name"]: row["cells"]["clearer-gray-50"] for row in sample["rows"]}
    assert cells["elsewhere"]["mib"] is None
    if not MEMORY:
        return
    assert cells["degraded input"]["mib"] < 2 and cells["light"]["mib"] < 2 and 60 < cells["large"]["mib"] < 80
    lines = {line[0].split(" (")[0]: line[-1] for line in lines_of((tmp_path / "t" / "tables.md").read_text())[-4:]}
    assert lines["light"] == "< 10" and lines["elsewhere"] == "" and 60 < int(lines["large"]) < 80
    text = (tmp_path / "t" / "tables.md").read_text()
    assert "MiB: what restoring an image of 64x64 pixels took; differences of 10 MiB are chance." in text
    # Measurements of before counted scores: of them, the memory alone is measured again.
    kept = next((tmp_path / "t" / "measured").glob("light-*.json"))
    stored = json.loads(kept.read_text())
    kept.write_text(json.dumps({key: value for key, value in stored.items() if key != "mib_size"} | {"mib": 99.0}))
    again = Counting()
    methods[0] = dataclasses.replace(methods[0], restore=again)
    cells = tables(tmp_path / "t", methods, data_noise=gray, sigmas=[50])["tables"][0]["rows"]
    (light,) = (row["cells"]["clearer-gray-50"] for row in cells if row["name"] == "light")
    assert light["mib"] < 2 and len(again.sigmas) == MEMORY
    assert light["psnr"] == whole["rows"][0]["cells"]["clearer-gray-50"]["psnr"]


def test_the_first_run_of_a_slow_method_is_the_only_one(gray: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.experiments.method_memory.SECONDS", 0.0)
    slow, item = Counting(), find_items(gray)[0]
    memory_of(Method("slow", "gaussian", slow), item, parse_protocol("clearer-gray-50"), 0, 0)
    assert len(slow.sigmas) == (1 if MEMORY else 0)


def test_a_table_of_before_says_that_its_memory_counts_scores() -> None:
    costs = {"threads": 1, "seconds_per_image": 1.0, "megapixels_per_second": 1.0, "mib": 3.0}
    facts = {"psnr": 25.0, "ssim": 0.7, "parameters": None, "macs_per_pixel": None, "notes": "", "setup": ""}
    row = {"name": "m", "source": "here", "cells": {"clearer-gray-50": {**facts, **costs}}}
    table = {"name": "bsd500", "data": "x", "images": 1, "images_in_set": 1, "protocols": ["clearer-gray-50"]}
    text = as_markdown({"seed": 0, "limit": None, "left_out": [], "tables": [{**table, "rows": [row]}]})
    assert "MiB: the most that measuring took, scores included." in text and lines_of(text)[-1][-1] == "< 10"


def test_samples_are_nested_and_hold_no_huge_image(tmp_path: Path) -> None:
    for k in range(6):
        Image.fromarray(np.zeros((2, 501_000 if k == 3 else 9), np.uint8)).save(tmp_path / f"{k}.png")
    images = ImageSet(str(tmp_path), find_items(tmp_path), "")
    chosen = {count: set(images.places(count)) for count in (1, 2, 4, 5)}
    assert chosen[1] < chosen[2] < chosen[4] < chosen[5] == {0, 1, 2, 4, 5}
    assert images.places(6) == images.places(1000) == [0, 1, 2, 4, 5] and images.places(None) == list(range(6))


def test_a_slow_method_without_an_image_that_is_small_enough_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 16_000), np.uint8)).save(write_photos(tmp_path / "set", ()) / "huge.png")
    with pytest.raises(UserError, match="slow: measured on images of up to 1 megapixel"):
        tables(tmp_path / "t", [Method("slow", "gaussian", Counting(), sample=2)], data_noise=tmp_path / "set")


def test_a_stopped_measurement_resumes_at_the_next_image(gray: Path, tmp_path: Path) -> None:
    calls = 0

    def stopped(image: np.ndarray, sigma: float | None) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:  # the corner and an image before
            raise KeyboardInterrupt
        return image / 2

    method = Method("m", "gaussian", stopped, sample=2)
    with pytest.raises(KeyboardInterrupt):
        tables(tmp_path / "t", [method], data_noise=gray, sigmas=[50])
    partial = next((tmp_path / "t" / "measured").glob("m-*.jsonl"))
    partial.write_text(partial.read_text() + '{"place": 2, "sco')  # killed while it wrote
    tables(tmp_path / "t", [method], data_noise=gray, sigmas=[50])
    assert calls == 3 + 2 + MEMORY and not partial.exists()  # the corner and the other image
    whole = [Method("m", "gaussian", lambda image, sigma: image / 2, sample=2)]
    tables(tmp_path / "u", whole, data_noise=gray, sigmas=[50])
    one, other = (json.loads(next((tmp_path / x / "measured").glob("m-*.json")).read_text()) for x in "tu")
    assert [score["psnr"] for score in one["per_image"]] == [score["psnr"] for score in other["per_image"]]
    assert one["zero_padded"] == other["zero_padded"]
