"""The measurement of a network of three channels on gray images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import clearer
from clearer.core.errors import UserError
from clearer.degradations.jpeg import Jpeg
from clearer.evaluation.metrics import psnr
from clearer.images.tensors import to_batch
from clearer.inference.restorer import Restorer
from helpers.networks import converged
from helpers.photos import NAMES, photograph, write_photos


def _restorer(channels: int) -> Restorer:
    torch.manual_seed(0)
    network = clearer.RestorationNetwork(clearer.Architecture.parse("PF-F", width=4, channels=channels, residual=True))
    return Restorer(converged(network).eval(), device="cpu", precision="fp32")


def test_a_color_network_is_measured_on_gray_images_as_it_restores_gray_files(tmp_path: Path) -> None:
    restorer = _restorer(3)
    result = clearer.evaluate(restorer, write_photos(tmp_path / "a", NAMES[:1]), "jpeg-gray-10")
    clean = photograph(NAMES[0])
    degraded = Jpeg(10).degrade_image(clean, 0, 0)
    restored = to_batch(restorer.restore(degraded)).clamp(0, 1)
    expected = psnr(restored, to_batch((clean / 255).astype("float32"))).item()
    assert result["psnr"] == pytest.approx(expected, abs=1e-3) and result["psnr"] != result["input_psnr"]


def test_a_gray_network_is_not_measured_on_color_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"takes 1 channel\(s\) where jpeg-10 has 3"):
        clearer.evaluate(_restorer(1), write_photos(tmp_path / "a", NAMES[:1]), "jpeg-10")
