"""Figures 3 and 4: from search results to drawings, to counts of agreement, and again from JSON alone."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clearer.core.errors import UserError
from clearer.experiments import figures3_4 as architectures_drawn
from clearer.experiments import published
from clearer.experiments.agreement import chance_agreement
from clearer.experiments.figures3_4 import as_markdown, drawn, figures34, redraw
from clearer.network.architecture import Architecture, SearchSpace
from clearer.report.drawing import Drawing, architectures_figure
from clearer.report.figures import svg_text
from helpers.command import clearer
from helpers.synthetic_run import write_run

pytestmark = pytest.mark.slow  # whole pages, figures and verbs

LETTERS = published.ARCHITECTURE.replace("-", "")


def searched(folder: Path, text: str, task: str = "") -> Path:
    """A made-up run folder whose search found the architecture ``text``."""
    write_run(folder)
    path = folder / "search" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "architecture": text}))
    with (folder / "recipe.yaml").open("a") as recipe:
        recipe.write(f"seed: 3\ntask: {task}\n" if task else "seed: 3\n")
    return folder


def test_chance_is_that_of_all_architectures_with_as_many_fusions() -> None:
    alike = [a.choices for a in SearchSpace().all_architectures() if a.choices.count("F") == 8]
    agreements = [sum(a == b for a, b in zip(letters, LETTERS, strict=True)) for letters in alike]
    for agreed in (0, 4, 7, 10, 12):
        chance = chance_agreement(LETTERS, 8, agreed)
        assert chance["architectures"] == len(alike) == 495
        assert chance["expected"] == pytest.approx(sum(agreements) / len(alike)) == pytest.approx(20 / 3)
        assert chance["at_least"] == pytest.approx(sum(a >= agreed for a in agreements) / len(alike))


@settings(max_examples=60, deadline=None)
@given(st.text("PF", min_size=1, max_size=12), st.data())
def test_chance_stays_within_its_bounds(known: str, data: st.DataObject) -> None:
    fusions = data.draw(st.integers(0, len(known)))
    values = [chance_agreement(known, fusions, agreed)["at_least"] for agreed in range(len(known) + 2)]
    assert values[0] == pytest.approx(1) and values[-1] == 0
    assert values == sorted(values, reverse=True)
    assert chance_agreement(known, fusions)["expected"] == pytest.approx(sum(values[1:]))  # mean of a count


@pytest.mark.slow
def test_a_search_is_counted_against_the_published_one_and_drawn_above_it(tmp_path: Path) -> None:
    run = searched(tmp_path / "run", "FPFF-FPFF-PFFP", "denoise")
    out = tmp_path / "out"
    outcome = clearer("reproduce", "figures34", "--denoise", run, "-o", out, "--json")
    assert outcome.status == 0, outcome.err
    row = outcome.json["figures"]["figure3"]
    assert (row["agreement"], row["differs_at"], row["fusion"], row["parallel"]) == (10, [3, 6], 8, 4)
    assert (row["seed"], row["lambda_arch"], row["steps"], row["arch_steps"]) == (3, 0.1, 2000, 1500)
    assert row["recipe"] == "gaussian noise, sigma 50" and row["gap"] == pytest.approx(0.6709, abs=5e-5)
    assert row["chance"]["expected"] == pytest.approx(20 / 3)
    assert row["chance"]["at_least"] == pytest.approx((1 + 4 * 8) / 495)  # all agree, or one swap of P and F
    assert outcome.json["published"]["architecture"]["architecture"] == published.ARCHITECTURE
    names = [e.get("id", "") for e in ElementTree.parse(out / "figure3.svg").iter()]
    for part, text in (("a", "FPFFFPFFPFFP"), ("b", LETTERS)):
        modules = [name for name in names if name.startswith(f"{part}-module-")]
        assert "".join(name[-1] for name in modules) == text
    assert [name for name in names if "mark" in name] == ["a-mark-3", "a-mark-6"]
    text = (out / "figures34.md").read_text()
    assert "10 of 12" in text and "6.67" in text and "figure4" not in text
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["figures34.json", "figures34.md", *(f"{n}.{k}" for n in ("figure3", "published") for k in ("svg", "png"))]
    )


def test_a_later_figure_joins_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, alone = tmp_path / "out", tmp_path / "architecture.json"
    monkeypatch.setattr(architectures_drawn, "redraw", lambda out: None)
    figures34(out, denoise=searched(tmp_path / "run", published.ARCHITECTURE))
    alone.write_text(Architecture.parse("PFFF-FPFF-PFFP", channels=3, residual=True).to_json())
    result = figures34(out, derain=alone)
    assert result["figures"]["figure3"]["agreement"] == 12 and result["figures"]["figure3"]["differs_at"] == []
    assert result["figures"]["figure4"]["agreement"] == 8 and result["figures"]["figure4"].get("seed") is None
    text = as_markdown(result)
    assert text.index("**Figure 3.**") < text.index("**Figure 4.**") < text.index("at other positions")


@pytest.mark.slow
def test_drawings_and_captions_are_made_again_from_json_alone(tmp_path: Path) -> None:
    alone = tmp_path / "architecture.json"
    alone.write_text(Architecture.parse("PFFF-FPFF-PFFP", channels=3, residual=True).to_json())
    out = tmp_path / "out"
    figures34(out, derain=alone)
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {"figure4.svg", "figure4.png", "published.svg", "published.png", "figures34.md"} < set(files)
    for name in files:
        if name != "figures34.json":
            (out / name).unlink()
    alone.unlink()
    redraw(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files


def test_architectures_of_another_shape_are_drawn_and_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures_drawn, "redraw", lambda out: None)
    alone = tmp_path / "architecture.json"
    alone.write_text(Architecture.parse("PF-FP").to_json())
    result = figures34(tmp_path / "out", derain=alone)
    row = result["figures"]["figure4"]
    assert row["agreement"] is row["chance"] is None and row["fusion"] == 2
    assert "not compared" in as_markdown(result)
    assert len(drawn(result)["figure4"].axes) == 2


def test_without_a_search_the_published_one_is_drawn(tmp_path: Path) -> None:
    result = figures34(tmp_path)
    assert result["figures"] == {} and Image.open(tmp_path / "published.png").width > 1200
    assert published.ARCHITECTURE in (tmp_path / "figures34.md").read_text()


def test_networks_of_different_length_share_a_figure() -> None:
    drawings = [Drawing(Architecture.parse("PF", width=8), "a $ in a name"), Drawing(Architecture.parse("FPPF-FFFF"))]
    text = svg_text(architectures_figure(drawings))
    ids = [part.split('"')[0] for part in text.split('id="')[1:]]
    assert len(ids) == len(set(ids))
    assert sum(name.startswith("a-map-") for name in ids) == 5 + 2 * 3
    assert sum(name.startswith("b-map-") for name in ids) == 5 + 2 * 5 + 3 * 5


def test_faults_are_reported_in_one_line(tmp_path: Path) -> None:
    derain = searched(tmp_path / "run", published.ARCHITECTURE, "derain")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.json").write_text("{}")
    for target, words in (
        (derain, "its recipe has the task derain; give a search for denoise"),
        (tmp_path / "empty", "no finished search here"),
        (tmp_path / "none", "no finished search here"),
        (tmp_path / "other.json", "other.json: architecture: not an architecture's JSON form"),
    ):
        with pytest.raises(UserError, match=words) as fault:
            figures34(tmp_path / "out", denoise=target)
        assert "\n" not in str(fault.value)
    outcome = clearer("reproduce", "figures34", "--denoise", tmp_path / "none", "-o", tmp_path / "out")
    assert outcome.status == 2 and outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
