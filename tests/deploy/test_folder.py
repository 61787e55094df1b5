"""The exported folder: its examples give what clearer gives, and its card states what a program needs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.deploy.folder import example_text, export_folder, use_of
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


@pytest.fixture(scope="module", params=["gray", pytest.param("color", marks=needs_javascript)])
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


@pytest.mark.slow
def test_the_python_example_restores(folder: Path) -> None:
    run(folder, sys.executable, "restore.py", "../noisy.png", "python.png", *sigma_of(folder))
    assert_as_expected(folder, np.asarray(Image.open(folder / "out" / "python.png")))


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
    (out / "node_modules").symlink_to(PLACE / "node_modules")
    run(folder, "node", "use.mjs", rgba.shape[1], rgba.shape[0], *sigma_of(folder))
    found = np.frombuffer((out / "node.bin").read_bytes(), np.uint8).reshape(rgba.shape)
    assert np.array_equal(found[..., 3], rgba[..., 3])
    gray = np.asarray(Image.open(folder / "noisy.png")).ndim == 2
    assert_as_expected(folder, found[..., 0] if gray else found[..., :3])


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
    from clearer.deploy.folder import use_lines

    lines = use_lines(use_of(Architecture.parse("P"), ModelCard(range=[100, 4095])))
    assert "Levels 100 and 4095" in lines[0]


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
