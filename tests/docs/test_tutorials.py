"""docs/tutorials: every page is run from top to bottom, and prints what it says."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.command import settings
from helpers.photos import NAMES, write_photos
from helpers.recipes import TINY
from helpers.runtimes import PLACE, needs_cpp
from helpers.tutorial import Page, missing

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "tutorials"
TRAINING = settings({key: value for key, value in TINY.items() if key.startswith(("train.", "precision"))})
ADDED: dict[str, dict[str, list[str]]] = {
    "pairs": {"train": TRAINING, "fit": settings(TINY)},
    "noisy-images": {"fit": TRAINING},
    # A search by time takes minutes; tests/experiments has short ones.
    "device": {"fit": ["--show"], "restore runs/mine": ["--help"], "latency runs/mine": ["--help"]},
    "paper": {
        "search": ["--show"],
        "train": ["--show"],
        "reproduce": ["--help"],
        "verdict": ["--help"],
    },
}


def compiled(line: str) -> str:
    """Compile with the headers of build/runtimes, where they are; tests/install_runtimes.sh prepares them."""
    if not needs_cpp.args[0]:
        line = line.replace("ONNXRUNTIME/", f"{PLACE}/onnxruntime/")
        subprocess.run(line, shell=True, check=True)
    return ""


def python(line: str) -> str:
    """Run Python; a server is left out, whose page test_folder.py of tests/deploy opens in Chromium."""
    if "http.server" not in line:
        subprocess.run([sys.executable, *shlex.split(line)[1:]], check=True)
    return ""


INSTEAD: dict[str, Callable[[str], str]] = {
    "g++": compiled, "LD_LIBRARY_PATH=ONNXRUNTIME/lib": compiled, "npm": lambda line: "", "python": python,
}  # fmt: skip


def test_what_a_page_says_is_compared_word_for_word_and_in_order() -> None:
    printed = "noise of 7.3 gray levels\n1 image(s) restored: a.png\n"
    assert missing("noise of 12 gray levels\n...\n", printed) == []
    assert missing("noise of 12 grey levels\n", printed) == ["noise of 12 grey levels"]
    assert missing("1 image(s) restored: a.png\nnoise of 7 gray levels\n", printed) == ["noise of 7 gray levels"]


@pytest.mark.tutorial
@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README"))
def test_every_block_of_a_tutorial_works_in_its_order(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("train", "val", "test"):
        write_photos(tmp_path / "bsds500" / part, NAMES[:2])
    page = Page(PAGES / f"{name}.md", ADDED.get(name, {}), INSTEAD if name == "deploy" else {})
    page.run()
    assert page.ran


def outputs(notebook: dict[str, Any]) -> list[str]:
    """Return what each cell of code printed, and the sizes of what it showed."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    texts = [[one.get("text") or one["data"]["text/plain"] for one in cell["outputs"]] for cell in cells]
    return ["".join(line for lines in cell for line in lines) for cell in texts]


@pytest.mark.tutorial
@pytest.mark.parametrize("name", ["restore", "architecture"])
def test_a_notebook_runs_and_gives_the_outputs_that_it_holds(name: str) -> None:
    held = json.loads((PAGES / f"{name}.ipynb").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    tool = runpy.run_path(str(ROOT / "tools" / "make_notebooks.py"))
    for said, printed in zip(outputs(held), outputs(tool["executed"](held)), strict=True):
        assert missing(said, printed) == [] and len(said.splitlines()) == len(printed.splitlines())
        near = zip(numbers(said), numbers(printed), strict=True)
        assert [pair for pair in near if pair[0] != pytest.approx(pair[1], rel=0.05, abs=1)] == []


def numbers(text: str) -> list[float]:
    """Return the numbers of a text."""
    return [float(number) for number in re.findall(r"[0-9]+(?:[.][0-9]+)?", text)]
