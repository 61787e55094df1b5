"""Layers restored plane by plane: each as `Restorer.restore` does, cancelled between planes, with nothing of napari."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import clearer.napari
from clearer.core.errors import UserError
from clearer.napari.layer import Settings, kept, restored_layer
from helpers.networks import smear, stand_in

MANIFEST = Path(clearer.napari.__file__).with_name("napari.yaml")


def pixels_of(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = np.random.default_rng(0).random(shape)
    return (values if dtype.startswith("float") else values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("shape", "rgb"), [((20, 30), False), ((2, 3, 20, 30), False), ((2, 20, 30, 4), True)])
def test_each_plane_is_restored_by_itself(shape: tuple[int, ...], rgb: bool, dtype: str) -> None:
    pixels, restorer = pixels_of(shape, dtype), smear()
    steps = list(restored_layer(restorer, pixels, rgb, Settings(strength=0.5)))
    count = len(steps)
    assert [step[:2] for step in steps] == [(k, count) for k in range(1, count + 1)]
    found = steps[-1][2]
    assert (found.shape, found.dtype) == (pixels.shape, pixels.dtype)
    for index in np.ndindex(*shape[: -3 if rgb else -2]):
        color = np.ascontiguousarray(pixels[index][..., :3]) if rgb else pixels[index]
        wanted = restorer.restore(color, strength=0.5)
        assert np.array_equal(found[index][..., :3] if rgb else found[index], wanted)
        assert not rgb or np.array_equal(found[index][..., 3], pixels[index][..., 3])


def test_levels_of_a_camera_in_floats_are_scaled_by_the_first_plane() -> None:
    pixels = (100 + 4000 * np.random.default_rng(0).random((2, 20, 20))).astype(np.float32)
    *_, (_, _, same) = restored_layer(stand_in(), pixels, False, Settings(span=(0, 5000)))
    assert np.allclose(same, pixels, rtol=1e-5)
    *_, (_, _, found) = restored_layer(smear(), pixels, False, Settings())
    assert 1500 < found.mean() < 2700 and not np.allclose(found, pixels, atol=1)


def test_planes_are_read_one_by_one_and_none_after_it_is_cancelled() -> None:
    class Lazy:
        shape, dtype, read = (5, 8, 8), np.dtype("u1"), 0

        def __getitem__(self, place: tuple[int, ...]) -> np.ndarray:
            self.read += 1
            return np.full((8, 8), place[0], np.uint8)

    data = Lazy()
    work = restored_layer(stand_in(), data, False, Settings())
    assert next(work)[:2] == (1, 5) and next(work)[:2] == (2, 5)
    work.close()
    assert data.read == 3  # the first plane also tells the levels


def test_a_layer_without_planes_is_refused() -> None:
    with pytest.raises(UserError, match="no planes"):
        next(restored_layer(stand_in(), np.zeros(5), False, Settings()))


def test_scale_and_place_are_taken_over() -> None:
    layer = SimpleNamespace(scale=(2, 0.5, 0.5), translate=(0, 7, 7), metadata={"a": 1}, name="cells", visible=True)
    assert kept(layer) == {"scale": (2, 0.5, 0.5), "translate": (0, 7, 7), "metadata": {"a": 1}}


def test_the_manifest_names_what_exists() -> None:
    stated = yaml.safe_load(MANIFEST.read_text())
    commands = {one["id"]: one["python_name"] for one in stated["contributions"]["commands"]}
    assert all(widget["command"] in commands for widget in stated["contributions"]["widgets"])
    for name in commands.values():
        module, attribute = name.split(":")
        source = Path(clearer.napari.__file__).with_name(f"{module.rpartition('.')[2]}.py").read_text()
        assert re.search(rf"^(class|def) {attribute}\b", source, re.MULTILINE)
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'clearer = "clearer.napari:napari.yaml"' in project and stated["name"] == "clearer"
    assert importlib.metadata.version(stated["name"])


def test_npe2_takes_the_manifest() -> None:
    npe2 = pytest.importorskip("npe2", reason="needs npe2; pip install 'clearer[napari]'")
    found = npe2.PluginManifest.from_file(MANIFEST)
    found.validate_imports() if pytest.importorskip("napari", reason="needs napari") else None
    assert found.contributions.widgets[0].display_name == "Restore"
