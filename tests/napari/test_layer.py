"""Layers restored plane by plane: each as `Restorer.restore` does, cancelled between planes, with nothing of napari."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import clearer.napari
from clearer.core.errors import UserError
from clearer.inference.restorer import Restorer
from clearer.napari.layer import Settings, Step, kept, restored_layer
from clearer.napari.levels import span_of
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
    planes = int(np.prod(shape[: -3 if rgb else -2]))
    count, first = (planes, 1) if dtype == "uint8" else (2 * planes, 0)  # others are looked at first
    assert [step[:2] for step in steps] == [(k, count) for k in range(first, count + 1)]
    found = steps[-1].pixels
    assert found is not None and steps[-1].notes == ()
    assert (found.shape, found.dtype) == (pixels.shape, pixels.dtype)
    for index in np.ndindex(*shape[: -3 if rgb else -2]):
        color = np.ascontiguousarray(pixels[index][..., :3]) if rgb else pixels[index]
        wanted = restorer.restore(color, strength=0.5)
        assert np.array_equal(found[index][..., :3] if rgb else found[index], wanted)
        assert not rgb or np.array_equal(found[index][..., 3], pixels[index][..., 3])


def stack(dtype: str, *means: float, noise: float = 10) -> np.ndarray:
    """Return a plane of noise around each mean."""
    drawn = np.random.default_rng(0).normal(0, noise, (len(means), 20, 30))
    return (np.array(means)[:, None, None] + drawn).astype(dtype)


def last(steps: Iterator[Step]) -> tuple[np.ndarray, tuple[str, ...]]:
    *_, step = steps
    assert step.pixels is not None and step.done == step.total
    return step.pixels, step.notes


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "float32", "float64", ">i2"])
@pytest.mark.parametrize("means", [(50, 2000), (2000, 50), (0, 2000)])
def test_every_plane_keeps_its_brightness(dtype: str, means: tuple[float, ...]) -> None:
    pixels = stack(dtype, *means)
    pixels[0] = pixels[0] if means[0] else 0  # an empty plane says nothing about the others
    found, notes = last(restored_layer(smear(), pixels, False, Settings()))
    assert np.abs(found.mean((1, 2)) - pixels.mean((1, 2))).max() < 2
    unchanged, _ = last(restored_layer(stand_in(), pixels, False, Settings()))
    assert np.array_equal(unchanged, pixels)
    kind = np.dtype(dtype).name
    (note,) = notes
    assert note.startswith(f"its {kind} ") and note.endswith("set others with Range LOW,HIGH")
    assert f" {pixels.min():.10g} and {pixels.max():.10g} are taken as black and white" in note


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint32", "int64"])
@pytest.mark.parametrize("most", [0, 1])
def test_layers_of_0_and_1_are_restored(dtype: str, most: int) -> None:
    """Such as masks; of these types, no range is no levels."""
    pixels = np.zeros((2, 8, 8), dtype)
    pixels[1, 2:5] = most
    found, _ = last(restored_layer(stand_in(), pixels, False, Settings()))
    assert found.dtype == pixels.dtype and np.array_equal(found, pixels)
    found, _ = last(restored_layer(stand_in(), pixels, False, Settings(span=(0, 1))))
    assert np.array_equal(found, pixels)


def test_the_levels_of_12_bits_are_noted_and_a_range_is_taken() -> None:
    pixels = stack("uint16", 400, 900, noise=60)
    restorer = stand_in(shift=0.1)  # brighter by a tenth of what is white
    (found, notes), most = last(restored_layer(restorer, pixels, False, Settings())), pixels.max()
    assert len(notes) == 1 and notes[0].startswith(
        f"its levels end at {most} of 65535, as of a camera of 12 bits: 0 is black and 4095 is white (Range 0,65535"
    )
    assert abs(float((found.astype(float) - pixels).mean()) - 409.5) < 1
    found, notes = last(restored_layer(restorer, pixels, False, Settings(span=(0, 65535))))
    assert notes == () and abs(float((found.astype(float) - pixels).mean()) - 6553.5) < 1


def test_a_range_that_values_leave_is_noted_and_one_far_below_them_refused_before_any_plane_is_restored() -> None:
    pixels = stack("int16", 50, 2000)
    _, notes = last(restored_layer(stand_in(), pixels, False, Settings(span=(0, 1500))))
    assert any("those beyond 0 and 1500 are clipped; set black and white with Range" in note for note in notes)
    seen = []
    with pytest.raises(UserError, match=r"^layer: its levels reach from .* state both with Range LOW,HIGH, such as "):
        for step in restored_layer(stand_in(), pixels, False, Settings(span=(0, 100))):
            seen.append(step.pixels)
    assert set(seen) == {None}


def test_levels_of_the_model_hold_for_all_planes() -> None:
    restorer = Restorer(stand_in(shift=0.1).network, device="cpu", card={"range": [0.0, 4095.0]})
    pixels = np.stack([np.zeros((8, 8)), np.full((8, 8), 2000.0)]).astype(np.float32)
    found, notes = last(restored_layer(restorer, pixels, False, Settings()))
    assert np.allclose(found, pixels + 409.5)  # also where the plane alone would pass for units of [0, 1]
    assert notes == ("levels 0 and 4095 are black and white, as in training (Range says otherwise)",)


def test_what_is_not_finite_is_refused_by_the_number_of_its_plane_before_any_is_restored() -> None:
    pixels = stack("float32", 0.4, 0.5, 0.6, noise=0.01)
    pixels[2, 3, 4] = np.nan
    with pytest.raises(UserError, match="plane 3 holds values that are not finite"):
        for step in restored_layer(stand_in(), pixels, False, Settings()):
            assert step.pixels is None
    with pytest.raises(UserError, match="of type complex64"):
        last(restored_layer(stand_in(), pixels.astype("complex64"), False, Settings()))


class Lazy:
    """An array that counts its reads, and cannot be read as a whole."""

    def __init__(self, dtype: str) -> None:
        self.shape, self.dtype, self.read = (5, 8, 8), np.dtype(dtype), 0

    def __getitem__(self, place: tuple[int, ...]) -> np.ndarray:
        self.read += 1
        return np.full((8, 8), place[0], self.dtype)


def test_planes_are_read_one_by_one_and_none_after_it_is_cancelled() -> None:
    data = Lazy("uint8")
    work = restored_layer(stand_in(), data, False, Settings())
    assert next(work)[:2] == (1, 5) and next(work)[:2] == (2, 5)
    work.close()
    assert data.read == 2
    data = Lazy("int16")
    work = restored_layer(stand_in(), data, False, Settings())
    assert [next(work).done for _ in range(8)] == [0, 1, 2, 3, 4, 5, 6, 7]  # five were looked at, two are restored
    work.close()
    assert data.read == 7


@pytest.mark.parametrize(("text", "span"), [("", None), (" ", None), ("0, 4095", (0, 4095)), ("-1,1", (-1, 1))])
def test_the_field_takes_two_numbers_or_none(text: str, span: tuple[float, float] | None) -> None:
    assert span_of(text) == span


@pytest.mark.parametrize("text", ["4095", "0,", "a,b", "1,0", "0,inf"])
def test_other_texts_in_the_field_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^[Rr]ange: .* two numbers"):
        span_of(text)


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
