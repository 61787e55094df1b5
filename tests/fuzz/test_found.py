"""The faults that damaged files have shown, each as the kind it stands for."""

from __future__ import annotations

import io
import json
import os
import struct
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from clearer.core.errors import UserError
from clearer.images.io import read_file
from clearer.images.pixels import WHOLE, moved
from clearer.images.tiff.stack import stack_of
from clearer.inference.files import restore_path
from clearer.inference.large_tiff import is_large
from clearer.inference.noise_level import read_level
from clearer.inference.onnx_network import OnnxNetwork
from clearer.network.architecture import Architecture
from clearer.network.genotype import LARGEST
from clearer.pipeline import fit
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.load import load_recipe
from clearer.report.page import write_page
from clearer.runs.layout import RunFolder
from clearer.search import bilevel
from clearer.zoo.weight_metadata import read_architecture
from fuzz.image_seeds import chunk, exif, noise, saved
from fuzz.tiff_mutator import tiff_entries
from helpers.command import clearer as command
from helpers.networks import stand_in, write_model
from helpers.reading import refused
from helpers.synthetic_run import write_run
from helpers.uploads import tiff


def with_entry(data: bytes, tag: int, **new: int) -> bytes:
    """Return a little-endian TIFF where the entry of a tag has another ``code``, ``type``, ``count`` or ``value``."""
    made = bytearray(data)
    (at,) = [place for place in tiff_entries(data) if struct.unpack_from("<H", data, place)[0] == tag]
    for key, (shift, form) in {"code": (0, "<H"), "type": (2, "<H"), "count": (4, "<I"), "value": (8, "<I")}.items():
        if key in new:
            struct.pack_into(form, made, at + shift, new[key])
    return bytes(made)


@pytest.mark.parametrize("text", ["name: [", "a: 7\n", "- 1\n", "a: !!bool maybe\n", "{a: " * 2000, "\xff"])
def test_a_damaged_recipe_of_a_run_is_named(tmp_path: Path, text: str) -> None:
    run = RunFolder(tmp_path)
    run.recipe.write_bytes(text.encode("latin-1"))
    said = refused("recipe.yaml: damaged", refuse_other_recipe, run, load_recipe("quickstart"))
    assert "choose another folder" in said and len(said) < 500 and said.count(str(run.recipe)) == 1


@pytest.mark.parametrize("text", ["3.5", "[]", "null", "{", "[" * 5000])
def test_a_result_that_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    run = RunFolder(tmp_path)
    run.evaluation.mkdir()
    path = run.evaluation_result("gray-awgn-25")
    path.write_text(text)
    recipe: Any = SimpleNamespace(evaluate=SimpleNamespace(ensemble=False))
    nothing: Any = None
    refused("gray-awgn-25.json", fit._evaluate, "gray-awgn-25", recipe, run, nothing, nothing)


@pytest.mark.parametrize("value", [{}, {"architecture": ["P", "F"]}, {"architecture": 7}, {"architecture": "PX"}])
def test_a_search_that_states_no_architecture_is_named(tmp_path: Path, value: object) -> None:
    run = RunFolder(tmp_path)
    run.search.path.mkdir()
    run.search.result.write_text(json.dumps(value))
    context: Any = SimpleNamespace(folder=run)
    refused("architecture", bilevel.search, load_recipe("quickstart"), context)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 2**31}, "network.width"),
        ({"width": LARGEST["width"]}, "network.width"),  # of which deeper scales have a multiple
        ({"channels": 10**4000}, "network.channels"),
        ({"architecture": "P" * (LARGEST["modules_per_cell"] + 1)}, "network.modules_per_cell"),
        ({"architecture": "PX" * 5000}, "architecture"),
        ({"operations": ["a"] * 5000}, "operations"),
    ],
)
def test_networks_beyond_what_can_be_built_are_refused_at_once(fields: dict[str, Any], words: str) -> None:
    value = {**Architecture.parse("P-F", width=4).to_dict(), **fields}
    began = time.process_time()
    assert len(refused(words, Architecture.from_dict, value)) < 400
    assert time.process_time() - began < 1


def test_settings_in_messages_are_shortened(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("network: {scales: [" + "a, " * 5000 + "a]}\n")
    assert len(refused("network.scales", load_recipe, tmp_path / "x.yaml")) < 300


def array_file(header: str) -> bytes:
    body = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body + bytes(4 * 12)


@pytest.mark.parametrize(
    "data",
    [
        array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4"),
        array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4000000000), }"),
        array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }"),
        array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4), }"),
        array_file("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }"),
        array_file("[" * 50),
        b"",
        b"PK\3\4",
    ],
    ids=range(8),
)
def test_damaged_arrays_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "level.npy").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused("level.npy: not readable as an array", read_level, tmp_path / "level.npy")


