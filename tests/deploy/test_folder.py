"""The exported folder: its examples give what clearer gives, and its card states what a program needs."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.deploy.folder import example_text, export_folder, use_lines, use_of
from clearer.deploy.model_name import model_name
from clearer.images.io import write_file
from clearer.images.types import ImageFile, ImagePage
from clearer.images.view import read_image
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command
from helpers.runtimes import PLACE, needs_cpp, needs_javascript

KINDS = {"gray": (1, "level"), "color": (3, "none")}
SIGMA = 31


def network(channels: int, condition: str) -> RestorationNetwork:
    """Return a network that changes an image by some levels."""
    torch.manual_seed(1)
    found = RestorationNetwork(
        Architecture.parse("P-F", channels=channels, width=4, condition=condition, residual=True, norm="none")
    )
    torch.nn.init.normal_(found.get_parameter("last.weight"), std=0.05)
    return found.eval()


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported folder as the command line writes it, with ``noisy.png`` and what `clearer.load` makes of it."""
    channels, condition = KINDS[request.param]
    place = tmp_path_factory.mktemp(request.param)
    save_weights(place / "net.safetensors", network(channels, condition), {"task": "denoise", "license": "MIT"})
    ended = command("export", place / "net.safetensors", "-o", place / "out", "--json")
    assert ended.status == 0, ended.err
    (place / "result.json").write_text(ended.out)
    noisy = np.random.default_rng(0).integers(0, 256, (37, 53, channels), np.uint8)
    image = Image.fromarray(noisy.squeeze())
    image.save(place / "noisy.png")
    image.save(place / ("noisy.pgm" if channels == 1 else "noisy.ppm"))
    level = {"level": SIGMA} if condition == "level" else {}
    restored = clearer.load(place / "net.safetensors", "cpu", "fp32").restore(image, **level)
    restored.save(place / "expected.png")
    return place


def sigma_of(folder: Path) -> list[str]:
    facts = json.loads((folder / "out" / "card.json").read_text())["use"]
    return [str(SIGMA)] if facts["takes_level"] else []


def assert_as_expected(folder: Path, restored: np.ndarray) -> None:
    """Check against `clearer.load`: equal but for rounding to the nearest of two levels."""
    expected, noisy = (np.asarray(Image.open(folder / name)).astype(int) for name in ("expected.png", "noisy.png"))
    assert restored.shape == expected.shape
    difference = np.abs(restored.astype(int) - expected)
    assert difference.max() <= 1 and difference.mean() < 0.01
    assert np.abs(noisy - expected).mean() > 1  # the network changes something


def run(folder: Path, *words: object, **more: object) -> None:
    done = subprocess.run([str(w) for w in words], cwd=folder / "out", capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_written_before_all_texts_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: object, **more: object) -> list[str]:
        raise KeyError("rows")

    save_weights(tmp_path / "net.safetensors", network(1, "none"), {"task": "denoise"})
    monkeypatch.setattr("clearer.deploy.folder.card_lines", fails)
    with pytest.raises(KeyError):
        export_folder(tmp_path / "net.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_card_with_parts_of_another_shape_is_exported(tmp_path: Path) -> None:
    stated = {"bf16": {"rms": 0.4}, "robustness": {"note": "x"}}
    save_weights(tmp_path / "net.safetensors", network(1, "none"), stated)
    ended = command("export", tmp_path / "net.safetensors", "-o", tmp_path / "out")
    assert ended.status == 0, ended.err
    assert json.loads((tmp_path / "out" / "card.json").read_text())["card"] == stated
    assert "## Robustness" not in (tmp_path / "out" / "README.md").read_text()


def test_names_are_not_cut_at_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.v2" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run.v2")
    for model, name in {
        "runs/v1.2": "v1.2", "runs/v1.2/": "v1.2", "a/net.v3.safetensors": "net.v3", "NET.ONNX": "NET", ".": "run.v2",
        "below/..": "run.v2", "denoise-gray@2026-11": "denoise-gray@2026-11", "/": "model",
    }.items():  # fmt: skip
        assert model_name(model) == name


