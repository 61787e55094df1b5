"""The measurement of a network of three channels on gray images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.data.folders import Folders
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


@pytest.mark.parametrize(("white", "most"), [(4095, 4000), (65535, 60000)])
def test_the_levels_of_a_camera_are_noticed_as_where_files_are_restored(tmp_path: Path, white: int, most: int) -> None:
    rng = np.random.default_rng(0)
    clean = np.linspace(100, most, 48 * 40).reshape(48, 40)
    for folder, pixels in (("clean", clean), ("degraded", clean + rng.normal(0, white / 100, clean.shape))):
        (tmp_path / folder).mkdir()
        levels = pixels.round().clip(0, most).astype(np.uint16)
        Image.fromarray(levels).save(tmp_path / folder / "a.png")
        Image.fromarray(levels[::-1]).save(tmp_path / folder / "b.png")
    result = clearer.evaluate(_restorer(1), Folders(tmp_path / "clean", tmp_path / "degraded"), "pairs-gray")
    assert result["input_psnr"] == pytest.approx(40, abs=0.5)