def test_a_sound_array_is_a_copy_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "level.npy").write_bytes(array_file("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"))
    found = read_level(tmp_path / "level.npy")
    assert (
        isinstance(found, np.ndarray) and found.shape == (3, 4) and found.flags.writeable and type(found) is np.ndarray
    )


@pytest.mark.slow
def test_metadata_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    from clearer.deploy.onnx import export

    export(write_model(tmp_path / "x.safetensors"), onnx=tmp_path / "x.onnx")
    data = (tmp_path / "x.onnx").read_bytes()
    (tmp_path / "y.onnx").write_bytes(data.replace(b"clearer-onnx-1", b"clearer-onnx\x83\x84"))
    refused("y.onnx: damaged", OnnxNetwork, tmp_path / "y.onnx")


def test_warnings_of_pillow_are_not_printed(tmp_path: Path) -> None:
    """They would show a line of its source."""
    block = exif().tobytes()
    (tmp_path / "x.jpg").write_bytes(saved(noise(), "JPEG", exif=block).replace(block, block[:-20] + b"\xff" * 20))
    model = write_model(tmp_path / "m.safetensors")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        ended = command("restore", model, tmp_path / "x.jpg", "-o", tmp_path / "y.jpg", "-q")
    assert ended.status == 0 and "Warning" not in ended.err
    assert [one for one in seen if "PIL" in one.filename] == []


def test_a_tiff_by_rows_has_the_strips_that_its_size_needs(tmp_path: Path) -> None:
    """The number of strips that a height of 4,000 million needs was listed before anything else."""
    path = tmp_path / "x.tif"
    path.write_bytes(with_entry(tiff(noise(), photometric="rgb", metadata=None), 257, value=4 * 10**9))
    began = time.process_time()
    assert not is_large(path)
    refused("decompression bomb", restore_path, stand_in(3), path, tmp_path / "y.tif")
    assert time.process_time() - began < 2
    assert {p.name for p in tmp_path.iterdir()} == {"x.tif"}
    sound = tmp_path / "sound.tif"
    sound.write_bytes(tiff(noise(), photometric="rgb", metadata=None, rowsperstrip=5))
    assert is_large(sound, 12 * 16)


@pytest.mark.parametrize("kind", ["8 bits", "12 bits", "lossless"])
def test_a_jpeg_too_short_for_its_size_is_truncated(kind: str) -> None:
    """What is missing would be gray, and gigabytes of it."""
    deep = noise(channels=1, dtype="uint16")
    data = {
        "8 bits": lambda: saved(noise(channels=1), "JPEG"),
        "12 bits": lambda: imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12),
        "lossless": lambda: imagecodecs.ljpeg_encode(deep, bitspersample=16),
    }[kind]()
    at = next(data.index(bytes([255, marker])) for marker in (0xC0, 0xC1, 0xC3) if bytes([255, marker]) in data)
    short = data[: at + 5] + struct.pack(">HH", 9000, 9000) + data[at + 9 :]
    refused("truncated: .* bytes cannot hold 9000x9000 pixels", read_file, short)
    assert read_file(data).pages[0].color.shape == (12, 16, 1)
    black = io.BytesIO(saved(np.zeros((4000, 4000), np.uint8), "JPEG"))  # the shortest codes
    assert read_file(black.getvalue()).pages[0].color.shape == (4000, 4000, 1)


@pytest.mark.parametrize("kind", ["samples", "compression", "sample format"])
def test_a_file_that_cannot_be_read_back_is_not_written(tmp_path: Path, kind: str) -> None:
    """An entry of several numbers where one stands was copied, and the reader failed on the output."""
    keys: dict[str, Any] = {"metadata": None}
    if kind == "samples":
        data = with_entry(tiff(noise(channels=1) > 99, photometric="minisblack", **keys), 277, count=3)
        data = with_entry(data, 279, code=86, type=0)
    elif kind == "compression":
        colors = noise(3, 256, 1, "uint16")
        data = with_entry(tiff(noise(channels=1), photometric="palette", colormap=colors, **keys), 259, count=296)
    else:
        pixels = noise(channels=1, dtype="uint16").astype(np.int16)
        data = with_entry(tiff(pixels, photometric="minisblack", **keys), 339, count=8)
    (tmp_path / "x.tif").write_bytes(data)
    try:
        restore_path(stand_in(1), tmp_path / "x.tif", tmp_path / "y.tif")
    except UserError as error:
        assert "y.tif" in str(error) or "x.tif" in str(error)
        assert {p.name for p in tmp_path.iterdir()} == {"x.tif"}
    else:
        assert np.array_equal(read_file(tmp_path / "y.tif").pages[0].color, read_file(data).pages[0].color)