@pytest.mark.parametrize("channels", [1, 3])
def test_the_python_example_says_what_is_wrong_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    architecture = network(channels, "level").architecture
    program = tmp_path / "restore.py"
    program.write_text(example_text("restore.py", use_of(architecture, ModelCard())), encoding="utf-8")
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("text")
    Image.new("L", (40, 30)).save(tmp_path / "cut.tif", save_all=True, append_images=[Image.new("L", (40, 30))] * 2)
    with tifffile.TiffFile(tmp_path / "cut.tif") as file:
        second = file.pages[1].offset
    (tmp_path / "cut.tif").write_bytes((tmp_path / "cut.tif").read_bytes()[: second + 2])
    monkeypatch.chdir(tmp_path)

    def said(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["restore.py", *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(program))
        assert "\n" not in str(ended.value.code)
        return str(ended.value.code)

    for words in (["a.png"], ["a.png", "b.png", "25", "c.png"]):
        assert said(*words) == "usage: python restore.py INPUT OUTPUT SIGMA"
    assert said("none.png", "b.png", "25") == "none.png: no such file; name an image"
    assert said(".", "b.png", "25").startswith(".: cannot be read as an image (")
    assert said("text.png", "b.png", "25").startswith("text.png: cannot be read as an image (")
    for torn in ("torn.png", "cut.tif"):
        assert said(torn, "b.png", "25").startswith(f"{torn}: damaged (")
        assert said(torn, "b.png", "25").endswith("); take another copy")
    for level in ("much", "-1", "nan"):
        assert said("a.png", "b.png", level) == f"SIGMA {level}: not a number from 0 to 255"
    assert said("a.png", "b.png", "25") == f"{tmp_path / 'model.onnx'}: no such file; it belongs beside restore.py"
    (tmp_path / "model.onnx").write_bytes(b"torn")
    loaded = said("a.png", "b.png", "25")
    assert loaded.startswith(f"{tmp_path / 'model.onnx'}: cannot be loaded (") and "; export the model again" in loaded
    session = SimpleNamespace(run=lambda names, inputs: 1 / 0)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda path: session)
    assert said("a.png", "b.png", "25").startswith("a.png: cannot be restored (division by zero); if memory was short")
    session = SimpleNamespace(run=lambda names, inputs: [inputs["image"]])
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda path: session)
    assert said("a.png", "none/b.png", "25").startswith("none/b.png: cannot be written (")
    assert said("a.png", "b.doc", "25").startswith("b.doc: cannot be written (")


@pytest.mark.slow
def test_the_python_example_restores(folder: Path) -> None:
    run(folder, sys.executable, "restore.py", "../noisy.png", "python.png", *sigma_of(folder))
    assert_as_expected(folder, np.asarray(Image.open(folder / "out" / "python.png")))


def test_the_program_of_the_readme_restores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", (folder / "out" / "README.md").read_text(), re.M | re.S)
    assert len([line for line in program.splitlines() if line and "import" not in line]) <= 10
    place = folder / "program"
    place.mkdir()
    shutil.copy(folder / "noisy.png", place)
    shutil.copy(folder / "out" / "model.onnx", place)
    monkeypatch.chdir(place)
    exec(program.replace("25 / 255", f"{SIGMA} / 255"), {})
    assert_as_expected(folder, np.asarray(Image.open(place / "restored.png")))


