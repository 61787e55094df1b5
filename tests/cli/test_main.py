"""Entry point: exit status of a stopped run, a closed pipe, a package imported in parts."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import clearer
from clearer.core.errors import Interrupted, UserError
from helpers.command import clearer as command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (Interrupted("train: stopped", 15), 143, "clearer: train: stopped\n"),
        (Interrupted("train: stopped", 2), 130, "clearer: train: stopped\n"),
    ],
)
def test_a_stopped_run_exits_with_the_status_of_its_signal(monkeypatch, raised, status, said):
    def stopped(*_args, **_options):
        raise raised

    monkeypatch.setattr("clearer.pipeline.fit.fit", stopped)
    ended = command("fit", "quickstart")
    assert (ended.status, ended.err) == (status, said)


def test_a_very_long_message_keeps_its_beginning_and_its_fix(monkeypatch):
    def refused(*_args, **_options):
        raise UserError(f"data.fractions: {[0.1] * 2000} is too long; give three numbers")

    monkeypatch.setattr("clearer.pipeline.fit.fit", refused)
    ended = command("fit", "quickstart")
    assert ended.status == 2 and ended.err.startswith("clearer: data.fractions: [0.1, 0.1")
    assert len(ended.err) <= 1010 and ended.err.endswith("is too long; give three numbers\n")


def test_a_closed_pipe_is_no_error():
    program = subprocess.Popen(
        [sys.executable, "-m", "clearer", "recipes", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None and program.stderr is not None
    program.stdout.close()
    said = program.stderr.read().decode()
    program.stderr.close()
    assert program.wait() == 1
    assert "Traceback" not in said and "BrokenPipe" not in said


def test_the_version_is_stated_in_one_place():
    with (ROOT / "pyproject.toml").open("rb") as file:
        read = tomllib.load(file)
    assert "version" not in read["project"] and read["project"]["dynamic"] == ["version"]
    assert read["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "clearer.core.version.__version__"}
    stated = [path for path in (ROOT / "src").rglob("*.py") if f'"{clearer.__version__}"' in path.read_text("utf-8")]
    assert [path.name for path in stated] == ["version.py"]
    # Semantic versioning in the form of Python's packages: 1.2.3, or 1.2.3.dev0 before that release.
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", clearer.__version__)
    assert command("--version").out == f"clearer {clearer.__version__}\n"
