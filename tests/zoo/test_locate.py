"""A model's name: found in the package, then in CLEARER_MODELS, then in a checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.inference.choice import candidates
from clearer.web.offered import offered
from clearer.zoo.locate import find_models, is_model_name, located
from clearer.zoo.names import PACKAGED_MODELS, REPOSITORY_MODELS, RESEARCH_MODELS, ModelName, is_for_use

PACKAGED = list(PACKAGED_MODELS)
IN_FOLDER = list(REPOSITORY_MODELS)
PACKAGE = Path(clearer.__file__).parent


def installed(folder: Path) -> Path:
    """Install the package as a wheel does: without the rest of the checkout."""
    shutil.copytree(PACKAGE, folder / "site" / "clearer", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "site"


def in_new_process(site: Path, code: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", f"from clearer.zoo.locate import *\n{code}"],
        env={key: value for key, value in os.environ.items() if key != "CLEARER_MODELS"}
        | {"PYTHONPATH": str(site)}
        | environment,
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0 or "UserError" in ended.stderr, ended.stderr
    return ended.stdout + ended.stderr.strip().rpartition("\n")[2]


def test_a_checkout_has_all_models_and_the_package_those_for_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARER_MODELS", raising=False)
    found = find_models()
    assert sorted(name for name, file in found.items() if file.source == "package") == PACKAGED
    assert sorted(name for name, file in found.items() if file.source == "checkout") == sorted(
        [*IN_FOLDER, *RESEARCH_MODELS]
    )
    assert list(found) == sorted([*PACKAGED, *IN_FOLDER, *RESEARCH_MODELS])
    for name, file in found.items():
        assert located(name) == file.path and file.name == name and file.path.is_file()


def test_the_page_of_each_model_for_use_shows_what_it_restores_and_its_limits() -> None:
    for name in filter(is_for_use, find_models()):
        folder = PACKAGE.parents[1] / "models" / name
        rows = re.findall(
            r"^!\[Degraded, restored, clean: (.*)\]\(examples\.jpg\)$", (folder / "README.md").read_text(), re.M
        )
        assert len(rows) == 1 and "; limit: " in rows[0], name
        with Image.open(folder / "examples.jpg") as picture:
            assert picture.width == 632 and picture.height == (rows[0].count("; ") + 1) * 228 - 4, name


def test_the_page_of_names_says_which_tiers_and_dates_there_are() -> None:
    names = [ModelName.parse(name) for name in (*PACKAGED_MODELS, *REPOSITORY_MODELS)]
    page = (PACKAGE.parents[1] / "docs" / "restoring.md").read_text(encoding="utf-8")
    assert any(name.tier in ("fast", "best") for name in names) != ("where a task has them; none has yet" in page)
    assert any(name.date for name in names) != ("taken their place; none have yet" in page)


@pytest.mark.slow
def test_the_catalog_says_where_each_is_and_what_is_research(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARER_MODELS", raising=False)
    found = {model["name"]: model for model in clearer.models()}
    assert list(found) == list(find_models())
    for name, model in found.items():
        assert model["research"] == (name in RESEARCH_MODELS)
        assert model["source"] == ("package" if name in PACKAGED else "checkout")
        former = name.endswith("@2026-11") or name == "denoise-gray-medium"
        assert model["for_use"] == (not model["research"] and not former)
        assert Path(model["file"]).stat().st_size == model["bytes"]


def test_an_installed_package_finds_its_own_and_says_where_the_others_are(tmp_path: Path) -> None:
    site = installed(tmp_path)
    names = in_new_process(site, "import sys; print(*find_models(), 'torch' in sys.modules)")
    assert names.split() == [*PACKAGED, "False"]
    for name in ("denoise-gray-50", "derain-searched", "denoise-gray-medium", "denoise-color@2026-11"):
        assert in_new_process(site, f"located('{name}')") == (
            f"clearer.core.errors.UserError: {name}: not part of the installed package; get "
            f"models/{name}/model.safetensors from the clearer repository and give its path, or set CLEARER_MODELS "
            "to the repository's models folder"
        )
    for name in ("denoise-photo-best", "derain-medium@1999-99", "derain-fast"):
        assert f"{name}: no such weight file" in in_new_process(site, f"located('{name}')")
        assert in_new_process(site, f"print(is_model_name('{name}'))").strip() == "False"
    found = in_new_process(site, "print(located('denoise-gray-50'))", CLEARER_MODELS=str(PACKAGE.parents[1] / "models"))
    assert found.strip() == str(PACKAGE.parents[1] / "models" / "denoise-gray-50" / "model.safetensors")


@pytest.mark.slow
def test_the_named_folder_comes_after_the_package_and_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("denoise-gray", "denoise-gray-50", "mine"):
        (tmp_path / name).mkdir()
        shutil.copy(located("denoise-gray"), tmp_path / name / "model.safetensors")
    shutil.copy(located("denoise-gray"), tmp_path / "single.safetensors")
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path))
    found = find_models()
    assert (
        len(found) == len(PACKAGED) + len(IN_FOLDER) + len(RESEARCH_MODELS) + 2
        and found["denoise-gray"].source == "package"
    )
    for name in ("denoise-gray-50", "mine"):
        assert (found[name].path, found[name].source) == (tmp_path / name / "model.safetensors", "CLEARER_MODELS")
    assert located("single") == tmp_path / "single.safetensors"
    assert not {model["name"]: model for model in clearer.models()}["mine"]["research"]


def test_a_users_own_dated_model_is_listed_and_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x@2026-01", "denoise-gray-mine@2026-01", "denoise-gray@2026-01"):
        shutil.copy(located("denoise-gray"), tmp_path / f"{name}.safetensors")
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path))
    found = {model["name"]: model["for_use"] for model in clearer.models() if "@" in model["name"]}
    mine = {"x@2026-01": True, "denoise-gray-mine@2026-01": True, "denoise-gray@2026-01": False}
    assert found == mine | dict.fromkeys((one for one in REPOSITORY_MODELS if "@" in one), False)
    assert {one.name for one in candidates()} & set(found) == {"x@2026-01", "denoise-gray-mine@2026-01"}
    assert set(offered(runs=tmp_path / "none")) & set(found) == {"x@2026-01", "denoise-gray-mine@2026-01"}


def test_a_named_folder_that_is_missing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"^CLEARER_MODELS: .*none: no such folder; set it to a folder of models or"):
        located("mine")
    with pytest.raises(UserError, match=r"^CLEARER_MODELS"):
        find_models()
    assert located("denoise-gray").is_file() and is_model_name("denoise-gray")  # the package comes first
    assert clearer.describe("FP", width=4).parameters > 0


def test_a_damaged_file_in_the_named_folder_is_reported_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"junk")
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path))
    names = {model["name"] for model in clearer.models()}
    assert "denoise-gray" in names and "bad" not in names
    assert "bad.safetensors: not a weight file" in caplog.text


def test_names_are_known_without_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.zoo.locate.find_models", lambda **how: {})
    assert is_model_name("derain-searched") and not is_model_name("denoise-gray") and not is_model_name("PF-FP")
    with pytest.raises(UserError, match=r"^derain-searched: not part of the installed package; get models/derain-"):
        clearer.describe("derain-searched")
