"""Models in the Hub's layout: weights, configuration and model card. No test needs a network connection."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.repocard_data import model_index_to_eval_results

import clearer
from clearer.core.errors import UserError
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.network.cost import parameters
from clearer.network.network import RestorationNetwork
from clearer.zoo import hub

CARD = {
    "task": "denoise",
    "description": "one gray denoiser for sigma 0 to 75",
    "degradation": {"kind": "gaussian", "sigma": [0.0, 75.0], "clip8": False},
    "steps": 600,
    "precision": "bf16",
    "validation_psnr": 25.5,
}
RESULT = {
    "protocol": "gray-awgn-50",
    "data": "/home/someone/sets/bsd68",
    "images": 68,
    "input_psnr": 14.78,
    "psnr": 26.31,
    "ssim": 0.7212,
    "ensemble": True,
}


@pytest.fixture
def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(RestorationNetwork(Architecture.parse("PF-FP", width=4)), CARD, device="cpu")


class FakeApi:
    """Takes what the Hub would take, and keeps it."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.refuses = refuses
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}

    def create_repo(self, repo_id: str, **how: Any) -> Any:
        if self.refuses:
            raise self.refuses
        self.calls.append((repo_id, how))
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> str:
        self.calls.append((repo_id, {"commit_message": commit_message}))
        self.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        return f"https://hub/{repo_id}/commit/1"


def test_a_saved_folder_loads_as_the_same_restorer(restorer: Restorer, tmp_path: Path) -> None:
    folder = restorer.save_pretrained(tmp_path / "deep" / "denoise")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    image = np.random.default_rng(0).integers(0, 255, (13, 18), np.uint8)
    for found in (Restorer.from_pretrained(folder, device="cpu"), clearer.load(folder, "cpu")):
        assert found.card == CARD and found.architecture == restorer.architecture
        assert np.array_equal(found.restore(image), restorer.restore(image))
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "clearer" and config["multiple"] == 4 and config["card"] == CARD
    fields = {key: config[key] for key in restorer.architecture.to_dict()}
    assert Architecture.from_dict(fields) == restorer.architecture


def test_the_hub_reads_the_card(restorer: Restorer, tmp_path: Path) -> None:
    folder = restorer.save_pretrained(tmp_path / "m", results=[RESULT], data="BSDS500, train", license="apache-2.0")
    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == (
        "apache-2.0",
        "clearer",
        "image-to-image",
    )
    assert {"image-restoration", "denoise"} <= set(card.data.tags)
    found = {(result.dataset_type, result.metric_type): result.metric_value for result in card.data.eval_results}
    assert found == {("bsd68", "psnr"): 26.31, ("bsd68", "ssim"): 0.7212}
    for words in (
        "| bsd68 | gray-awgn-50, x8 self-ensemble | 68 | 14.78 | 26.31 | 0.7212 |",
        "BSDS500, train.",
        "Gaussian noise of sigma 0 to 75 gray levels, not clipped",
        f"{parameters(restorer.architecture):,} parameters",
        "Trained for 600 steps",
        "Weights: apache-2.0.",
    ):
        assert words in card.text, words
    assert "/home/someone" not in str(card)


def test_results_of_several_protocols_stay_apart(restorer: Restorer, tmp_path: Path) -> None:
    given = {
        (50, False): (25.95, 0.7053),
        (25, False): (28.8, 0.8152),
        (25, True): (28.9, 0.8171),
        (15, False): (31.18, 0.8793),
    }
    results = [
        RESULT | {"protocol": f"gray-awgn-{sigma}", "ensemble": ensemble, "psnr": psnr, "ssim": ssim}
        for (sigma, ensemble), (psnr, ssim) in given.items()
    ]
    card = huggingface_hub.ModelCard.load(restorer.save_pretrained(tmp_path / "m", results=results) / "README.md")
    _, found = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert {(r.dataset_config, r.dataset_name, r.metric_type): r.metric_value for r in found} == {
        (
            f"gray-awgn-{sigma}{'-x8' if ensemble else ''}",
            f"bsd68, gray-awgn-{sigma}{', x8 self-ensemble' if ensemble else ''}",
            metric,
        ): value
        for (sigma, ensemble), values in given.items()
        for metric, value in zip(("psnr", "ssim"), values, strict=True)
    }


