"""Drawings, figures, the page and the summary of a run, on a made-up run folder."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.network.architecture import Architecture
from clearer.network.plan import plan_network
from clearer.report.comparison import Sample, comparison, detail_crop
from clearer.report.drawing import architecture_figure, draw_architecture
from clearer.report.facts import result_line
from clearer.report.figures import (
    curves_search,
    curves_training,
    mean_gap,
    mixing_weights_over_time,
    places_apart,
    png_bytes,
    scatter,
    svg_text,
)
from clearer.report.page import write_page
from clearer.report.samples import sample_file
from clearer.report.summary import print_summary
from clearer.runs.layout import RunFolder
from clearer.runs.record import read_record
from clearer.search.objectives import architecture_loss
from helpers.synthetic_run import HOSTILE, TABLE_1, write_run

pytestmark = pytest.mark.slow  # whole pages, figures and verbs

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Balanced(HTMLParser):
    """Checks that every element is closed where it should be, and collects tags, ids and references."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            assert not key.startswith("on")
            if key == "id":
                self.ids.append(str(value))
            if key in ("src", "href", "xlink:href"):
                self.references.append(str(value))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: Path) -> Balanced:
    parser = Balanced()
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs") / "a run", images=3)
    write_page(folder)
    return folder


# --- the drawing ---


@pytest.mark.parametrize("text", ["FPPF-FFFF-PFFP", "P", "FP-P", "F-P-F-P", "FPFPFPFP-PPPPPPPP"])
def test_a_drawing_holds_every_feature_map_and_every_edge(text: str, tmp_path: Path) -> None:
    draw_architecture(Architecture.parse(text), tmp_path / "drawing.svg")
    names = [e.get("id", "") for e in ElementTree.parse(tmp_path / "drawing.svg").iter()]
    cells = text.split("-")
    # Counted anew from the paper's words. Maps: input, two of the stem, the gathered one and the output,
    # and c + 1 scales after the transition and each module of cell c.
    maps = 5 + sum((c + 2) * (len(cell) + 1) for c, cell in enumerate(cells))
    edges = {"conv": 2, "none": 1, "strided": 0, "upsample": len(cells), "last": 1}
    for c, cell in enumerate(cells):
        n = c + 2
        edges["none"] += n - 1 + n * cell.count("F")
        edges["strided"] += 1 + n * (n - 1) // 2 * cell.count("F")
        edges["upsample"] += n * (n - 1) // 2 * cell.count("F")
        edges["conv"] += n * cell.count("P")
    assert sum(name.startswith("map-") for name in names) == maps
    assert {kind: sum(name.startswith(f"edge-{kind}-") for name in names) for kind in edges} == edges
    letters = [name.split("-")[2] for name in names if name.startswith("module-")]
    assert "".join(letters) == text.replace("-", "")
    assert not [name for name in names if name == "residual"]


def test_a_drawing_of_a_supernet_holds_the_edges_of_all_candidates(tmp_path: Path) -> None:
    found = {}
    for name, text, supernet in (("P", "PP-P", False), ("F", "FF-F", False), ("all", "PF-P", True)):
        draw_architecture(Architecture.parse(text), tmp_path / "drawing.svg", supernet=supernet)
        found[name] = [e.get("id", "") for e in ElementTree.parse(tmp_path / "drawing.svg").iter()]
    edges, maps = (
        {name: [i for i in ids if i.startswith(kind)] for name, ids in found.items()} for kind in ("edge-", "map-")
    )
    assert len(edges["all"]) == len(set(edges["all"])) and set(edges["all"]) == {*edges["P"], *edges["F"]}
    assert maps["all"] == maps["P"] == maps["F"]
    assert [i for i in found["all"] if i.startswith("module-")] == ["module-1-PF", "module-2-PF", "module-3-PF"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("PF", min_size=1, max_size=8), min_size=1, max_size=4))
def test_steps_join_up(cells: list[str]) -> None:
    architecture = Architecture(cells=tuple(cells))
    steps = plan_network(architecture).drawn
    assert len(steps) == 2 + len(cells) + len(architecture.choices) + 2
    assert [step.number for step in steps if step.number] == list(range(1, len(architecture.choices) + 1))
    before = 1
    for step in steps:
        assert {edge.source for edge in step.edges} <= set(range(before))
        assert {edge.target for edge in step.edges} == set(range(step.scales))  # every map is made from something
        for edge in step.edges:
            source, target, operation = edge.source, edge.target, edge.operation
            expected = {"strided"} if target > source else {"upsample"} if target < source else {"none", "conv", "last"}
            assert operation in expected
        before = step.scales
    assert before == 1


