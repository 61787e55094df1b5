"""The README's own commands, in their order, with settings that make them quick."""

from __future__ import annotations

import itertools
import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.images.view import read_image
from helpers.command import clearer as command
from helpers.command import settings
from helpers.photos import NAMES, SHIPPED
from helpers.recipes import TINY

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

# Options added to a verb, so that it takes a second or two.
ADDED = {verb: settings(TINY) for verb in ("quickstart", "fit", "search", "train")}
FIXED = ("--start", "denoise-gray-fast")  # their architecture stays
ADDED_TO_FIXED = settings({key: value for key, value in TINY.items() if not key.startswith("network.")})
# Commands of other programs, which are not run here.
OTHERS = ("git ", "cd ", "source ", ". ", "pip ", "python -m pip ", "python3 -m pip ", "python3 -m venv ")


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def lines() -> list[str]:
    """Return the commands of the ``sh`` blocks, continued lines joined, comments left out."""
    joined = "\n".join(blocks("sh")).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """The files that a reader has: ``photos``, ``photo.png``, color pairs in two folders and side by side."""
    folder = tmp_path_factory.mktemp("reader")
    Image.fromarray(read_image(SHIPPED / "coffee.png", 3)[100:180, 100:180]).save(folder / "photo.png")
    noise = np.random.default_rng(0)
    for name in NAMES:
        clean = read_image(SHIPPED / name, 3)[:80, :80]
        streaks = np.where(noise.random((80, 80, 1)) < 0.05, 70, 0)
        rainy = np.clip(clean + streaks, 0, 255).astype(np.uint8)
        both = np.concatenate([clean, rainy], 1)
        images = {
            "photos": clean,
            "other-photos": clean,
            "pairs/clean": clean,
            "pairs/degraded": rainy,
            "side-by-side": both,
        }
        for kind, image in images.items():
            path = folder / kind / f"{Path(name).stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


@pytest.mark.slow
def test_every_command_works_in_its_order_and_then_the_python(desk, monkeypatch):
    monkeypatch.chdir(desk)
    done = set()
    for line in lines():
        line = "clearer quickstart" if line == "make quickstart" else line
        program, *arguments = shlex.split(line, comments=True)
        if program != "clearer":
            continue
        if "--budget" in arguments:
            arguments.append("--show")
        ended = command(*arguments, *(ADDED_TO_FIXED if {*FIXED} & {*arguments} else ADDED.get(arguments[0], [])))
        assert ended.status == 0, f"{line}\n{ended.err}"
        done.add(arguments[0])
        if "--budget" in arguments:
            continue  # a search takes minutes; tests/experiments has short ones
        written = [b for a, b in itertools.pairwise(arguments) if a in ("-o", "--out")]
        assert all(Path(path).exists() for path in written), line
    assert {"quickstart", "models", "restore", "doctor", "fit", "evaluate"} <= done
    python = blocks("python")
    assert python
    for block in python:
        exec(compile(block, str(README), "exec"), {"__name__": "readme"})


def test_the_environment_is_active_before_the_first_verb_and_each_run_has_its_folder():
    found = lines()
    active = next(k for k, line in enumerate(found) if "activate" in line)
    assert all(k > active for k, line in enumerate(found) if line.startswith("clearer "))
    runs = [shlex.split(line)[-1] for line in found if line.startswith("clearer fit ")]
    assert len(runs) == len(set(runs)) >= 4 and all(run.startswith("runs/") for run in runs)


def test_the_page_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_make_lines_are_targets_and_other_lines_are_known():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    wanted = {line.split()[1] for line in lines() if line.startswith("make ")}
    assert {"quickstart", "test"} <= wanted <= targets
    assert targets == set(re.findall(r"^([a-z-]+):.* ## [A-Z]", makefile, re.MULTILINE))  # what `make help` lists
    unknown = [line for line in lines() if not line.startswith(("clearer ", "make ", *OTHERS))]
    assert not unknown


def test_every_measured_table_is_filled_in():
    for page in [README, *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for name, inside in re.findall(r"<!-- table ([\w-]+) -->(.*?)<!-- end -->", text, re.DOTALL):
            assert "|" in inside or "**" in inside, f"{page.name}: {name}"
            assert (ROOT / "docs" / "results" / f"{name}.json").is_file(), name


def test_the_tables_of_every_page_are_those_of_their_results():
    tool = runpy.run_path(str(ROOT / "tools" / "make_results.py"))
    texts = {page: page.read_text(encoding="utf-8") for page in tool["PAGES"]}
    assert [page.name for page, text in texts.items() if tool["filled"](text) != text] == [], "run make generated"