def test_a_pipe_in_a_folder_of_images_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    refused("a.tif: a device or a pipe", stack_of, tmp_path / "a.tif")


def test_a_card_with_numbers_that_are_not_finite_is_damaged(tmp_path: Path) -> None:
    data = write_model(tmp_path / "x.safetensors", {"task": "denoise", "validation_psnr": 31.25}).read_bytes()
    assert data.count(b"31.25") == 1
    (tmp_path / "x.safetensors").write_bytes(data.replace(b"31.25", b"1e999"))
    refused(
        "x.safetensors: damaged metadata .*1e999 is not a finite number", read_architecture, tmp_path / "x.safetensors"
    )


@pytest.mark.parametrize("weights", [[7], "text", {"a": 1}, [[[0.5, 0.5]], [["x"]]]])
def test_a_page_of_strange_values_is_refused(tmp_path: Path, weights: object) -> None:
    run = write_run(tmp_path / "run")
    (run / "search/metrics.jsonl").write_text(json.dumps({"epoch": 1, "loss": 1.0, "mixing_weights": weights}) + "\n")
    refused("metrics.jsonl: line 1 is damaged", write_page, run)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(("at", "new", "words"), [(8, "000f4240000000a0", "truncated"), (18, "01", "not known"),
                                                  (20, "02", "not known")])  # fmt: skip
def test_a_png_header_that_lies_is_refused(at: int, new: str, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    """libpng printed a warning of its own; a size that the data cannot fill took gigabytes."""
    data = imagecodecs.png_encode(noise(channels=4, dtype="uint16"))
    changed = bytes.fromhex(new)
    body = data[16:29][: at - 8] + changed + data[16:29][at - 8 + len(changed) :]
    refused(words, read_file, data[:8] + chunk(b"IHDR", body) + data[33:])
    assert capfd.readouterr() == ("", "")
    black = np.zeros((3000, 3000), np.uint8)
    assert read_file(saved(black, "PNG")).pages[0].color.shape == (3000, 3000, 1)


def without_entry(data: bytes, code: int) -> bytes:
    """Return a little-endian TIFF whose first entry of a tag has another number."""
    kinds = (struct.pack("<HH", code, kind) for kind in (3, 4))
    at = next(data.index(entry) for entry in kinds if entry in data)
    return data[:at] + struct.pack("<H", 60_000) + data[at + 2 :]


def test_a_page_without_width_is_not_passed_over(tmp_path: Path) -> None:
    """Its samples were copied, neither restored nor named, and the output could not be read."""
    tifffile.imwrite(tmp_path / "x.tif", noise(), metadata=None)
    tifffile.imwrite(tmp_path / "x.tif", noise(), metadata=None, append=True)
    data = (tmp_path / "x.tif").read_bytes()
    refused("page 1 holds samples but no width", read_file, without_entry(data, 256))


def test_a_unit_of_several_numbers_is_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", noise(), metadata=None, resolution=(72, 72), resolutionunit=2)
    data = bytearray((tmp_path / "x.tif").read_bytes())
    at = data.index(struct.pack("<HHI", 296, 3, 1))
    data[at + 4 : at + 8] = struct.pack("<I", 8)  # eight numbers, somewhere in the file
    assert read_file(bytes(data)).pages[0].color.shape[:2] == noise().shape[:2]


def test_a_signaling_nan_prints_no_warning() -> None:
    pixels = np.array([[[0x7C01]], [[0x3C00]]], np.uint16).view(np.float16)  # NaN that signals, and 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = moved(pixels, np.full((2, 1, 1), 0.5, np.float32), WHOLE)
    assert np.isnan(found[0]).all() and found[1] == 1.5


def test_a_number_too_large_for_a_float_is_refused() -> None:
    quality = {"data.degradation": {"kind": "jpeg", "quality": 10**400}}
    message = refused("quality: 1000.* is not", load_recipe, "denoise-gray", quality)
    assert len(message) < 400