@pytest.mark.slow
def test_a_drawing_is_wide_enough_white_and_the_same_every_time(tmp_path: Path) -> None:
    for text in ("P", "FPPF-FFFF-PFFP"):
        draw_architecture(Architecture.parse(text, residual=True), tmp_path / "a.png")
        image = Image.open(tmp_path / "a.png").convert("RGB")
        assert image.width >= 1600
        assert image.getpixel((0, 0)) == (255, 255, 255)
    a, b = (svg_text(architecture_figure(Architecture.parse("FP-PF", residual=True))) for _ in range(2))
    assert a == b and 'id="residual"' in a


def test_a_drawing_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.svg or \.png"):
        draw_architecture(Architecture.parse("P"), tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == []


# --- the figures ---


def test_the_gap_of_table_1_stands_over_the_scatter() -> None:
    figure = scatter([(p, 1 - p) for p in TABLE_1])
    assert mean_gap([(p, 1 - p) for p in TABLE_1]) == pytest.approx(0.6709, abs=5e-4)  # supplement, Fig. 2
    assert figure.axes[0].get_title(loc="left") == "mean gap 0.6709"
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert len(points) == 12


def test_curves_choose_a_log_axis_only_for_positive_losses() -> None:
    lines = [{"epoch": e, "loss": 0.1 / e, "lr": 0.1} for e in (1, 2, 3)]
    assert [axes.get_yscale() for axes in curves_training(lines).axes] == ["log", "linear"]
    lines.append({"epoch": 4, "loss": -0.1, "lr": None})
    assert curves_training(lines).axes[0].get_yscale() == "linear"


@pytest.mark.slow
def test_curves_mark_the_input_and_the_best_epoch(run: Path) -> None:
    record = read_record(run)
    axes = curves_training(record.train_lines).axes[1]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels[1] == "input" and labels[2] == f"best {record.train['best_psnr']:.2f} dB"
    assert len(curves_search(record.search_lines).axes) == 3


def test_mixing_weights_have_a_line_a_module(run: Path) -> None:
    lines = read_record(run).search_lines
    panels = mixing_weights_over_time(lines).axes
    assert len([line for line in panels[0].get_lines() if len(line.get_xdata()) == len(lines)]) == 12  # type: ignore[arg-type]
    assert max(panels[1].get_lines()[0].get_ydata()) == pytest.approx(0.6709, abs=5e-4)  # type: ignore[arg-type]
    assert panels[0].get_xlabel() == "architecture steps"


def test_of_three_candidates_the_chosen_one_of_each_module_is_drawn() -> None:
    ends = [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]
    lines = [{"epoch": 1, "mixing_weights": [[1 / 3] * 3] * 2}, {"epoch": 2, "mixing_weights": ends}]
    left, gap, entropy = mixing_weights_over_time(lines, ("parallel", "fusion", "skip")).axes
    drawn = [list(line.get_ydata()) for line in left.get_lines() if len(line.get_xdata()) == 2][1:]  # type: ignore[arg-type]
    assert drawn == [pytest.approx([1 / 3, 0.7]), pytest.approx([1 / 3, 0.6])]
    assert left.get_title(loc="left") == "mixing weight of the chosen candidate, one line per module"
    assert list(gap.get_lines()[0].get_ydata()) == pytest.approx([0, 0.4])  # type: ignore[arg-type]
    undecided = float(architecture_loss(torch.full((1, 3), 1 / 3)))
    assert entropy.get_title(loc="left") == f"mean entropy ({undecided:.3f}: undecided)"


@pytest.mark.parametrize("lines", [[], [{"epoch": 1, "loss": 0.1, "lr": 0.1, "mixing_weights": [[0.5, 0.5]]}]])
def test_figures_of_little_or_nothing_can_be_drawn(lines: list[dict[str, Any]]) -> None:
    for draw in (curves_search, curves_training, mixing_weights_over_time):
        assert svg_text(draw(lines)).startswith("<svg")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=16))
def test_labels_are_spread_apart_in_order(values: list[float]) -> None:
    places = places_apart(values, 0.05, (0, 1))
    order = sorted(range(len(values)), key=lambda i: values[i])
    assert all(places[b] - places[a] >= 0.05 - 1e-9 for a, b in itertools.pairwise(order))
    assert not places or (min(places) >= -1e-9 and max(places) <= 1 + 1e-9)


def test_the_crop_is_where_the_detail_is() -> None:
    truth = np.full((200, 300, 3), 128, np.uint8)
    truth[120:180, 40:130] = np.random.default_rng(0).integers(0, 255, (60, 90, 3))
    top, left = detail_crop(truth, 64, 96)
    assert 116 <= top <= 120 and 34 <= left <= 40
    assert detail_crop(truth[:20, :30], 20, 30) == (0, 0)


