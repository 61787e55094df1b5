"""Verb doctor."""

from __future__ import annotations

from importlib.metadata import version

import pytest

import clearer
from helpers.command import clearer as command


def test_doctor_counts_the_images(photos):
    assert "7" in command("doctor", photos).out
    assert command("doctor", photos, "--json").json["parts"][0]["count"] == 7


def test_doctor_prints_the_folder_unbroken(photos, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert f"Images in {photos}\n" in command("doctor", photos).out


def test_doctor_describes_the_system_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ended = command("doctor", "--system", "--json")
    assert ended.status == 0 and ended.json["clearer"] == clearer.__version__
    for word in (f"torch {version('torch')}", "denoise-photo", "extra video", "none; clearer models"):
        assert word in " ".join(ended.err.split()), ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["photos"],
        ["--clean", "a", "--degraded", "b"],
        ["--figure", "a.svg"],
        ["--clean-pattern", "*_gt", "--degraded-pattern", "*_in"],
        ["--layout", "pairs", "--clean-side", "right"],
    ],
)
def test_doctor_of_the_system_looks_at_no_images(arguments):
    ended = command("doctor", "--system", *arguments)
    named = ["FOLDER"] if arguments == ["photos"] else [name for name in arguments if name.startswith("--")]
    assert ended.status == 2 and ended.err == f"clearer: --system: looks at no images; leave {', '.join(named)} out\n"
