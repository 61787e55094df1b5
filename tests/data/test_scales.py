"""Pairs whose clean and degraded files have different scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import clearer
from clearer.data.doctor import examine
from clearer.data.folders import Folders, find_items
from clearer.data.scales import scale_note
from clearer.pipeline.run_checks import _find_images
from clearer.recipe.load import load_recipe
from helpers.networks import converged
from helpers.photos import NAMES, photograph


def _pairs(place: Path, clean: float, degraded: float, kinds: tuple[type, type], noise: float = 0.02) -> Folders:
    """Write pairs of photographs whose white is ``clean`` and ``degraded``."""
    rng = np.random.default_rng(0)
    folders = Folders(str(place / "clean"), str(place / "noisy"))
    for name in NAMES:
        unit = photograph(name)[..., 0] / 255
        noisy = unit + rng.normal(0, noise, unit.shape)
        for folder, image, white, kind in zip(
            (folders.clean, folders.degraded), (unit, noisy), (clean, degraded), kinds, strict=True
        ):
            Path(folder).mkdir(parents=True, exist_ok=True)
            levels = image * white if kind is np.float32 else np.rint(image * white).clip(0, np.iinfo(kind).max)
            tifffile.imwrite(Path(folder) / f"{name}.tif", levels.astype(kind))
    return folders


U8, U16, F32 = np.uint8, np.uint16, np.float32


@pytest.mark.parametrize(
    ("clean", "degraded", "kinds", "times"),
    [(255, 4095, (U8, U16), "1/16 of"), (1, 255, (F32, F32), "255 times"), (65535, 4095, (U16, U16), "1/16 of"),
     (4095, 1, (U16, F32), "16 times")],
)  # fmt: skip
def test_another_scale_of_one_side_is_noticed(
    tmp_path: Path, clean: float, degraded: float, kinds: tuple[type, type], times: str
) -> None:
    note = scale_note(find_items(_pairs(tmp_path, clean, degraded, kinds)))
    assert note is not None and f"its brightness is about {times} that of its clean" in note
    assert note.startswith(str(tmp_path / "noisy")) and "rescale one side" in note


@pytest.mark.parametrize(
    ("clean", "degraded", "kinds"),
    [(255, 65535, (U8, U16)), (4095, 4095, (U16, U16)), (255, 25, (U8, U8)), (65535, 5000, (U16, U16)),
     (1, 0.1, (F32, F32)), (4000, 3000, (F32, F32)), (255, 30000, (U8, U16))],
)  # fmt: skip
def test_dark_images_of_one_depth_and_equal_scales_are_not(
    tmp_path: Path, clean: float, degraded: float, kinds: tuple[type, type]
) -> None:
    assert scale_note(find_items(_pairs(tmp_path, clean, degraded, kinds))) is None


def test_the_doctor_an_evaluation_and_a_run_say_it(tmp_path: Path) -> None:
    pairs = _pairs(tmp_path, 255, 4095, (U8, U16))
    (part,) = examine(pairs).parts
    assert "1/16 of that of its clean" in part.scales
    torch.manual_seed(0)
    network = clearer.RestorationNetwork(clearer.Architecture.parse("PF-F", width=4, channels=1, residual=True))
    restorer = clearer.Restorer(converged(network).eval(), device="cpu", precision="fp32")
    assert "1/16 of that of its clean" in clearer.evaluate(restorer, pairs, "pairs-gray")["scales"]
    assert "scales" not in clearer.evaluate(restorer, pairs, "gray-awgn-25")  # which degrades the clean images itself
    apart = _pairs(tmp_path / "apart", 65535, 4095, (U16, U16))
    recipe = load_recipe(
        "pairs-gray",
        {"data.folder": {"clean": apart.clean, "degraded": apart.degraded}, "data.fractions": [0.6, 0.2, 0.2]},
    )
    said: list[str] = []
    _find_images(recipe, 16, said.append)
    assert len([line for line in said if "1/16 of that of its clean" in line]) == 1
