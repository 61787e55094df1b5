"""docs/tutorials: every page is run from top to bottom, and prints what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command import settings
from helpers.recipes import TINY
from helpers.tutorial import Page, missing

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
TRAINING = settings({key: value for key, value in TINY.items() if key.startswith(("train.", "precision"))})
ADDED: dict[str, dict[str, list[str]]] = {
    "pairs": {"train": TRAINING, "fit": settings(TINY)},
    "noisy-images": {"fit": TRAINING},
}


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
    page = Page(PAGES / f"{name}.md", ADDED.get(name, {}))
    page.run()
    assert page.ran
