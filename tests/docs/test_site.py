"""tools/site: the pages that the documentation site is made of, without building it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clearer
from clearer.cli.app import REPRODUCE, VERBS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder tools/site, importable."""
    monkeypatch.syspath_prepend(ROOT / "tools" / "site")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("tools")
def test_links_out_of_docs_lead_to_copies_and_others_stay() -> None:
    import repository_links

    text = "[a](../CONTRIBUTING.md#set-up) [b](search.md#latency) ![c](images/unet.png) [d](https://x.y) [e](#f)"
    turned = text.replace("../CONTRIBUTING.md", "repository/CONTRIBUTING.md")
    assert repository_links.rewritten(text, "models.md") == turned
    text = "[a](../../src/clearer/__init__.py) [b](../models.md) [c](../notebook)"
    assert repository_links.rewritten(text, "reference/README.md") == (
        "[a](../repository/src/clearer/__init__.py.md) [b](../models.md) [c](../notebook/README.md)"
    )
    back = repository_links.rewritten("[a](docs/models.md) [b](models/)", "repository/README.md")
    assert back == "[a](../models.md) [b](models/README.md)"


@pytest.mark.usefixtures("tools")
def test_what_linked_pages_link_to_is_in_the_site_too() -> None:
    import repository_links

    found = repository_links.linked(["models.md"])
    assert "repository/models/README.md" in found and "repository/models/denoise-photo/README.md" in found
    code = repository_links.linked(["data.md"])["repository/src/clearer/data/lists/robustness.txt.md"]
    assert isinstance(code, str) and "```" in code and "exclude: true" in code


@pytest.mark.usefixtures("tools")
def test_each_verb_has_a_page_with_its_examples_and_all_its_options() -> None:
    import verb_pages

    pages = verb_pages.pages()
    verbs = {verb.name: verb for group in VERBS.values() for verb in group}
    verbs |= {f"reproduce-{verb.name}": verb for verb in REPRODUCE}
    assert {name.removesuffix(".md") for name in pages} == set(verbs)
    for name, verb in verbs.items():
        text, listed = pages[f"{name}.md"], verb_pages.overview()
        assert all(example in text for example in verb.examples) and f"]({name}.md)" in listed
    assert "| `--data` `FOLDER` | Clean test images; pairs for rain (required). |" in pages["compare-protocols.md"]
    assert "| `-o, --out` `OUTPUT` | Restored image, folder, video, or - for stdout. |" in pages["restore.md"]
    assert "| `MODEL` | " in pages["restore.md"] and "clearer restore MODEL [INPUT] [OPTIONS]" in pages["restore.md"]


@pytest.mark.usefixtures("tools")
def test_every_public_name_is_on_the_page_of_the_python_package() -> None:
    import python_page

    text = python_page.text()
    assert all(f"::: clearer.{name}\n" in text for name in clearer.__all__ if name != "__version__")


def test_the_navigation_and_the_theme_need_no_network() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "http" not in text and "font: false" in text


def test_the_start_page_has_the_place_of_the_demo() -> None:
    """`make demo` puts a line of the list there; an indented mark would stay out of the list."""
    hooks = (ROOT / "tools" / "site" / "hooks.py").read_text(encoding="utf-8")
    assert '"<!-- demo -->\\n"' in hooks
    assert "\n<!-- demo -->\n- **" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