def write_gray_16(path: Path, levels: np.ndarray) -> None:
    """Write gray levels of 16 bits; a PGM file as other programs do."""
    if path.suffix == ".pgm":
        height, width = levels.shape
        path.write_bytes(b"P5\n%d %d\n65535\n" % (width, height) + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_the_python_example_keeps_16_bits_and_works_from_elsewhere(folder: Path, tmp_path: Path, suffix: str) -> None:
    noisy = np.random.default_rng(1).integers(0, 65536, (37, 53), np.uint16)
    write_gray_16(tmp_path / f"deep.{suffix}", noisy)
    sigma = sigma_of(folder)
    words = [sys.executable, str(folder / "out" / "restore.py"), f"deep.{suffix}", f"restored.{suffix}", *sigma]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    level = {"level": SIGMA} if sigma else {}
    expected = clearer.load(folder / "net.safetensors", "cpu", "fp32").restore(noisy, **level).astype(int)
    found = read_image(tmp_path / f"restored.{suffix}", 1, depth=None)
    assert found.dtype == np.uint16
    assert np.abs(found.squeeze().astype(int) - expected).max() <= 2  # of 65535: rounding of fp32
    assert np.abs(expected - noisy).mean() > 257


def write_refused(path: Path) -> None:
    """Write an image that is neither of 8 bits nor gray of 16 bits; its name says which."""
    color = np.random.default_rng(1).integers(0, 65536, (9, 12, 3), np.uint16)
    name, _, top = path.stem.partition("-")
    if top:
        levels = (color if name == "color" else color[..., 0]) % (int(top) + 1)
        magic = b"P6" if name == "color" else b"P5"
        path.write_bytes(magic + b"\n12 9\n%d\n" % int(top) + levels.astype(">u2").tobytes())
    elif name == "planar":
        tifffile.imwrite(path, np.moveaxis(color, -1, 0), photometric="rgb", planarconfig="separate")
    elif name == "color":
        format = {"png": "PNG", "ppm": "PPM", "tif": "TIFF"}[path.suffix[1:]]
        write_file(path, ImageFile(format, (ImagePage(color),)))
    else:
        tifffile.imwrite(path, color[..., 0].astype(np.float32 if name == "floats" else np.int32))


REFUSED_NAMES = [
    *("color.png", "color.ppm", "color.tif", "planar.tif", "floats.tif", "long.tif"),
    *("color-256.ppm", "color-1023.ppm", "color-4095.ppm", "gray-4095.pgm"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED_NAMES)
def test_the_python_example_refuses_what_pil_would_change(folder: Path, tmp_path: Path, name: str) -> None:
    write_refused(tmp_path / name)
    words = [sys.executable, "restore.py", str(tmp_path / name), str(tmp_path / "out.png"), *sigma_of(folder)]
    done = subprocess.run(words, cwd=folder / "out", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        f"{tmp_path / name}: neither 8 bits nor gray of 16 bits; use clearer restore\n",
    )
    assert not (tmp_path / "out.png").exists()


@pytest.mark.slow
def test_the_python_example_takes_a_tiff_whose_directory_is_at_any_place(folder: Path, tmp_path: Path) -> None:
    path, place = tmp_path / "noisy.tif", 655350
    Image.open(folder / "noisy.png").save(path, compression="tiff_lzw")
    data = path.read_bytes()
    start = int.from_bytes(data[4:8], "little")
    path.write_bytes(data[:4] + place.to_bytes(4, "little") + data[8:].ljust(place - 8, b"\0") + data[start:])
    assert "65535" in str(Image.open(path).tile)
    run(folder, sys.executable, "restore.py", path, tmp_path / "out.png", *sigma_of(folder))
    assert_as_expected(folder, np.asarray(Image.open(tmp_path / "out.png")))


@pytest.mark.slow
def test_the_python_example_says_that_it_restores_the_first_page(folder: Path, tmp_path: Path) -> None:
    page, path = Image.open(folder / "noisy.png"), tmp_path / "stack.tif"
    page.save(path, save_all=True, append_images=[Image.new(page.mode, page.size)] * 2)
    words = [sys.executable, "restore.py", str(path), str(tmp_path / "out.png"), *sigma_of(folder)]
    done = subprocess.run(words, cwd=folder / "out", capture_output=True, text=True)
    said = f"{path}: the first of 3 pages was restored; clearer restore takes all\n"
    assert (done.returncode, done.stderr) == (0, said)
    assert_as_expected(folder, np.asarray(Image.open(tmp_path / "out.png")))
    assert "several pages" in (folder / "out" / "README.md").read_text()


@pytest.mark.slow
def test_the_python_example_states_its_usage(folder: Path) -> None:
    words = [sys.executable, "restore.py", "../noisy.png"]
    done = subprocess.run(words, cwd=folder / "out", capture_output=True, text=True)
    level = " SIGMA" if sigma_of(folder) else ""
    assert (done.returncode, done.stderr) == (1, f"usage: python restore.py INPUT OUTPUT{level}\n")


@needs_cpp
@pytest.mark.slow
def test_the_cpp_example_compiles_and_restores(folder: Path) -> None:
    (command_line,) = re.findall(r"^// +(g\+\+ .*)$", (folder / "out" / "restore.cpp").read_text(), re.MULTILINE)
    assert command_line in (folder / "out" / "README.md").read_text()
    run(folder, *shlex.split(command_line.replace("ONNXRUNTIME", str(PLACE / "onnxruntime"))), "-Wall", "-Werror")
    suffix = next(folder.glob("noisy.p[gp]m")).suffix
    libraries = {**os.environ, "LD_LIBRARY_PATH": str(PLACE / "onnxruntime" / "lib")}
    run(folder, "./restore", f"../noisy{suffix}", f"cpp{suffix}", *sigma_of(folder), env=libraries)
    assert_as_expected(folder, np.asarray(Image.open(folder / "out" / f"cpp{suffix}")))
    program, sigma = folder / "out" / "restore", sigma_of(folder)
    elsewhere = [program, f"noisy{suffix}", f"elsewhere{suffix}", *sigma]
    assert subprocess.run(elsewhere, cwd=folder, env=libraries).returncode == 0
    assert (folder / f"elsewhere{suffix}").read_bytes() == (folder / "out" / f"cpp{suffix}").read_bytes()
    write_gray_16(folder / "deep.pgm", np.zeros((9, 12), np.uint16))
    refused = subprocess.run([program, "deep.pgm", "x.pgm", *sigma], cwd=folder, env=libraries, stderr=subprocess.PIPE)
    kind = suffix[1:].upper()
    text = f"deep.pgm: not a complete {kind} file of 8 bits without comments; convert it\n"
    assert (refused.returncode, refused.stderr.decode()) == (1, text)
    usage = subprocess.run([program, "deep.pgm"], cwd=folder, env=libraries, stderr=subprocess.PIPE)
    level = " SIGMA" if sigma else ""
    assert (usage.returncode, usage.stderr.decode()) == (2, f"usage: restore INPUT{suffix} OUTPUT{suffix}{level}\n")


STUB = """
#include <cstdint>
#include <exception>
#include <fstream>
#include <string>
#include <vector>
enum { OrtArenaAllocator, OrtMemTypeDefault };
namespace Ort {
struct Exception : std::exception {
    const char* text;
    explicit Exception(const char* text) : text(text) {}
    const char* what() const noexcept override { return text; }
};
struct Env {};
struct SessionOptions {};
struct RunOptions {};
struct MemoryInfo { static MemoryInfo CreateCpu(int, int) { return {}; } };
struct Value {
    float* values;
    template <class T> static Value CreateTensor(MemoryInfo&, T* values, size_t, const std::int64_t*, size_t) {
        return {values};
    }
    template <class T> const T* GetTensorData() const { return values; }
};
struct Session {
    std::string model;
    Session(Env&, const char* path, const SessionOptions&) {
        std::ifstream(path) >> model;
        if (model != "same" && model != "large") throw Exception("not\\na model");
    }
    std::vector<Value> Run(const RunOptions&, const char* const*, Value* inputs, size_t, const char* const*, size_t) {
        if (model == "large") throw Exception("no memory");
        return {inputs[0]};
    }
};
}
"""
"""What the C++ example uses of ONNX Runtime, with a network that changes nothing, or fails, as model.onnx states."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(("channels", "condition"), KINDS.values())
def test_the_cpp_example_says_what_is_wrong_in_one_line(tmp_path: Path, channels: int, condition: str) -> None:
    use = use_of(network(channels, condition).architecture, ModelCard())
    (tmp_path / "restore.cpp").write_text(example_text("restore.cpp", use))
    (tmp_path / "onnxruntime_cxx_api.h").write_text(STUB)
    built = ["g++", "-std=c++17", "-Wall", "-Werror", "restore.cpp", "-I", ".", "-o", "restore"]
    subprocess.run(built, cwd=tmp_path, check=True)
    kind, head = ("PGM", b"P5\n") if channels == 1 else ("PPM", b"P6\n")
    body, sigma = bytes(range(12 * channels)), ["25"] if use.takes_level else []
    (tmp_path / "a").write_bytes(head + b"4 3\n255\n" + body)
    refused = {"cut": b"4 4", "negative": b"-4 -3", "huge": b"4000000000 4000000000"}
    for name, size in refused.items():
        (tmp_path / name).write_bytes(head + size + b"\n255\n" + body)

    def said(*words: str) -> str:
        done = subprocess.run(["./restore", *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == (2 if done.stderr.startswith("usage") else 1 if done.stderr else 0)
        return done.stderr

    beside = "it belongs beside this program\n"
    assert said("a", "b", *sigma) == f"./model.onnx: cannot be loaded (not a model); {beside}"
    (tmp_path / "model.onnx").write_text("large")
    assert said("a", "b", *sigma).startswith("a: cannot be restored (no memory); if memory was short, ")
    assert not (tmp_path / "b").exists()
    (tmp_path / "model.onnx").write_text("same")
    assert said("a", "b", *sigma) == ""
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert said("none", "b", *sigma) == f"none: cannot be opened; name a {kind} file of 8 bits\n"
    for name in [*refused, "."]:
        text = f"{name}: not a complete {kind} file of 8 bits without comments; convert it\n"
        assert said(name, "b", *sigma) == text
    assert said("a", "none/b", *sigma) == "none/b: cannot be written; name a file in a folder that exists\n"
    assert said("a", "b", *sigma, "more").startswith("usage: restore INPUT.")
    for level in ("much", "-1", "256", "nan", "25x", "") if sigma else ():
        assert said("a", "b", level) == f"SIGMA {level}: not a number from 0 to 255\n"


NODE = """
import fs from "node:fs";
import * as ort from "onnxruntime-web";
import { restore } from "./restore.mjs";
const [width, height, ...sigma] = process.argv.slice(2).map(Number);
const session = await ort.InferenceSession.create("model.onnx");
const image = { data: new Uint8ClampedArray(fs.readFileSync("rgba.bin")), width, height };
fs.writeFileSync("node.bin", await restore(session, image, ...sigma));
process.exit(0);
"""


@needs_javascript
@pytest.mark.slow
def test_the_javascript_example_restores_in_node(folder: Path) -> None:
    out = folder / "out"
    rgba = np.asarray(Image.open(folder / "noisy.png").convert("RGB").convert("RGBA")).copy()
    rgba[::2, :, 3] = 77
    (out / "rgba.bin").write_bytes(rgba.tobytes())
    (out / "use.mjs").write_text(NODE)
    if not (out / "node_modules").exists():
        (out / "node_modules").symlink_to(PLACE / "node_modules")
    run(folder, "node", "use.mjs", rgba.shape[1], rgba.shape[0], *sigma_of(folder))
    found = np.frombuffer((out / "node.bin").read_bytes(), np.uint8).reshape(rgba.shape)
    assert np.array_equal(found[..., 3], rgba[..., 3])
    gray = np.asarray(Image.open(folder / "noisy.png")).ndim == 2
    assert_as_expected(folder, found[..., 0] if gray else found[..., :3])


REFUSED = """
import * as ort from "onnxruntime-web";
import { restore } from "./restore.mjs";
const session = await ort.InferenceSession.create("model.onnx");
const faults = [];
const bytes = new Uint8Array(24);
for (const [data, ...sigma] of [[new Uint16Array(24), 9], [new Uint8Array(18), 9], [bytes], [bytes, -1], [bytes, 256]])
  await restore(session, { data, width: 3, height: 2 }, ...sigma).catch((error) => faults.push(error.message));
console.log(faults.join("\\n"));
process.exit(0);
"""


@needs_javascript
@pytest.mark.slow
def test_the_javascript_example_refuses_other_depths_and_a_missing_level(folder: Path) -> None:
    out = folder / "out"
    (out / "refused.mjs").write_text(REFUSED)
    if not (out / "node_modules").exists():
        (out / "node_modules").symlink_to(PLACE / "node_modules")
    done = subprocess.run(["node", "refused.mjs"], cwd=out, capture_output=True, text=True)
    data = "data: not RGBA bytes of this size; give the ImageData of a canvas"
    level = "sigma: not a number from 0 to 255; give the noise level in gray levels"
    assert done.stdout.splitlines() == [data] * 2 + [level] * (3 if sigma_of(folder) else 0), done.stderr


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """The address of the exported folder, as ``python -m http.server`` serves it."""
    link = folder / "out" / "node_modules"
    if not link.exists():
        link.symlink_to(PLACE / "node_modules")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder / "out"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@needs_javascript
@pytest.mark.web
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium; make test-web installs it")
def test_the_page_of_the_example_restores_in_a_browser(folder: Path, served: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{served}/restore.html")
        if sigma_of(folder):
            page.fill("#sigma", str(SIGMA))
        page.wait_for_function("document.getElementById('file').onchange !== null")
        page.set_input_files("#file", folder / "noisy.png")
        page.wait_for_function("document.title === 'restored'")
        canvas = "const c = document.getElementById('canvas'); "
        data = page.evaluate(
            f"() => {{ {canvas} return [c.width, c.height, "
            "...c.getContext('2d').getImageData(0, 0, c.width, c.height).data] }"
        )
        browser.close()
    width, height, *values = data
    found = np.array(values, np.uint8).reshape(height, width, 4)
    gray = np.asarray(Image.open(folder / "noisy.png")).ndim == 2
    assert_as_expected(folder, found[..., 0] if gray else found[..., :3])


@needs_javascript
@pytest.mark.web
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium; make test-web installs it")
def test_the_page_of_the_example_says_what_is_wrong(folder: Path, served: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    (tmp_path / "torn.png").write_bytes((folder / "noisy.png").read_bytes()[:40])
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()

        def says(text: str) -> None:
            page.wait_for_function("text => document.getElementById('said').textContent.startsWith(text)", arg=text)

        page.goto(f"{served}/restore.html")
        says("Choose an image.")
        page.set_input_files("#file", tmp_path / "torn.png")
        says("torn.png: this browser cannot read it as an image; choose a JPEG or PNG file")
        page.set_input_files("#file", folder / "noisy.png")
        says("Restored.")
        pixels = "document.getElementById('canvas').toDataURL()"
        first = page.evaluate(pixels)
        if sigma_of(folder):
            for level, answer in (("", "noisy.png: sigma: not a number from 0 to 255"), ("75", "Restored.")):
                page.fill("#sigma", level)
                page.dispatch_event("#sigma", "change")
                says(answer)
            assert page.evaluate(pixels) != first
        page.route("**/model.onnx", lambda route: route.fulfill(status=404, body=""))
        page.goto(f"{served}/restore.html")
        says("model.onnx: cannot be loaded (")
        browser.close()


# the card


def test_the_card_states_what_a_program_needs(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())["folder"]
    assert set(result["files"]) <= {path.name for path in (folder / "out").iterdir()}
    stated, text = json.loads((folder / "out" / "card.json").read_text()), (folder / "out" / "README.md").read_text()
    use, loaded = stated["use"], clearer.load(folder / "out" / "model.onnx")
    assert stated["card"] == dict(loaded.card) and use["multiple"] == loaded.architecture.multiple == 4
    assert (use["channels"], use["takes_level"]) == (loaded.channels, loaded.architecture.takes_level)
    assert use["overlap"] <= use["radius"] and use["bytes_per_pixel"] > 0
    for fact in ("multiples? of 4", "0 black and 1 white", f"{use['radius']} pixels beyond", "Weights: MIT"):
        assert re.search(fact, text), fact
    assert ("`level`" in text) == use["takes_level"]


def test_no_mark_of_the_templates_is_left() -> None:
    for channels, condition in KINDS.values():
        use = use_of(Architecture.parse("P", channels=channels, condition=condition), ModelCard())
        for name in ("restore.py", "restore.cpp", "restore.mjs", "restore.html"):
            assert "@" not in example_text(name, use)


def test_levels_of_a_camera_are_stated() -> None:
    lines = use_lines(use_of(Architecture.parse("P"), ModelCard(range=[100, 4095])))
    assert "Levels 100 and 4095" in lines[0]


@pytest.mark.parametrize(("span", "deep"), [([100, 4095], "100, 4095"), ([0.1, 0.9], "0, 65535"), (None, "0, 65535")])
def test_the_python_example_takes_the_levels_of_16_bits_from_the_card(span: list[float] | None, deep: str) -> None:
    use = use_of(Architecture.parse("P"), ModelCard(range=span))
    assert f"black, white = ({deep}) if deep else (0, 255)" in example_text("restore.py", use)
    assert ("16 bits by 65535" in use_lines(use)[0]) == (deep == "0, 65535")


def test_tiles_as_the_card_describes_them_give_the_whole_image(folder: Path) -> None:
    use = json.loads((folder / "out" / "card.json").read_text())["use"]
    restorer = clearer.load(folder / "out" / "model.onnx")
    x = torch.rand(1, use["channels"], 61, 90, generator=torch.Generator().manual_seed(3))
    whole, tiled = restorer(x, level=9.0 if use["takes_level"] else None), torch.empty_like(x)
    step, reach = use["multiple"], use["radius"]
    for top in range(0, 61, 16):
        for left in range(0, 90, 16):
            first, start = ((max(0, at - reach) // step * step) for at in (top, left))
            seen = x[..., first : top + 16 + reach + step, start : left + 16 + reach + step]
            y = restorer(seen, level=9.0 if use["takes_level"] else None)
            tiled[..., top : top + 16, left : left + 16] = y[..., top - first :, left - start :][..., :16, :16]
    assert torch.allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize(("channels", "fault"), [(4, "1 or 3 channels, not 4"), (1, "a file, where a folder")])
def test_what_cannot_be_exported_as_a_folder_is_refused_in_one_line(channels: int, fault: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    restorer = clearer.Restorer(network(channels, "none"), device="cpu")
    with pytest.raises(UserError, match=fault) as raised:
        export_folder(restorer, tmp_path / ("there" if channels == 1 else "new"))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "new").exists()
