"""The report of the machine and the installation, and what must not be in it."""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch

import clearer
from clearer.core.packages import read_needs
from clearer.pipeline import system
from clearer.pipeline.system import describe_system, without_user


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder below a home folder of a user named "someone"."""
    home = tmp_path / "home" / "someone"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setattr("getpass.getuser", lambda: "someone")
    (home / "cache" / "clearer").mkdir(parents=True)
    return home / "cache" / "clearer"


def test_the_versions_are_those_that_run(cache):
    found = describe_system()
    assert found["clearer"] == clearer.__version__
    assert found["python"].endswith(platform.python_version())
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["torch"]["threads"] == torch.get_num_threads()
    assert found["torch"]["devices"][0]["device"] == "cpu"
    assert found["extras"]["classical"]["bm3d"] == metadata.version("bm3d") and "dev" not in found["extras"]
    assert found["models"]["denoise-photo"] == "package"
    assert found["processor"]["usable_cores"] >= 1 and found["processor"]["name"]
    assert found["latency"] == [] and found["speeds"] == {}


def test_an_extra_that_is_not_installed_is_said(cache, monkeypatch):
    version = metadata.version

    def without_av(name: str) -> str:
        if name == "av":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_av)
    assert describe_system()["extras"]["video"] == {"av": None}


def test_tables_of_latency_are_named_with_what_they_are_valid_for(cache):
    valid = {"device": "a processor", "threads": 2, "precision": "fp32", "torch": "2.13.0", "path": 2}
    kept = {"valid_for": valid, "milliseconds": {"a": 1.0, "b": 2.0}}
    (cache / "latency-500x500.json").write_text(json.dumps(kept))
    (cache / "latency-9x9.json").write_text("{}")
    first, damaged = describe_system()["latency"]
    assert first == {"file": "latency-500x500.json", "pieces": 2} | {k: v for k, v in valid.items() if k != "path"}
    assert damaged["file"] == "latency-9x9.json" and "error" in damaged


def test_neither_names_of_users_and_hosts_nor_other_variables_are_in_it(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "this-very-host")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path / "elsewhere" / "someone" / "models"))
    monkeypatch.setattr(system, "PACKAGE", Path.home() / "src" / "clearer")
    text = json.dumps(describe_system())
    assert not [word for word in ("someone", "this-very-host", "hf_secret") if word in text]
    assert '"location": "~/src/clearer"' in text and "elsewhere/USER/models" in text


def test_a_torch_that_cannot_be_imported_is_what_is_reported(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = describe_system()
    assert "torch" in found["torch"]["error"] and found["memory"]["free"] is None
    assert found["models"]


def test_users_are_replaced_as_whole_parts_of_a_path(monkeypatch):
    monkeypatch.setattr(system.getpass, "getuser", lambda: "ann")
    assert without_user("/data/ann/annotated/ann") == "/data/USER/annotated/USER"
    assert without_user(Path.home()) == "~"
    assert without_user(f"{Path.home()}s/x") == f"{Path.home()}s/x"


def test_extras_of_extras_are_counted_once():
    needs = read_needs(
        [
            "numpy>=1",
            'a-b>=2; extra == "one"',
            "clearer[one,two]; extra == 'two'",
            'c; python_version<"3.12" and extra=="two"',
        ],
        ["one", "two", "empty"],
    )
    assert needs == {"always": ["numpy"], "extras": {"one": ["a-b"], "two": ["c", "a-b"], "empty": []}}
