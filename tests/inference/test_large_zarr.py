"""OME-Zarr restored by blocks: the result of restoring each plane in memory, bounded memory, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from clearer.core.errors import UserError
from clearer.inference.large_zarr import restore_zarr
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.zoo.card import ModelCard
from helpers.command import clearer as command
from helpers.networks import BLIND, StandIn, plausible, smear, stand_in, write_model

zarr = pytest.importorskip("zarr", reason="needs zarr; pip install 'clearer[zarr]'")

from helpers.ome_zarr import means, read, write_image, write_labels  # noqa: E402

SHAPE = (2, 2, 3, 70, 90)


def pixels_of(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    return (values if dtype.startswith("float") else values * np.iinfo(dtype).max).astype(dtype)


def restored_planes(restorer: Restorer, pixels: np.ndarray, **how: Any) -> np.ndarray:
    """Return what `Restorer.restore` makes of each plane as a whole."""
    out = pixels.copy()
    for index in product(*map(range, pixels.shape[:-2])):
        out[index] = restorer.restore(pixels[index], tile="none", **how)
    return out


# the result


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("version", "chunks", "more"),
    [
        ("0.4", (1, 1, 1, 32, 32), {}),
        ("0.4", (2, 2, 2, 20, 90), {}),
        ("0.5", (1, 1, 2, 16, 48), {"shards": (1, 1, 4, 32, 96)}),
        ("0.2", SHAPE, {"filters": None}),
    ],
)
def test_blocks_give_what_whole_planes_give(
    version: str, chunks: tuple[int, ...], more: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    pixels, restorer = pixels_of(SHAPE, dtype), smear()
    source = write_image(tmp_path / "in.zarr", pixels, version=version, chunks=chunks, **more)
    steps: list[tuple[int, int]] = []
    restore_zarr(
        restorer, source, tmp_path / "out.zarr", RestoreOptions(tile=24), progress=lambda *at: steps.append(at)
    )
    found, wanted = read(tmp_path / "out.zarr"), restored_planes(restorer, pixels)
    assert np.array_equal(found, wanted) if dtype != "float32" else np.allclose(found, wanted, rtol=0, atol=1e-6)
    total = steps[-1][1]
    assert steps == [(k, total) for k in range(1, total + 1)]


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_network_sees_the_same_around_every_block(
    ensemble: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearer.inference.zarr_blocks.BLOCK_BYTES", 40 * 40)
    architecture = Architecture.parse("P-F", width=2, residual=True, norm="none")
    restorer = Restorer(plausible(architecture), device="cpu", precision="fp32")
    pixels = pixels_of((101, 77), "float32")
    source = write_image(tmp_path / "in.zarr", pixels, "yx", chunks=(20, 20))
    restore_zarr(restorer, source, tmp_path / "out.zarr", RestoreOptions(overlap="full", ensemble=ensemble))
    whole = restorer.restore(pixels, ensemble, tile="none")
    assert np.abs(read(tmp_path / "out.zarr") - whole).max() < 1e-5


def test_the_noise_level_is_that_of_the_whole_plane(tmp_path: Path) -> None:
    from clearer.inference.restorer import load

    restorer = load(write_model(tmp_path / "m.safetensors", condition="level"), "cpu", "fp32")
    pixels = np.clip(120 + pixels_of((2, 90, 80), "float32", 1) * np.array([9, 90])[:, None, None], 0, 255)
    pixels = pixels.astype(np.uint8)
    source = write_image(tmp_path / "in.zarr", pixels, "tyx", chunks=(1, 32, 32))
    for name, level in (("estimated", None), ("given", 20.0)):
        restore_zarr(restorer, source, tmp_path / name, RestoreOptions(overlap="full", tile=32, sigma=level))
        assert np.abs(read(tmp_path / name).astype(int) - restored_planes(restorer, pixels, level=level)).max() <= 1
    assert not np.array_equal(read(tmp_path / "estimated"), read(tmp_path / "given"))


class Swap(StandIn):
    """Swaps the colors of x: red becomes green, green blue, and blue red."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(1, 1)


