"""The output of verbs: lines, tables and progress."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from clearer.core.console import console_for_people, print_table, progress_bar, say


def test_a_progress_bar_names_its_numbers(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # so that stderr counts as a terminal
    monkeypatch.setenv("COLUMNS", "80")
    with progress_bar("restore") as progress:
        for done in (1, 2, 3):
            time.sleep(0.12)
            progress(done, 20)
        time.sleep(0.12)
    shown = capsys.readouterr().err
    assert "restore" in shown and "3/20 images," in shown and "remaining" in shown


def test_no_progress_bar_where_nobody_watches(capsys):
    with progress_bar("restore", "frames") as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""


@pytest.fixture
def narrow() -> Console:
    """A console of 40 columns."""
    return Console(file=io.StringIO(), width=40)


def test_a_line_is_never_broken(narrow):
    path = "runs/a folder/" + 50 * "x" + "[bold].png"
    say(f"model: {path}", narrow)
    assert narrow.file.getvalue() == f"model: {path}\n"


def test_a_table_keeps_names_whole_and_numbers_right(narrow):
    name = "denoise-gray-medium"
    print_table(
        "a title longer than forty columns, unbroken", ("", "dB"), [(name, "26.18")], narrow, total=("all", "1")
    )
    title, heads, rule, row, _, total = narrow.file.getvalue().splitlines()
    assert title == "a title longer than forty columns, unbroken"
    assert heads.split() == ["dB"] and set(rule.strip()) == {"─"}
    assert row.split() == [name, "26.18"] and row.rstrip().endswith("26.18")
    assert total.split() == ["all", "1"] and len(total.rstrip()) == len(row.rstrip())


def test_names_cannot_control_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console = console_for_people(False)
    say("a\x1b[2J\u202eb.png: 1\nnext", console)
    print_table("", ("x", "y"), [("c\x07\x9b.png", "é 猫 \u200d")], console)
    out = capsys.readouterr().out
    assert "a\\x1b[2J\\u202eb.png: 1\nnext\n" in out and "c\\x07\\x9b.png" in out and "é 猫" in out
    assert not set(out) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("width", [1, 20, 30])
def test_no_column_of_a_table_vanishes(width):
    console = Console(file=io.StringIO(), width=width)
    print_table("", ("", "train", "all of it"), [("a long name", "12.34", "two words")], console)
    shown = {word for word in console.file.getvalue().split() if "─" not in word}
    assert shown == {"train", "all", "of", "it", "a", "long", "name", "12.34", "two", "words"}
    assert console.width == width
