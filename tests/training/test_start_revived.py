"""A model of white noise as the start of a training on pairs of a camera's noise, from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.trainer import train
from clearer.zoo.weights import load_weights, save_weights
from helpers.photos import photograph
from helpers.recipes import TINY

SETTINGS: dict[str, Any] = {
    **TINY,
    "checkpoint_minutes": 10,
    "architecture": "PF",
    "network.unshuffle": 2,
    "train.steps_per_epoch": 10,
    "train.batch": 4,
    "train.patch": 32,
    "train.validate_every": 2,
    "train.average": 0.0,
    "train.optimizer.warmup_epochs": 2,
}


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Photographs with noise that depends on the level and is correlated between neighbors."""
    found = []
    for seed, name in enumerate(("camera.png", "coffee.png", "chelsea.png")):
        clean = photograph(name, 64)
        white = np.random.default_rng(seed).normal(size=clean.shape) * np.sqrt(clean * 0.8 + 4)
        noisy = clean + 1.8 * gaussian_filter(white, (0.7, 0.7, 0))
        found.append((clean, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
    return found


def fitted(folder: Path, images: Any, epochs: int, **changes: Any) -> Any:
    recipe = load_recipe("quickstart", {**SETTINGS, "train.epochs": epochs, **changes})
    assert recipe.given is not None
    return train(recipe, recipe.given, RunContext.of(recipe, RunFolder(folder), images[1:], images[:1]))


@pytest.fixture(scope="module")
def white(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of white noise whose last features answer to strong noise only, as those of larger models do."""
    folder = tmp_path_factory.mktemp("white")
    cleans = [(clean, None) for clean, _ in pairs()]
    fitted(folder, cleans, 20, **{"data.degradation.sigma": 50})
    network, card = load_weights(folder / "model.safetensors")
    for name, value in network.named_parameters():
        if name.startswith("fusion.") and name.endswith("bias"):
            value.data -= 0.7
    save_weights(folder / "dead.safetensors", network, card)
    return folder / "dead.safetensors"


def test_it_is_revived_and_ends_better_than_as_it_is(tmp_path: Path, white: Path) -> None:
    kind = {"data.degradation.kind": "none", "train.start": str(white)}
    as_is = fitted(tmp_path / "as_is", pairs(), 8, **kind, **{"train.watch_start": 0})
    revived = fitted(tmp_path / "revived", pairs(), 8, **kind)
    found = revived["start"]
    assert found["dead"] > 3, found
    assert 0 < found["revived"] <= found["dead"] < found["features"]
    assert found["psnr"] == found["input_psnr"]  # it begins with the image itself
    assert as_is["best_psnr"] < as_is["input_psnr"] + 0.05
    assert revived["best_psnr"] > as_is["best_psnr"] + 0.1
    assert found["kept"] in ("start", "fresh") and "fresh_psnr" in found  # a revived start is always compared
