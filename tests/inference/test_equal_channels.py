"""Gray images through a color network."""

from __future__ import annotations

from pathlib import Path

import torch

from clearer.inference.equal_channels import in_equal_channels
from clearer.inference.restorer import load
from helpers.networks import write_identity


def test_a_gray_batch_comes_back_gray_from_a_color_network(tmp_path: Path) -> None:
    gray = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    restorer = load(write_identity(tmp_path / "color.safetensors", channels=3), "cpu", "fp32")
    assert torch.allclose(in_equal_channels(restorer)(gray), gray, atol=1e-6)
