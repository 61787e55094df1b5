"""Links from a page to files outside docs/: the site gets a copy of each, and the links are turned to the copies.

Pages keep the links that work in a checkout and on code hosts. A Markdown file becomes a page, and what it links to
follows; a text file becomes a page with its text as code; any other file is copied.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = "repository/"
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)")
COMMENT = re.compile(r"^<!-- (table .*?|end|folders: .*?) -->$", re.MULTILINE)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".json": "json", ".txt": "text", ".toml": "toml", ".css": "css"}


def linked(pages: list[str]) -> dict[str, str | bytes]:
    """Return the files outside docs/ that these pages of the site link to: path in the site -> content."""
    found: dict[str, str | bytes] = {}
    waiting = [_in_repository(page) for page in pages]
    while waiting:
        page = waiting.pop()
        if not (ROOT / page).is_file() or not page.endswith(".md"):
            continue
        for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
            target = _target(page, link)
            if target is None or target.startswith("docs/") or _in_site(target) in found:
                continue
            found[_in_site(target)] = _content(target)
            waiting.append(target)
    return found


def rewritten(markdown: str, page: str) -> str:
    """Return a page's text with links that work in the site; ``page`` is its path there."""
    here = _in_repository(page)

    def turned(match: re.Match[str]) -> str:
        target = _target(here, match[1])
        return match[1] if target is None else os.path.relpath(_in_site(target), Path(page).parent)

    # Markers of generated tables would swallow the line after them: Python-Markdown ends raw HTML at a blank line.
    return COMMENT.sub("", LINK.sub(turned, markdown))


def _target(page: str, link: str) -> str | None:
    """Return the path in the repository that a link leads to, the README.md of a folder; None if there is none."""
    path = os.path.normpath(Path(page).parent / link)
    if (ROOT / path).is_dir():
        path = f"{path}/README.md" if path != "docs" else "docs/index.md"
    return path if (ROOT / path).is_file() else None


def _content(path: str) -> str | bytes:
    file = ROOT / path
    language = LANGUAGES.get(file.suffix)
    if file.suffix == ".md" or not language:
        return file.read_bytes() if file.suffix != ".md" else file.read_text(encoding="utf-8")
    hidden = "---\nsearch: {exclude: true}\nhide: [toc]\n---\n"
    return f"{hidden}# `{path}`\n\n``````{language}\n{file.read_text(encoding='utf-8')}\n``````\n"


def _in_site(path: str) -> str:
    """Return the place in the site of a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", "-notebook.md")
    return f"{PLACE}{path}" + (".md" if Path(path).suffix in LANGUAGES else "")


def _in_repository(page: str) -> str:
    """Return the file of the repository that a page of the site shows."""
    if not page.startswith(PLACE):
        return f"docs/{page}"
    path = page.removeprefix(PLACE)
    return path.removesuffix(".md") if (ROOT / path.removesuffix(".md")).is_file() else path
