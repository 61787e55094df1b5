"""Hooks of mkdocs.yml: add the reference, the notebooks and the files outside docs/ that pages link to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import notebook_pages
import python_page
import repository_links
import verb_pages
from mkdocs.structure.files import File, Files

WRITTEN: dict[str, str] = {}
"""Pages made at build time: path in the site -> Markdown."""

DEMO = os.environ.get("CLEARER_DEMO")
"""Folder of the page that restores in the browser, which `make demo` writes and names; else the site has none."""
OFFER = (
    '- **No installation.** <a href="demo/index.html">Restore a photo in this browser</a>; it stays on your device.\n'
)


def on_config(config: Any) -> Any:
    """Write the reference, and list its pages in the navigation."""
    WRITTEN.clear()
    verbs = verb_pages.pages()
    WRITTEN.update({f"reference/{name}": text for name, text in verbs.items()})
    WRITTEN["reference/python.md"] = python_page.text()
    (reference,) = (entry["Reference"] for entry in config["nav"] if "Reference" in entry)
    reference.append({"Python": "reference/python.md"})
    reference.append({"Verbs": [{verb_pages.title(name): f"reference/{name}"} for name in verbs]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the written pages, and whatever lies outside docs/ and is linked to."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        path = notebook.src_uri.removesuffix(".ipynb") + "-notebook.md"
        files.append(File.generated(config, path, content=notebook_pages.page(Path(notebook.abs_src_path))))
    for path, text in WRITTEN.items():
        files.append(File.generated(config, path, content=text))
    pages = [file.src_uri for file in files.documentation_pages()]
    for path, content in repository_links.linked(pages).items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at the pages of the site, and fill in the list of verbs."""
    markdown = markdown.replace("<!-- verbs -->", verb_pages.overview())
    markdown = markdown.replace("<!-- demo -->\n", OFFER if DEMO else "")
    return repository_links.rewritten(markdown, page.file.src_uri)


def on_post_build(config: Any) -> None:
    """Copy the page that restores in the browser into the site."""
    if DEMO:
        shutil.copytree(DEMO, Path(config["site_dir"]) / "demo", dirs_exist_ok=True)
