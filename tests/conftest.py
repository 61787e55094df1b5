"""Test set-up: one thread, no deadlines, and the fixtures that several files share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from helpers.photos import write_photos
from helpers.recipes import TINY

# One thread: the images are small, and results must not depend on the number of cores.
os.environ["OMP_NUM_THREADS"] = "1"  # for processes that tests start
torch.set_num_threads(1)

# No deadlines: a busy machine is not a bug.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven different gray photographs, 80x80."""
    return write_photos(tmp_path_factory.mktemp("images") / "photos")


@pytest.fixture
def tiny() -> dict[str, Any]:
    """A copy of TINY."""
    return dict(TINY)
