"""The README's own commands, in their order, with settings that make them quick."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.images.view import read_image
from helpers.command import clearer as command
from helpers.command import settings
from helpers.photos import NAMES, SHIPPED, photograph, write_photos
from helpers.recipes import TINY

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

# What is added to a verb, so that it takes a second or two.
ADDED = {verb: settings(TINY) for verb in ("quickstart", "fit", "search", "train")}
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
    """What a reader has: photographs in ``photos``, one as ``photo.png``, color pairs in ``pairs``."""
    folder = tmp_path_factory.mktemp("reader")
    write_photos(folder / "photos")
    Image.fromarray(photograph("camera.png")[..., 0]).save(folder / "photo.png")
    noise = np.random.default_rng(0)
    for name in NAMES:
        clean = read_image(SHIPPED / name, 3)[:80, :80]
        streaks = np.where(noise.random((80, 80, 1)) < 0.05, 70, 0)
        rainy = np.clip(clean + streaks, 0, 255).astype(np.uint8)
        for kind, image in (("clean", clean), ("degraded", rainy)):
            path = folder / "pairs" / kind / f"{Path(name).stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


def test_every_command_works_in_its_order_and_then_the_python(desk, monkeypatch):
    monkeypatch.chdir(desk)
    done = set()
    for line in lines():
        program, *arguments = shlex.split(line, comments=True)
        if program != "clearer":
            continue
        ended = command(*arguments, *ADDED.get(arguments[0], []))
        assert ended.status == 0, f"{line}\n{ended.err}"
        done.add(arguments[0])
        written = [b for a, b in itertools.pairwise(arguments) if a in ("-o", "--out")]
        assert all(Path(path).exists() for path in written), line
    assert {"quickstart", "fit", "evaluate", "restore", "describe", "doctor"} <= done
    python = blocks("python")
    assert python
    for block in python:
        exec(compile(block, str(README), "exec"), {"__name__": "readme"})


def test_make_lines_are_targets_and_other_lines_are_known():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    wanted = {line.split()[1] for line in lines() if line.startswith("make ")}
    assert {"quickstart", "test"} <= wanted <= targets
    assert targets == set(re.findall(r"^([a-z-]+):.* ## [A-Z]", makefile, re.MULTILINE))  # what `make help` lists
    unknown = [line for line in lines() if not line.startswith(("clearer ", "make ", *OTHERS))]
    assert not unknown


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_every_measured_table_is_filled_in():
    for page in [README, *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for name, inside in re.findall(r"<!-- table ([\w-]+) -->(.*?)<!-- end -->", text, re.DOTALL):
            assert "|" in inside or "**" in inside, f"{page.name}: {name}"
            assert (ROOT / "docs" / "results" / f"{name}.json").is_file(), name


def test_the_tree_on_the_architecture_page_is_the_tree():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = page.split("```\nsrc/clearer/\n")[1].split("```")[0]
    listed, folder = set(), ""
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith("    "):
            folder = name if name.endswith("/") else ""
        if not name.endswith("/"):
            listed.add(folder + name)
    package = ROOT / "src" / "clearer"
    found = {str(path.relative_to(package)) for kind in ("*.py", "*.css") for path in package.rglob(kind)}
    rooms = {name for name in found if "/" in name and name.endswith("__init__.py")}
    assert listed - {"recipes/*.yaml", "weights/*.safetensors"} == found - rooms