RGB = {"channels": [{"color": color} for color in ("FF0000", "00ff00", "0000FF")]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("axes", "chunks"), [("cyx", (1, 20, 30)), ("tcyx", (1, 2, 20, 90)), ("czyx", (3, 2, 70, 20))])
def test_a_color_model_restores_rgb_as_rgb(version: str, axes: str, chunks: tuple[int, ...], tmp_path: Path) -> None:
    pixels = pixels_of(tuple({"t": 2, "c": 3, "z": 2, "y": 70, "x": 90}[axis] for axis in axes), "uint8")
    source = write_image(tmp_path / "a.zarr", pixels, axes, version, chunks, 2, means, omero=RGB)
    swap, notes = Restorer(Swap(3), device="cpu", precision="fp32"), []  # type: ignore[arg-type,var-annotated]
    restore_zarr(swap, source, tmp_path / "b.zarr", RestoreOptions(tile=24), say=notes.append)
    found = read(tmp_path / "b.zarr")
    assert np.array_equal(found, np.roll(pixels, 1, axes.index("c")))
    assert np.array_equal(read(tmp_path / "b.zarr", 1), means(found))
    assert len(notes) == 1 and "restored together as RGB" in notes[0]
    # What it does not know to be RGB is restored channel by channel: the mean of three equal colors.
    plain = write_image(tmp_path / "c.zarr", pixels, axes, version, chunks)
    deep = write_image(tmp_path / "d.zarr", pixels.astype(np.uint16), axes, version, chunks, omero=RGB)
    for place, options in ((plain, None), (deep, None), (source, RestoreOptions(bands=(1, 2, 3)))):
        restore_zarr(swap, place, tmp_path / "b.zarr", options)
        assert np.array_equal(read(tmp_path / "b.zarr"), pixels)


def test_rgb_is_restored_as_in_memory(tmp_path: Path) -> None:
    from clearer.inference.restorer import load

    path = write_model(tmp_path / "m.safetensors", BLIND, channels=3, condition="level")
    pixels = np.clip(120 + pixels_of((3, 90, 80), "float32", 1) * 60, 0, 255).astype(np.uint8)
    source = write_image(tmp_path / "a.zarr", pixels, "cyx", chunks=(1, 32, 32), omero=RGB)
    restorer = load(path, "cpu", "fp32")
    restore_zarr(restorer, source, tmp_path / "b.zarr", RestoreOptions(overlap="full", tile=32))
    whole = restorer.restore(pixels.transpose(1, 2, 0), tile="none").transpose(2, 0, 1)
    assert not np.array_equal(whole, pixels) and np.abs(read(tmp_path / "b.zarr").astype(int) - whole).max() <= 1


def test_pixels_without_a_value_stay(tmp_path: Path) -> None:
    pixels = pixels_of((90, 100), "float32")
    pixels[10:80, 20:25] = np.nan
    source = write_image(tmp_path / "in.zarr", pixels, "yx", chunks=(30, 30))
    restore_zarr(smear(), source, tmp_path / "out.zarr", RestoreOptions(tile=30))
    found = read(tmp_path / "out.zarr")
    assert np.array_equal(np.isnan(found), np.isnan(pixels)) and not np.array_equal(found, pixels, equal_nan=True)


def test_big_endian_and_signed_integers_keep_their_type(tmp_path: Path) -> None:
    for dtype in (">u2", "<i2", "<u4", "<f8"):
        pixels = (pixels_of((40, 50), "float64") * 3000 - (500 if dtype == "<i2" else 0)).astype(dtype)
        pixels = pixels / 3000 if dtype == "<f8" else pixels
        source = write_image(tmp_path / f"{dtype[1:]}.zarr", pixels.astype(dtype), "yx")
        restore_zarr(stand_in(), source, tmp_path / "same.zarr")
        assert np.array_equal(read(tmp_path / "same.zarr"), pixels)
        assert (tmp_path / "same.zarr" / "0" / ".zarray").read_bytes() == (source / "0" / ".zarray").read_bytes()


