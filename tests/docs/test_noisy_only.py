"""The commands of docs/noisy-only.md, in their order, with settings that make them quick."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from helpers.command import clearer as command
from helpers.command import settings
from helpers.noisy_images import noisy_folder, noisy_image

ROOT = Path(__file__).parents[2]
QUICK = settings({
    "precision": "fp32", "network.width": 4, "network.scales": 2, "architecture": "PP", "train.epochs": 2,
    "train.steps_per_epoch": 3, "train.batch": 2, "train.patch": 16, "train.validate_every": 1,
})  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folders that the page names: ``noisy`` and ``exposures``."""
    noisy_folder(tmp_path / "noisy", 4)
    (tmp_path / "exposures").mkdir()
    for k in range(3):
        for exposure in (1, 2):
            Image.fromarray(noisy_image(k, exposure=exposure)).save(tmp_path / "exposures" / f"p{k}_{exposure}.png")
    return tmp_path


def lines() -> list[str]:
    text = (ROOT / "docs" / "noisy-only.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("clearer ")]


@pytest.mark.slow
def test_every_command_works_in_its_order(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    assert len(lines()) == 5
    for line in lines():
        arguments = shlex.split(line)[1:]
        ended = command(*arguments, *(QUICK if arguments[0] == "fit" else []))
        assert ended.status == 0, f"{line}\n{ended.err}"
    assert sorted(path.name for path in Path("restored").iterdir()) == [f"p{k}.png" for k in range(4)]
    page = Path("runs/noisy/report.html").read_text(encoding="utf-8")
    assert "independent from pixel to pixel" in page and "There is no ground truth" in page
    assert "denoise-gray" in page and "removed" in page
