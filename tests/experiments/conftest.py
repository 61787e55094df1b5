"""Images that the experiments train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.photos import NAMES, write_photos


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs in the sub-folders ``train`` and ``val``; no test changes it."""
    folder = tmp_path_factory.mktemp("set")
    write_photos(folder / "train", NAMES[:4])
    write_photos(folder / "val", NAMES[4:])
    return folder