def test_unknown_facts_are_written_as_not_stated(restorer: Restorer, tmp_path: Path) -> None:
    card = huggingface_hub.ModelCard.load(restorer.save_pretrained(tmp_path / "m") / "README.md")
    assert card.data.license is None and card.data.eval_results is None
    assert "Validation PSNR in training: 25.50 dB." in card.text
    assert card.text.count("not stated") == 2  # data, license
    bare = Restorer(restorer.network, {}, device="cpu")
    text = hub.readme(bare.architecture, bare.card, "bare")
    assert "Not measured." in text and text.count("not stated") == 5


def test_upload_creates_the_repository_and_one_commit(restorer: Restorer, tmp_path: Path) -> None:
    api = FakeApi()
    url = restorer.push_to_hub("someone/denoise", results=[RESULT], private=True, commit_message="First", api=api)
    assert url == "https://hub/someone/denoise/commit/1"
    assert api.calls == [
        ("someone/denoise", {"private": True, "exist_ok": True}),
        ("someone/denoise", {"commit_message": "First"}),
    ]
    assert set(api.files) == {"README.md", "config.json", "model.safetensors"}
    assert b'Restorer.from_pretrained("someone/denoise")' in api.files["README.md"]
    # What was uploaded is a model.
    (tmp_path / "model.safetensors").write_bytes(api.files["model.safetensors"])
    assert Restorer.from_pretrained(tmp_path, device="cpu").card == CARD


def test_a_model_is_downloaded_by_the_hubs_own_function(
    restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = restorer.save_pretrained(tmp_path / "cache")
    asked: list[tuple[Any, ...]] = []

    def download(repo_id: str, filename: str, **how: Any) -> str:
        asked.append((repo_id, filename, how["revision"], how["local_files_only"]))
        return str(folder / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    found = Restorer.from_pretrained("someone/denoise", revision="v1", device="cpu")
    assert found.card == CARD and asked == [("someone/denoise", "model.safetensors", "v1", False)]


def test_errors_are_one_line(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="holds no model"):
        Restorer.from_pretrained(tmp_path / "empty")
    for name in ("someone/denoise", "not a name", "a/b/c"):
        with pytest.raises(UserError, match=f"{name}: no such folder, and not available from the Hub") as caught:
            Restorer.from_pretrained(name, local_files_only=True, cache_dir=tmp_path / "cache")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="a file stands where a folder is needed"):
        restorer.save_pretrained(tmp_path / "file")
    with pytest.raises(UserError, match=r"someone/denoise: not uploaded \(403 forbidden\)"):
        restorer.push_to_hub("someone/denoise", api=FakeApi(OSError("403\nforbidden")))


def test_an_unreachable_hub_is_reported(restorer: Restorer) -> None:
    # The real client, at an address of this machine where nobody listens: what is raised is its HTTP library's.
    api = huggingface_hub.HfApi(endpoint="http://127.0.0.1:9", token=False)
    # On the way to the file store these are wrapped.
    faults = (
        huggingface_hub.errors.HfHubHTTPError.__bases__[0]("no\nroute"),
        RuntimeError("Error while uploading 'model.safetensors' to the Hub."),
        huggingface_hub.errors.CacheNotFound("no cache", "/"),
    )
    for talks in (api, *map(FakeApi, faults)):
        with pytest.raises(UserError, match=r"^me/x: not uploaded \(.+\); check the name, the network") as caught:
            restorer.push_to_hub("me/x", api=talks)
        assert "\n" not in str(caught.value)


def test_a_missing_package_is_reported(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'clearer\[hub\]'"):
        restorer.save_pretrained("anywhere")


def test_the_license_of_a_pretrained_model_is_one_that_the_hub_knows(tmp_path: Path) -> None:
    folder = clearer.load("denoise-gray", "cpu", "fp32").save_pretrained(tmp_path / "m")
    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert card.data.license == "apache-2.0" and "have terms of their own" in card.text


def test_the_former_name_of_the_license_still_works(restorer: Restorer, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match=r"^licence= is now called license=$"):
        folder = restorer.save_pretrained(tmp_path / "m", licence="mit")
    card = huggingface_hub.ModelCard.load(folder / "README.md")
    assert card.data.license == "mit" and "Weights: mit." in card.text
    api = FakeApi()
    with pytest.warns(DeprecationWarning, match=r"^licence= is now called license=$"):
        restorer.push_to_hub("someone/denoise", licence="mit", api=api)
    assert b"license: mit" in api.files["README.md"]


def test_results_without_figures_are_refused(restorer: Restorer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^results: no valid images; pass what clearer.evaluate returns$"):
        restorer.save_pretrained(tmp_path / "m", results=[{k: v for k, v in RESULT.items() if k != "images"}])