@pytest.mark.parametrize("shape", [(321, 481), (90, 60, 1), (700, 40, 3), (40, 900, 3)])
def test_comparisons_of_any_shape_can_be_drawn(shape: tuple[int, ...]) -> None:
    truth = np.random.default_rng(0).random(shape)
    sample = Sample(HOSTILE, truth, truth, truth, psnr=30.0)
    with Image.open(io.BytesIO(png_bytes(comparison([sample]), 100))) as image:
        assert image.width in (3 * 384 + 24, 3 * 288 + 24)


def test_pixels_of_the_crop_are_enlarged_evenly() -> None:
    truth = np.random.default_rng(0).integers(0, 255, (320, 480, 3), np.uint8)
    sample = Sample("a", truth, truth, truth)
    with Image.open(io.BytesIO(png_bytes(comparison([sample]), 100))) as image:
        shown = np.asarray(image.convert("RGB"))
    assert shown.shape[1] == 3 * 384 + 2 * 12
    top, left = detail_crop(truth, 64, 96)
    below = 30 + 256 + 12  # the name, the whole image, a gap
    crop = shown[below : below + 256, 396 : 396 + 384].reshape(64, 4, 96, 4, 3)
    inside = crop[2:-2, :, 2:-2]  # the frame covers the rim
    assert (inside == truth[top + 2 : top + 62, left + 2 : left + 94][:, None, :, None]).all()


@pytest.mark.parametrize("stem", ["a", "x" * 246, "\N{HIRAGANA LETTER A}" * 82])
def test_names_of_sample_images_are_as_long_as_file_systems_take(stem: str, tmp_path: Path) -> None:
    files = [sample_file(RunFolder(tmp_path), k, Item(f"{stem}.png", tmp_path), "restored") for k in range(2)]
    assert files[0] != files[1] and max(len(os.fsencode(file.name)) for file in files) <= 255
    assert stem.startswith(files[0].name[2:].removesuffix("-restored.png"))


def test_a_sample_of_unequal_sizes_is_refused() -> None:
    a, b = np.zeros((64, 64)), np.zeros((64, 65))
    with pytest.raises(UserError, match="64x64, 65x64, 64x64"):
        comparison([Sample("a", a, b, a)])


# --- the page ---


def test_the_page_stands_alone(run: Path) -> None:
    page = run / "report.html"
    parser, text = parsed(page), page.read_text(encoding="utf-8")
    names = re.findall(r'https?://[^"\s]+', text)
    assert set(names) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert all(r.startswith(("#", "data:image/png;base64,")) for r in parser.references)
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert "@import" not in text and "script" not in parser.tags and "iframe" not in parser.tags
    assert len(parser.ids) == len(set(parser.ids))
    inside = {f"#{name}" for name in parser.ids}
    assert {r for r in parser.references if r.startswith("#")} <= inside
    assert {f"#{name}" for name in re.findall(r"url\(#([^)]+)\)", text)} <= inside
    assert page.stat().st_size < 6e6


def test_the_page_covers_the_whole_run(run: Path) -> None:
    parser, text = parsed(run / "report.html"), (run / "report.html").read_text(encoding="utf-8")
    expected = ["Results", "Images", "Architecture", "Training", "Search", "Time and memory", "Use the model", "Recipe"]
    assert parser.headings == expected
    assert "architecture steps" in text and 'class="warning"' not in text
    for part in (
        "+11.61 dB",
        "6.07 M",
        "446.7",
        "2 h 13 min",
        "0.6709",
        "with x8 self-ensemble",
        "lambda_arch",
        "sets/bsd68",
    ):
        assert part in text
    assert "clearer restore &#x27;a run&#x27; image.png -o out.png" in text
    assert "clearer.load(&#x27;a run&#x27;)" in text
    assert "/home/" not in text and str(run.parent) not in text
    assert parser.tags.count("img") == 3 and parser.tags.count("svg") == 5
    assert sum("map-" in name for name in parser.ids) == 50
    task, facts = result_line(read_record(run)).split(": ")
    assert task == "gaussian noise, sigma 50"
    assert facts == "+11.61 dB over the input, 6.07 M parameters, 446.7 kMAC/pixel, 2 h 13 min of search and training"


@pytest.mark.slow
def test_hostile_values_stay_text(tmp_path: Path) -> None:
    page = write_page(write_run(tmp_path / "run", hostile=True))
    parser = parsed(page)
    assert "script" not in parser.tags
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in page.read_text(encoding="utf-8")


def test_names_in_any_script_stand_above_their_images_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    folder = write_run(tmp_path / "实验", images=1)
    samples = json.loads((folder / "samples.json").read_text())
    (folder / "samples.json").write_text(json.dumps([samples[0] | {"name": "細胞 <ไทย>.png"}]))
    assert "<h3>細胞 &lt;ไทย&gt;.png</h3>" in write_page(folder).read_text(encoding="utf-8")
    image = np.zeros((32, 32), np.uint8)
    for draw in (png_bytes, svg_text):
        assert draw(comparison([Sample("細胞ไทย.png", image, image, image)]))
    assert not [str(one.message) for one in recwarn if issubclass(one.category, UserWarning)]


