"""Headless Chromium for the tests of pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium(profile: Path) -> Iterator[object]:
    """Give a browser with its profile in a folder; it is closed at the end."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or pytest.fail("no chromium on the path; `make test-web` installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch_persistent_context(
            profile, executable_path=program, args=FLAGS, viewport={"width": 1280, "height": 1000}
        )
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page in a browser, the places that it asked, and what it complained of."""

    page: object
    asked: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(60_000)
        self.page.on("request", lambda request: self.asked.add(re.sub(r"^(\w+:/*[^/]*).*", r"\1", request.url)))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def hosts(self) -> set[str]:
        """Those of the places that are hosts; images may be data of the page itself."""
        return {place for place in self.asked if place.startswith(("http", "ws"))}
