"""What a model that was trained on noisy images is compared with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from clearer.inference.restorer import load
from clearer.pipeline.ranking import _others
from clearer.recipe.load import load_recipe
from helpers.networks import write_identity


@pytest.mark.parametrize(
    ("channels", "models"),
    [
        (1, {"denoise-gray", "denoise-gray-fast", "denoise-photo", "denoise-photo-fast"}),
        (3, {"denoise-color", "denoise-color-fast", "denoise-photo", "denoise-photo-fast"}),
    ],
)
def test_pretrained_models_that_restore_such_images_are_compared(
    tmp_path: Path, channels: int, models: set[str]
) -> None:
    recipe = load_recipe("noisy-gray" if channels == 1 else "noisy-color")
    mine = load(write_identity(tmp_path / "mine.safetensors", channels=channels), "cpu", "fp32")
    profile: Any = SimpleNamespace(grid=0.0)
    others = _others(recipe, mine, profile)
    assert {name for name, _, kind in others if kind == "pretrained"} == models
    noisy = (0.5 + 0.1 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))).expand(
        1, channels, -1, -1
    )
    for name, restore, kind in others if channels == 1 else []:
        restored = restore(noisy)
        assert restored.shape == noisy.shape
        assert kind == "input" or float(restored.std()) < 0.6 * float(noisy.std()), name
