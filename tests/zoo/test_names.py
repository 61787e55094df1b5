"""The names of models: tiers, dated names of former weights, and the paper's, in a temporary zoo."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import clearer
from clearer.core.errors import UserError
from clearer.inference.choice import candidates, choose, default_model
from clearer.inference.image_facts import ImageFacts
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.web.offered import offered
from clearer.zoo import locate
from clearer.zoo.locate import find_models, is_model_name, located
from clearer.zoo.names import PAPER_MODELS, TIERS, ModelName, is_for_use, shown_name, stored_name
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command

GAUSSIAN = {"kind": "gaussian", "sigma": [0.0, 75.0]}
DATED = "denoise-gray@2026-11"
NOISY = ImageFacts(gray=True, kind="independent", level=20, blurred=False, rain=False, quality=None)


def put(path: Path, name: str, width: int) -> Path:
    """Write the weights of a gray denoiser."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    card = {"name": name, "task": "denoise", "degradation": GAUSSIAN, "description": "test"}
    save_weights(path, RestorationNetwork(Architecture.parse("P-P", width=width)).eval(), card, half=True)
    return path


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose package holds the fast and the standard tier, and models/ the best, former and paper's ones."""
    package = tmp_path / "src" / "clearer"
    for name, width in (("denoise-gray-fast", 2), ("denoise-gray", 4)):
        put(package / "weights" / f"{name}.safetensors", name, width)
    for name, width in (("denoise-gray-best", 6), (DATED, 3), ("denoise-gray-50", 5)):
        put(tmp_path / "models" / name / "model.safetensors", name.partition("@")[0], width)
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.delenv("CLEARER_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(locate.resources, "files", lambda name: package)
    return tmp_path


@given(st.sampled_from(["denoise-gray", "derain", "my-model"]), st.sampled_from(TIERS), st.booleans())
def test_names_fall_into_their_parts(base: str, tier: str, dated: bool) -> None:
    name = base if tier == "standard" else f"{base}-{tier}"
    parsed = ModelName.parse(name + "@2026-11" * dated)
    assert (parsed.base, parsed.tier, parsed.date) == (base, tier, "2026-11" if dated else None)
    assert parsed.undated == name
    assert parsed.is_packaged == (tier in ("fast", "standard") and not dated)


def test_what_looks_like_a_tier_or_date_and_is_none() -> None:
    assert ModelName.parse("breakfast") == ModelName("breakfast", "standard", None)
    assert ModelName.parse("mine@home") == ModelName("mine@home", "standard", None)
    assert ModelName.parse("-best").base == "-best" and ModelName.parse("").base == ""


def test_names_of_the_paper_are_those_of_its_models() -> None:
    assert stored_name("paper\\derain-searched") == "derain-searched"
    for shown, stored in PAPER_MODELS.items():
        assert shown_name(stored) == shown and stored_name(shown) == stored_name(stored) == stored
        assert not is_for_use(stored) and is_model_name(shown)
        assert located(shown) == located(stored)


def test_each_tier_and_date_is_loaded_by_its_name(zoo: Path) -> None:
    widths = {"denoise-gray-fast": 2, "denoise-gray": 4, "denoise-gray-best": 6, DATED: 3, "paper/denoise-50": 5}
    for name, width in widths.items():
        assert clearer.load(name, "cpu").architecture.space.width == width, name
        assert is_model_name(name)
    assert len(find_models()) == 5
    with pytest.raises(UserError, match=r"^denoise-gray@2025-01: no such .* \(did you mean 'denoise-gray@2026-11'"):
        located("denoise-gray@2025-01")


def test_the_package_alone_says_where_other_tiers_and_former_weights_are(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (zoo / "pyproject.toml").unlink()
    monkeypatch.setattr(locate, "REPOSITORY_MODELS", ("denoise-gray-best", DATED))
    assert list(find_models()) == ["denoise-gray", "denoise-gray-fast"]
    for name in ("denoise-gray-best", DATED, "denoise-gray-50"):
        with pytest.raises(UserError, match=rf"^{name}: not part of the installed package; get models/{name}/model"):
            located(name)
    for name in ("unknown-best", "denoise-gray-medium", "denoise-gray@2025-01"):
        with pytest.raises(UserError, match=rf"^{name}: no such weight file"):
            located(name)


def test_lists_show_the_tiers_from_fast_to_best_and_the_rest_apart(zoo: Path) -> None:
    def listed(*more: str) -> list[str]:
        ended = command("models", "--no-measure", *more)
        assert ended.status == 0, ended.err
        return [line.split()[0] for line in ended.out.splitlines()[2:] if not line[0].isdigit()]

    tiers = ["denoise-gray-fast", "denoise-gray", "denoise-gray-best"]
    assert listed() == tiers == listed("--task", "gray")
    assert listed("--all") == [*tiers, DATED, "paper/denoise-50"]
    line = "2 more, of the paper and former ones: clearer models --all"
    for more in ((), ("--task", "gray")):
        assert " ".join([line, *more]) in command("models", "--no-measure", *more).out.splitlines()
    entries = {entry["name"]: entry for entry in command("models", "--all", "--json", "--no-measure").json["models"]}
    assert {name: entry["tier"] for name, entry in entries.items() if entry["for_use"]} == {
        "denoise-gray-fast": "fast", "denoise-gray": "standard", "denoise-gray-best": "best"
    }  # fmt: skip
    assert entries["denoise-gray-50"]["shown"] == "paper/denoise-50" and entries["denoise-gray-50"]["research"]


def test_the_standard_tier_is_chosen_and_neither_former_weights_nor_the_papers(zoo: Path) -> None:
    assert choose(NOISY).model == "denoise-gray"
    assert {one.name for one in candidates()} == {"denoise-gray-fast", "denoise-gray", "denoise-gray-best"}
    assert set(offered(runs=zoo / "none")) == {one.name for one in candidates()}
    assert default_model(find_models()) is None  # none is for color


def make_models(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "make_models.py"
    monkeypatch.syspath_prepend(path.parent)  # as Python does for a script
    spec = importlib.util.spec_from_file_location("make_models", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module, "MODELS", root / "models")
    return module


def test_former_weights_are_kept_with_their_card_and_records(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, weights = make_models(zoo, monkeypatch), "src/clearer/weights/denoise-gray.safetensors"
    folder = zoo / "models" / "denoise-gray"
    (folder / "results").mkdir(parents=True)
    (folder / "README.md").write_text(f"# denoise-gray\n\nclearer restore denoise-gray a.png\n\n`{weights}`\n")
    (folder / "results" / "1.json").write_text(json.dumps({"command": f"clearer evaluate {weights}"}))
    before = clearer.load("denoise-gray", "cpu").network.state_dict()
    tool.keep_former("denoise-gray", "2026-12")
    assert "denoise-gray" not in find_models() and not folder.exists()
    kept = clearer.load("denoise-gray@2026-12", "cpu")
    assert kept.name == "denoise-gray@2026-12"
    assert all(torch.equal(value, before[key]) for key, value in kept.network.state_dict().items())
    page = (zoo / "models" / "denoise-gray@2026-12" / "README.md").read_text()
    assert page.startswith("# denoise-gray@2026-12\n") and "`models/denoise-gray@2026-12/model.safetensors`" in page
    assert "restore denoise-gray@2026-12 a.png" in page
    with pytest.raises(SystemExit, match="--former: yesterday is no date"):
        tool.keep_former("denoise-gray-fast", "yesterday")