def test_a_comparison_without_its_name_has_no_room_for_it() -> None:
    image = np.random.default_rng(0).integers(0, 255, (320, 480, 3), np.uint8)
    sample = Sample("a", image, image, image)
    heights = [round(comparison([sample], named=named).get_size_inches()[1] * 100) for named in (True, False)]
    assert heights[0] - heights[1] == 30


GONE = {
    "Results": ["evaluation/gray-awgn-50-a.json", "evaluation/gray-awgn-50-e.json"],
    "Images": ["samples.json"],
    "Training": ["train/metrics.jsonl"],
    "Search": ["search/metrics.jsonl", "search/result.json"],
    "Time and memory": ["search/result.json", "train/result.json"],
    "Use the model": ["train/result.json", "model.safetensors"],
}


@pytest.mark.slow
def test_parts_without_files_are_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    kept = ["Results", "Images", "Architecture", "Training", "Search", "Time and memory", "Use the model", "Recipe"]
    for part in ("Search", "Training", "Images", "Results", "Time and memory", "Use the model"):
        for file in GONE[part]:
            (folder / file).unlink(missing_ok=True)
        kept.remove(part)
        if part == "Time and memory":
            continue  # goes by the same file as the next
        assert parsed(write_page(folder)).headings == kept
    for file in ("run.json", "cost.json"):
        (folder / file).unlink()
    assert parsed(write_page(folder)).headings == ["Architecture", "Recipe"]
    console = Console(file=io.StringIO(), width=100)
    print_summary(folder, console)


def test_faults_are_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe\.yaml"):
        write_page(tmp_path / "none")
    folder = write_run(tmp_path / "run")
    (tmp_path / "secret.png").write_bytes((folder / "samples/0-truth.png").read_bytes())
    samples = json.loads((folder / "samples.json").read_text())
    (folder / "samples.json").write_text(json.dumps([samples[0] | {"input": "../secret.png"}]))
    with pytest.raises(UserError, match="outside the run folder"):
        write_page(folder)
    (folder / "samples.json").unlink()
    (folder / "search/metrics.jsonl").write_text('{"epoch": 1}\n{"ep\n{"epoch": 3}\n')
    with pytest.raises(UserError, match="line 2 is not JSON"):
        write_page(folder)
    (folder / "cost.json").write_text("[]")
    with pytest.raises(UserError, match=r"cost\.json: not a JSON object"):
        write_page(folder)
    assert not (folder / "report.html").exists()


@pytest.mark.slow
def test_missing_values_do_not_stop_the_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "cost.json").write_text('{"cells": []}')
    (folder / "train/result.json").write_text("{}")
    (folder / "samples/0-truth.png").unlink()
    assert "Images" not in parsed(write_page(folder)).headings


@pytest.mark.slow
def test_a_search_that_ended_early_is_summarized_in_one_line(tmp_path: Path) -> None:
    write_run(tmp_path / "run", images=0)
    result = tmp_path / "run" / "search" / "result.json"
    early = {**json.loads(result.read_text()), "steps": 4000, "steps_saved": 6000, "seconds_saved": 1800.0}
    result.write_text(json.dumps(early))
    console = Console(file=io.StringIO(), width=140)
    print_summary(tmp_path / "run", console)
    line = "converged after 4,000 of 10,000 weight steps, which saved about 30 min 0 s"
    assert line in console.file.getvalue()  # type: ignore[attr-defined]
    assert line in write_page(tmp_path / "run").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_result_below_its_input_is_said_and_a_run_without_search_has_no_column_for_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", images=0)
    shutil.rmtree(folder / "search")
    for file in (folder / "evaluation").glob("*.json"):
        result = json.loads(file.read_text())
        file.write_text(json.dumps({**result, "input_psnr": result["psnr"] + 1}))
    console = Console(file=io.StringIO(), width=140)
    print_summary(folder, console)
    page = write_page(folder).read_text(encoding="utf-8")
    for said in (console.file.getvalue(), page):  # type: ignore[attr-defined]
        assert "the result is worse than the input: 26.35 dB instead of 27.35 dB" in said
    assert "peak memory" in page and "architecture steps" not in page


def test_the_summary_prints_figures_and_paths(run: Path) -> None:
    console = Console(file=io.StringIO(), width=140)
    print_summary(run, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    times, gain = ("20 min 0 s on cpu", "1 h 53 min"), "14.74 -> 26.35 dB (+11.61 dB)"
    ensemble = "gray-awgn-50 with x8 self-ensemble"
    for part in ("FPPF-FFFF-PFFP", "6.07 M", "446.7", *times, gain, ensemble, "report.html", "model.safetensors"):
        assert part in text