# everything around


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_metadata_labels_and_unknown_files_stay_and_the_pyramid_is_made_anew(version: str, tmp_path: Path) -> None:
    source = write_image(
        tmp_path / "in.zarr", pixels_of(SHAPE), version=version, chunks=(1, 1, 1, 32, 32), levels=3, smaller=means
    )
    labels = write_labels(source, version)
    (source / "OME").mkdir()
    (source / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    notes: list[str] = []
    restore_zarr(smear(), source, tmp_path / "out.zarr", say=notes.append)
    out = tmp_path / "out.zarr"
    assert np.array_equal(read(out, 1), means(read(out))) and np.array_equal(read(out, 2), means(read(out, 1)))
    assert np.array_equal(read(out, "labels/nuclei/0"), labels)
    for path in source.rglob("*"):
        below = path.relative_to(source)
        assert (out / below).exists()
        if path.name.startswith(".z") or path.suffix in (".json", ".xml"):
            assert (out / below).read_bytes() == path.read_bytes(), below
    assert [note for note in notes if "labels" in note] == ["labels are copied as they are: labels/nuclei"]


def test_channels_that_are_not_chosen_stay_in_every_level(tmp_path: Path) -> None:
    pixels = pixels_of((3, 64, 64))
    source = write_image(
        tmp_path / "in.zarr", pixels, "cyx", levels=2, smaller=lambda x: means(x) ^ 1, chunks=(3, 64, 64)
    )
    ended = command("restore", write_model(tmp_path / "m.safetensors"), source, "-o", tmp_path / "o.zarr", "--bands", 2)
    assert ended.status == 0, ended.err
    before, after = ([read(place, level) for level in (0, 1)] for place in (source, tmp_path / "o.zarr"))
    for old, new in zip(before, after, strict=True):
        assert [np.array_equal(*pair) for pair in zip(old, new, strict=True)] == [True, False, True]
    ended = command("restore", tmp_path / "m.safetensors", source, "-o", tmp_path / "o.zarr", "--bands", 4)
    assert ended.status == 2 and "has no band 4" in ended.err


def test_the_levels_of_a_model_are_black_and_white(tmp_path: Path) -> None:
    network = StandIn(gain=0.5)
    restorer = Restorer(network, ModelCard(range=[0, 4095]), device="cpu")  # type: ignore[arg-type]
    source = write_image(tmp_path / "in.zarr", np.full((20, 20), 4000, np.uint16), "yx")
    restore_zarr(restorer, source, tmp_path / "out.zarr")
    assert np.abs(read(tmp_path / "out.zarr").astype(int) - 2000).max() <= 1


# the command line


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "m.safetensors")


def test_a_folder_of_images_may_hold_zarr_folders(model: Path, tmp_path: Path, photos: Path) -> None:
    images = tmp_path / "images"
    write_image(images / "deep" / "a.ome.zarr", pixels_of((40, 40)), "yx", levels=2)
    (images / "b.png").write_bytes(next(photos.iterdir()).read_bytes())
    for _ in range(2):  # the second time, the former output is replaced
        ended = command("restore", model, images, "-o", tmp_path / "out", "-r", "--json")
        assert ended.status == 0, ended.err
        assert sorted(ended.json["written"]) == [str(tmp_path / "out" / n) for n in ("b.png", "deep/a.ome.zarr")]
    assert read(tmp_path / "out" / "deep" / "a.ome.zarr").shape == (40, 40)
    found = command("restore", model, images / "deep" / "a.ome.zarr", "-o", tmp_path / "flat", "--json")
    assert found.json["written"] == [str(tmp_path / "flat" / "a.ome.zarr")]


