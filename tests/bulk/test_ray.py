"""Restore with Ray Data on a local cluster of two workers; skipped without ray; `make test-extras` has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.bulk.folder import BulkFolder
from helpers.command import clearer as command

ray = pytest.importorskip("ray", reason="needs the extra ray (440 MB)")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two cores."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_two_workers_of_a_cluster_restore_what_one_process_does(desk):
    torn = Path("photos/night/moon.png")
    torn.write_bytes(torn.read_bytes()[:400])
    assert command("restore", "model.safetensors", "photos", "-o", "plain", "--recursive").status == 1
    call = (
        "restore",
        "model.safetensors",
        "photos",
        "-o",
        "out",
        "-r",
        "--distributor",
        "ray",
        "--workers",
        2,
        "--json",
    )
    ended = command(*call)
    assert (ended.status, ended.json["restored"], ended.json["failed"]) == (1, 6, 1), ended.err
    assert "photos/night/moon.png" in ended.err
    for path in Path("plain").rglob("*.png"):
        assert np.array_equal(Image.open(path), Image.open(Path("out") / path.relative_to("plain")))
    found = sorted(record.index for record in BulkFolder(Path("out/.clearer-bulk")).records())
    assert found == list(range(7))
    assert command(*call).json["already"] == 6
