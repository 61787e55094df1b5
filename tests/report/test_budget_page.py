"""The page of a search within budgets: the figure, its front, what is said beside it, and the links to the runs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.report.budget_page import write_budget_page
from clearer.report.budget_section import listed
from clearer.report.front import Point, floor_of, front_figure, pareto, points_of
from clearer.report.page import write_page
from clearer.runs.budget_record import BudgetRecord, read_budget_record
from clearer.runs.layout import RunFolder
from helpers.synthetic_run import write_run
from helpers.synthetic_search import write_search

UNIT = "ms at 1000x1000"


def points(values: list[tuple[int, int]]) -> list[Point]:
    return [Point(cost, psnr, 1, str(i), False) for i, (cost, psnr) in enumerate(values)]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30))
def test_the_front_is_what_nothing_dominates(values: list[tuple[int, int]]) -> None:
    front = {(p.cost, p.psnr) for p in pareto(points(values))}

    def dominated(a: tuple[int, int]) -> bool:
        return any(b != a and b[0] <= a[0] and b[1] >= a[1] for b in values)

    assert front == {value for value in values if not dominated(value)}


def test_one_network_that_failed_does_not_flatten_the_others() -> None:
    values = [(1, 25), (2, 26), (3, 25), (4, 26), (5, 25), (6, 26), (7, 3)]
    assert 20 < floor_of(points(values)) < 25
    assert floor_of(points(values[:6])) == 25


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_search(tmp_path_factory.mktemp("searches") / "several", (100.0, 50.0))


def record_of(folder: Path) -> BudgetRecord:
    record = read_budget_record(RunFolder(folder))
    assert record is not None
    return record


def test_every_network_and_rung_is_drawn_once(several: Path) -> None:
    record = record_of(several)
    assert [choice.budget for choice in record.choices] == ["50ms@1mp", "100ms@1mp"]
    assert listed(record) == "50ms@1mp and 100ms@1mp"
    found = points_of(record, UNIT)
    assert len(found) == 2 * (27 + 2 + 9 + 3)
    axes = front_figure(record, UNIT).axes[0]
    drawn = {
        (x, y)
        for line in axes.get_lines()
        if line.get_linestyle() == "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)  # type: ignore[arg-type]
    }
    assert {(p.cost, p.psnr) for p in found} <= drawn
    labels = [text.get_text().split(",")[0] for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    count = len({p.architecture for p in found if not p.default})
    assert {f"{count} networks after 300 steps", "6 networks after 2", "budget", "chosen"} <= set(labels)
    low, high = axes.get_xlim()
    assert low < 45 and 105 < high < 250  # FFDNet is near, DnCNN far away: it is named at the edge
    texts = [text.get_text() for text in axes.texts]
    assert "FFDNet 150" in texts and "\N{RIGHTWARDS ARROW} DnCNN 2,145" in texts


def test_chosen_networks_stand_at_their_measured_time(several: Path) -> None:
    record = record_of(several)
    for choice in record.choices:
        line = record.latency(choice.architecture, UNIT)
        assert line is not None
        assert line["milliseconds"] in {p.cost for p in points_of(record, UNIT)}


class Tags(HTMLParser):
    """Collects headings and links, and checks that elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for key, value in attrs if key == "id"]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)
        self.links += [str(value) for key, value in attrs if tag == "a" and key == "href"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for key, value in attrs if key == "id"]

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(page: Path) -> Tags:
    parser = Tags()
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    assert parser.open == [] and len(set(parser.ids)) == len(parser.ids)
    return parser


@pytest.mark.slow
def test_the_page_of_several_budgets(several: Path) -> None:
    write_run(several / "50ms-1mp")
    page = write_budget_page(several)
    found, text = tags(page), page.read_text()
    assert found.headings == [
        "Networks tried", "Differences beyond chance", "Cost of the search", "Chosen for 50ms@1mp",
        "Chosen for 100ms@1mp",
    ]  # fmt: skip
    assert found.links == ["50ms-1mp/report.html"] and "Not yet trained" in text and "26.35 dB" in text
    # what is chosen for 50 ms took longer when it was measured whole, and the page says so
    over = re.findall(r"took ([\d.]+) ms when it was measured whole, ([\d.]+) % more than (\S+) allows", text)
    record = record_of(several)
    lines = {choice: record.latency(choice.architecture, UNIT) for choice in record.choices}
    slow = {choice.budget for choice, line in lines.items() if line and line["milliseconds"] > choice.amount}
    assert {name for _, _, name in over} == slow and slow
    for choice, line in lines.items():
        best = choice.best_of(choice.architecture)
        assert line is not None and best is not None
        row = re.search(f"<td>{re.escape(choice.budget)}</td><td>chosen</td>.*?</tr>", text)
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row[0] if row else "")
        shown = {f"{time:.3g}" for time in (line["milliseconds"], best.cost)}
        assert set(cells[6:8]) == shown and cells[4] == f"{best.psnr:.2f}"
        assert float(cells[6]) == pytest.approx(line["milliseconds"], rel=0.005)
    # a network that was drawn for both budgets counts once
    both = {line.architecture for choice in record.choices for line in choice.tried}
    assert f"{len(both)} networks in {len(both) + 4} trainings" in text


