"""Lists of files: every form gives the same entries, and what is no list is refused by its line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.bulk.manifest import Entry, output_below, read_entries
from clearer.core.errors import UserError

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=12).filter(
    lambda name: name.strip() and "://" not in name and ".." not in name and name.strip("/.") and "\x85" not in name
)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=5))
def test_csv_and_json_lines_say_the_same(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("lists")
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([("input", "output"), *pairs])
    (folder / "a.csv").write_text(table.getvalue(), encoding="utf-8", newline="")
    lines = (json.dumps({"input": a, "output": b}) for a, b in pairs)
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = [list(read_entries(str(folder / name), None)) for name in ("a.csv", "a.jsonl")]
    assert found[0] == found[1] == [Entry(a, b, "named") for a, b in pairs]


@given(st.lists(NAMES.filter(lambda name: name.isprintable()), min_size=1, max_size=5))
def test_a_text_has_a_path_a_line(tmp_path_factory, names):
    place = tmp_path_factory.mktemp("lists") / "a.txt"
    place.write_text("\n".join(names) + "\n\n", encoding="utf-8", newline="")
    found = list(read_entries(str(place), "out"))
    assert [entry.input for entry in found] == names
    assert {entry.naming for entry in found} == {"content"}


def test_outputs_without_a_name_lie_below_the_folder(tmp_path):
    (tmp_path / "a.tsv").write_text("day/a.png\tb.png\nday/c.png\n/data/d.tif\n")
    found = list(read_entries(str(tmp_path / "a.tsv"), "out", ".png"))
    assert [entry.output for entry in found] == ["out/b.png", "out/day/c.png", "out/data/d.tif.png"]
    assert [entry.naming for entry in found] == ["named", "content", "content"]


def test_spaces_after_a_comma_are_no_part_of_a_path(tmp_path):
    (tmp_path / "a.csv").write_text('input, output\na.png, out/b.png\n c.png,  " d.png"\n')
    found = [(entry.input, entry.output) for entry in read_entries(str(tmp_path / "a.csv"), None)]
    assert found == [("a.png", "out/b.png"), ("c.png", " d.png")]
    (tmp_path / "a.tsv").write_text("a.png\t b.png\n")
    assert next(read_entries(str(tmp_path / "a.tsv"), None)).output == " b.png"


def test_a_query_is_no_part_of_a_name_and_tells_images_apart():
    """It may hold a key, and a file's format follows from the end of its name."""
    assert output_below("https://host/a/b.png?size=2") == "host/a/b-af38355c.png"
    assert output_below("https://host/a/b.png?size=2", ".tif") == "host/a/b-af38355c.png.tif"
    names = [output_below(f"https://host/a.png{end}") for end in ("", "?k=1", "?k=2", "?k=1#top")]
    assert len(set(names)) == 4 and names[0] == "host/a.png"
    assert not any(sign in name for name in names for sign in "?#=")
    assert output_below("https://host/?id=3").startswith("host-")
    assert output_below("s3://lab/a?b#1.png") == "lab/a?b#1.png"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "input,output\n,b.png\n", "line 2: no input"),
        ("a.jsonl", '{"input": "a.png"}\nnonsense\n', "line 2: not JSON"),
        ("a.jsonl", '["a.png"]\n', "line 1: write it as"),
        ("a.jsonl", '{"input": "a.png", "output": 3}\n', "line 1: output is 3"),
        ("a.txt", "a.png\n../b.png\n", "line 2: ../b.png: has no place below"),
        ("a.jsonl", '{"input": "a.png"}\n{"input": "\\ud800.png"}\n', "line 2: .* is no name of a file"),
        ("a.jsonl", '{"input": "a.png", "output": "b\\u0000.png"}\n', "line 1: .* is no name of a file"),
        ("a.csv", "a.png,b\0.png\n", "is no name of a file|cannot be read as a list"),
        ("a.json", '["a.png"]\n', "a.json: a list in JSON has an object a line, .*; write it as .jsonl"),
    ],
)
def test_what_is_no_list_is_refused_by_its_line(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        list(read_entries(str(tmp_path / name), "out"))


def test_a_list_must_name_the_outputs_if_no_folder_does(tmp_path):
    (tmp_path / "a.txt").write_text("a.png\n")
    with pytest.raises(UserError, match=r"a\.txt, line 1: no output for a\.png"):
        list(read_entries(str(tmp_path / "a.txt"), None))
    with pytest.raises(UserError, match=r"none\.txt: no such file"):
        list(read_entries(str(tmp_path / "none.txt"), "out"))


def test_a_list_is_read_as_it_is_needed(tmp_path):
    """An endless list: the first entries come all the same."""
    place = tmp_path / "endless.txt"
    os.mkfifo(place)
    stop = threading.Event()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), place.open("w") as file:
            while not stop.is_set():
                file.write("a.png\n" * 1000)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    entries = read_entries(str(place), "out")
    assert next(entries) == Entry("a.png", str(Path("out/a.png")), "content")
    stop.set()
    entries.close()
    thread.join(5)
