"""The commands of docs/bulk.md that one machine can run, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from helpers.command import clearer as command
from helpers.photos import write_photos

ROOT = Path(__file__).parents[2]
ELSEWHERE = ("--distributor", "s3://")


def lines() -> list[str]:
    text = (ROOT / "docs" / "bulk.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_every_command_works_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_photos(tmp_path / "photos" / "day", ("moon.png", "camera.png"), 40)
    Path("files.csv").write_text("input,output\nphotos/day/moon.png,named/moon.tif\n")
    Path("files.txt").write_text("photos/day/moon.png\nphotos/day/camera.png\n")
    done = []
    for line in lines():
        if any(word in line for word in ELSEWHERE) or not line.startswith("clearer "):
            continue
        # In this process: tests/bulk/test_killed.py has several.
        ended = command(*shlex.split(line.replace("--workers 2", "--workers 1"))[1:], "--json")
        assert ended.status == 0, f"{line}\n{ended.err}"
        done.append(ended.json["restored"])
    assert done == [2, 1, 2, 1]


def test_the_other_commands_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They get as far as what they need: Slurm, Ray, the library of a storage, the folder."""
    monkeypatch.chdir(tmp_path)
    found = [re.findall(r"clearer restore[^']*", line)[0] for line in lines() if any(w in line for w in ELSEWHERE)]
    assert len(found) == 3
    for line in found:
        ended = command(*shlex.split(line)[1:])
        assert ended.status == 2 and ended.err.count("\n") == 1
        assert "see 'clearer restore --help'" not in ended.err, ended.err
