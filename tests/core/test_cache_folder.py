"""The cache folder: where it is said to be, below the home folder, or among the temporary files of whoever has none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from clearer.core.cache_folder import cache_folder
from clearer.core.errors import UserError
from clearer.inference.latency_table import cache_folder as of_latency_table
from clearer.pipeline.speed import Speed, remember_speeds, remembered_speeds, speed_file
from clearer.pipeline.system import describe_system
from clearer.zoo.locate import find_models

pwd = pytest.importorskip("pwd", reason="needs the users of Unix")


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave neither HOME nor an entry in the list of users; return the folder that is left."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def missing(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", missing)
    with pytest.raises(RuntimeError):
        Path.home()
    return tmp_path / f"clearer-{os.getuid()}"


def test_it_is_below_the_stated_folder_or_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == of_latency_table() == tmp_path / "cache" / "clearer"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / ".cache" / "clearer"


def test_without_a_home_it_is_among_the_temporary_files(homeless: Path) -> None:
    assert cache_folder() == of_latency_table() == homeless
    assert speed_file() == homeless / "speed.json"
    remember_speeds({"abc": Speed(2.0, "cpu", "fp32")})
    assert remembered_speeds()["abc"].seconds == 2.0
    assert describe_system()["cache"] == str(homeless)


def test_with_a_home_that_cannot_be_written_it_is_among_the_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "home")  # root may write everywhere
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "missing"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"clearer-{os.getuid()}"
    assert cache_folder() == folder and folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_is_not_taken(homeless: Path) -> None:
    homeless.mkdir()
    homeless.chmod(0o777)
    found = cache_folder()
    assert found.parent == homeless.parent and found != homeless and found.stat().st_mode & 0o777 == 0o700
    assert cache_folder() == found  # the same for the whole process


def test_without_a_home_its_sign_names_no_folder_of_models(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_MODELS", "~/models")
    assert find_models(strict=False)
    with pytest.raises(UserError, match="CLEARER_MODELS: ~/models: no such folder"):
        find_models()
