"""Headless Chromium for the tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