@pytest.mark.slow
def test_one_budget_adds_sections_to_the_page_of_its_run(tmp_path: Path) -> None:
    write_search(write_run(tmp_path / "run"), (100.0,))
    found = tags(write_page(tmp_path / "run"))
    assert {"Networks tried", "Differences beyond chance", "Cost of the search"} <= set(found.headings)


def test_a_closed_gate_and_failed_trainings_are_told(tmp_path: Path) -> None:
    folder = write_search(tmp_path, (2000.0,), "MAC/pixel")
    result = json.loads((folder / "budget/result.json").read_text())
    result["trained"] = [line for line in result["trained"] if line["rung"] == 0]
    result["trained"][5] |= {"psnr": 0.0, "failed": "ran out of memory"}
    (folder / "budget/result.json").write_text(json.dumps(result))
    text = write_budget_page(folder).read_text()
    assert "no: the default network was taken" in text and "1 could not be trained" in text
    assert "ran out of memory" in text and len(points_of(record_of(folder), "MAC/pixel")) == 28


def test_choice_and_default_are_compared_after_equal_steps(tmp_path: Path) -> None:
    folder = write_search(tmp_path, (100.0,))
    result = json.loads((folder / "budget/result.json").read_text())
    own = {(x["architecture"], x["steps"]): x for x in result["trained"] if x["seed"] == 0}
    pair = [own[result[role], 300] for role in ("architecture", "default")]
    says = "Within 100ms@1mp, after 300 steps each: {:.2f} dB with the chosen network, {:.2f} dB with the default one"
    text = write_budget_page(folder).read_text()  # an early search, which did not train the default network on
    assert says.format(*(x["psnr"] for x in pair)) in text and "was not trained longer in this search" in text
    assert "default network beside them" not in text
    result["trained"] += [{**pair[1], "rung": 1, "steps": 900}, {**pair[1], "rung": 2, "steps": 2700, "psnr": 26.123}]
    (folder / "budget/result.json").write_text(json.dumps(result))
    text = write_budget_page(folder).read_text()
    best = own[result["architecture"], 2700]["psnr"]
    assert f"after 2,700 steps each: {best:.2f} dB with the chosen network, 26.12 dB" in text
    assert f"{best - 26.123:+.2f} dB." in text and "not trained longer" not in text and "beside them" in text
    result["architecture"] = result["default"]
    (folder / "budget/result.json").write_text(json.dumps(result))
    assert (
        record_of(folder).choices[0].beside_default() is None and "each: " not in write_budget_page(folder).read_text()
    )


def test_a_busy_machine_is_suspected(tmp_path: Path) -> None:
    folder = write_search(tmp_path, (100.0,))
    lines = json.loads((folder / "budget/latencies.json").read_text())
    for factor, suspected in ((1.3, False), (4.0, True)):
        slow = [{**line, "milliseconds": factor * 90} for line in lines]
        (folder / "budget/latencies.json").write_text(json.dumps(slow))
        assert ("other programs were probably busy" in write_budget_page(folder).read_text()) == suspected


def test_a_damaged_search_is_named_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no outcome of a search"):
        write_budget_page(tmp_path)
    folder = write_search(tmp_path, (100.0,))
    (folder / "budget/latencies.json").write_text("{")  # can be measured again
    assert record_of(folder).latencies == ()
    result = json.loads((folder / "budget/result.json").read_text())
    (folder / "budget/result.json").write_text(json.dumps({**result, "trained": 7}))
    with pytest.raises(UserError, match=r"result\.json: trained"):
        write_budget_page(folder)
    first, *rest = result["trained"]
    for wrong, says in (({"psnr": 1.0}, "rung: missing"), (first | {"psnr": "x"}, "psnr: 'x' is not a number")):
        (folder / "budget/result.json").write_text(json.dumps({**result, "trained": [wrong, *rest]}))
        with pytest.raises(UserError, match=rf"result\.json: trained\[0\]\.{says}"):
            write_budget_page(folder)
    (folder / "budget/result.json").write_text(json.dumps({**result, "trained": [first | {"later": 1}, *rest]}))
    assert len(record_of(folder).choices[0].tried) == len(result["trained"])  # a key of a later version