REFUSED = {
    "to TIFF": (["a.zarr", "-o", "out.tif"], "restored to OME-Zarr only"),
    "another format": (["a.zarr", "-o", "out.zarr", "--format", "png"], "restored to OME-Zarr only"),
    "another depth": (["a.zarr", "-o", "out.zarr", "--depth", "8"], "OME-Zarr keeps its type, uint16"),
    "compared": (["a.zarr", "-o", "out.zarr", "--compare", "c.png"], "shows one image"),
    "onto itself": (["a.zarr", "-o", "a.zarr"], "a.zarr"),
    "into itself": (["a.zarr", "-o", "a.zarr/b.zarr"], "lies in it"),
    "onto a folder": (["a.zarr", "-o", "full.zarr/"], "no Zarr folder, so it is not replaced"),
    "to standard output": (["a.zarr", "-o", "-"], "OME-Zarr"),
    "a damaged chunk": (["broken.zarr", "-o", "out.zarr"], "a chunk cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_ends_in_one_line(
    name: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(Path("a.zarr"), pixels_of((40, 40)), "yx")
    write_image(Path("broken.zarr"), pixels_of((40, 40)), "yx")
    for chunk in Path("broken.zarr/0/0").iterdir():
        chunk.write_bytes(b"nothing")
    Path("full.zarr/a.zarr").mkdir(parents=True)
    Path("full.zarr/a.zarr/mine").write_text("kept")
    arguments, fault = REFUSED[name]
    ended = command("restore", model, *arguments)
    assert ended.status == 2 and fault in ended.err and ended.err.count("\n") == 1, ended.err
    assert not Path("out.zarr").exists() and Path("full.zarr/a.zarr/mine").exists()
    assert not list(Path().glob("*.tmp")) and np.array_equal(read(Path("a.zarr")), pixels_of((40, 40)))


def test_auto_asks_for_a_model(tmp_path: Path) -> None:
    source = write_image(tmp_path / "a.zarr", pixels_of((40, 40)), "yx")
    ended = command("restore", "auto", source, "-o", tmp_path / "b.zarr")
    assert ended.status == 2 and "name a model for OME-Zarr" in ended.err


def test_a_fault_in_the_middle_leaves_the_former_output(tmp_path: Path) -> None:
    source = write_image(tmp_path / "a.zarr", pixels_of((4, 40, 40)), "zyx", chunks=(1, 40, 40))
    restore_zarr(stand_in(), source, tmp_path / "b.zarr")

    def stop(done: int, of: int) -> None:
        if done == 3:
            raise UserError("a fault")

    with pytest.raises(UserError, match="a fault"):
        restore_zarr(smear(), source, tmp_path / "b.zarr", progress=stop)
    assert np.array_equal(read(tmp_path / "b.zarr"), read(source))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_a_network_that_fails_is_reported(tmp_path: Path) -> None:
    source = write_image(tmp_path / "a.zarr", pixels_of((40, 40)), "yx")
    with pytest.raises(UserError, match="nothing but black"):
        restore_zarr(stand_in(gain=0.0, shift=-1.0), source, tmp_path / "b.zarr")
    assert not (tmp_path / "b.zarr").exists()


def run_python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script that may import the helpers of the tests."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    call = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})


MEASURE = """
import resource, sys
import clearer.inference.large_zarr as large
import clearer.inference.zarr_blocks as blocks
from helpers.networks import smear
blocks.BLOCK_BYTES = 2**21
for name in sys.argv[1:3]:
    large.restore_zarr(smear(), name, sys.argv[3], large.RestoreOptions(tile=256, overlap=8))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts kibibytes, as Linux does")
def test_memory_does_not_grow_with_the_number_and_the_size_of_planes(tmp_path: Path) -> None:
    sizes = {"small": (1, 1024, 1024), "large": (16, 1024, 4096)}
    for name, shape in sizes.items():
        root = zarr.create_group(str(tmp_path / name), zarr_format=3)
        array = root.create_array("0", shape=shape, dtype="u2", chunks=(1, 256, 256), compressors=None)
        array[...] = np.broadcast_to(np.arange(shape[2], dtype=np.uint16), shape)
        axes, levels = [{"name": axis} for axis in "zyx"], [{"path": "0"}]
        root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    done = run_python(MEASURE, *(tmp_path / name for name in ("small", "large", "out.zarr")))
    small, large = map(int, done.stdout.split())
    assert read(tmp_path / "out.zarr").shape == sizes["large"]
    assert (large - small) * 1024 < np.prod(sizes["large"]) * 2 // 4  # 128 MiB of pixels
