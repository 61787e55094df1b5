"""A browser for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.chromium import chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[object]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
