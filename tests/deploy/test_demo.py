"""The folder of the static page; tests/web/test_demo.py tests the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.deploy.demo import PAGE, RUNTIME, find_runtime, settings_of
from clearer.images.transparent import extended
from helpers.command import clearer as command
from helpers.networks import BLIND, write_model

SOURCE = Path(clearer.__file__).parent / "deploy" / "demo_page"


def runtime(folder: Path) -> Path:
    """Write a stand-in for the npm package: the page is not opened here."""
    for name in RUNTIME:
        (folder / "dist" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "dist" / name).write_text(f"stand-in for {name}")
    return folder


@pytest.mark.slow
def test_the_folder_holds_all_that_the_page_loads(tmp_path: Path) -> None:
    model = write_model(tmp_path / "net.safetensors", BLIND, channels=3, condition="level")
    package = runtime(tmp_path / "node_modules" / "onnxruntime-web")
    ended = command("export", model, "--demo", tmp_path / "page", "--onnxruntime-web", package, "--json")
    assert ended.status == 0, ended.err
    written = {str(path.relative_to(tmp_path / "page")) for path in (tmp_path / "page").rglob("*") if path.is_file()}
    assert written == {*PAGE, "_headers", "model.json", "model.onnx", *(f"onnxruntime/{name}" for name in RUNTIME)}
    loaded = {name for file in PAGE for name in re.findall(r'"(?:\./)?([\w/.-]+\.(?:m?js|css|json|onnx))"', text(file))}
    assert loaded <= written and {"worker.js", "model.onnx", "page.css"} <= loaded
    found = json.loads(ended.out)["demo"]
    assert found["bytes"] == sum(path.stat().st_size for path in (tmp_path / "page").rglob("*") if path.is_file())
    assert found["model"]["largest_difference"] < 1e-4
    assert "http" not in "".join(map(text, PAGE)).replace("http.server", "").replace("http://localhost:8000", "")


@pytest.mark.long
def test_a_page_is_written_anew_with_the_runtime_that_it_holds(tmp_path: Path) -> None:
    model = write_model(tmp_path / "net.safetensors", BLIND)
    package, page = runtime(tmp_path / "package"), tmp_path / "page"
    assert command("export", model, "--demo", page, "--onnxruntime-web", package).status == 0
    ended = command("export", model, "--demo", page, "--onnxruntime-web", page / "onnxruntime")
    assert ended.status == 0, ended.err
    assert (page / "onnxruntime" / RUNTIME[0]).read_text() == f"stand-in for {RUNTIME[0]}"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "onnxruntime").write_text("a file")
    ended = command("export", model, "--demo", tmp_path / "other", "--onnxruntime-web", package)
    assert ended.status == 2 and "onnxruntime: cannot be reached (File exists)" in ended.err
    assert ended.err.count("\n") == 1 and [path.name for path in (tmp_path / "other").iterdir()] == ["onnxruntime"]


def text(file: str) -> str:
    return (SOURCE / file).read_text(encoding="utf-8")


def test_the_settings_are_those_of_the_model(tmp_path: Path) -> None:
    restorer = clearer.load(write_model(tmp_path / "net.safetensors", BLIND), "cpu")
    found = settings_of(restorer, "net")
    assert found | {"overlap": 0} == {
        "name": "net", "about": "For gray images, noise of level 0 to 75.", "channels": 1, "takes_level": False,
        "raised_up_to": None, "overlap": 0, "multiple": 4, "pixels": 2**20,
    }  # fmt: skip


def test_the_runtime_is_found_above_or_named(tmp_path: Path) -> None:
    package = runtime(tmp_path / "node_modules" / "onnxruntime-web")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_runtime(None, tmp_path / "a" / "b") == package / "dist"
    assert find_runtime(package) == find_runtime(package / "dist") == package / "dist"
    with pytest.raises(UserError, match="name the npm package"):
        find_runtime(tmp_path)
    (package / "dist" / RUNTIME[-1]).unlink()
    with pytest.raises(UserError, match="run npm install onnxruntime-web"):
        find_runtime(None, tmp_path / "a" / "b")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--onnxruntime-web", "x"], "--onnxruntime-web x: only for a page"),
        (["--demo", "page", "--half"], "not for --demo"),
        (["--demo", "page", "--onnxruntime-web", "nowhere"], "--onnxruntime-web nowhere: ort.wasm.min.mjs"),
    ],
)
def test_contradictions_are_refused_before_any_work(options: list[str], said: str) -> None:
    ended = command("export", "denoise-gray", *options)
    assert ended.status != 0 and said in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize("others", [["-o", "page", "--half"], ["--onnx", "page/../page/model.onnx", "--opset", "19"]])
def test_another_model_is_not_written_over_that_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    package = runtime(tmp_path / "package")
    ended = command("export", "denoise-gray-fast", "--demo", "page", "--onnxruntime-web", package, *others)
    assert ended.status == 2 and ended.err.count("\n") == 1
    assert "--demo page: its model.onnx is fp32, and another one is written there; name two folders" in ended.err
    assert not (tmp_path / "page").exists()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_node_accepts_the_scripts(tmp_path: Path) -> None:
    scripts = [name for name in PAGE if name.endswith(".js")]
    assert {path.name for path in SOURCE.iterdir()} == set(PAGE)
    for name in scripts:
        module = tmp_path / f"{Path(name).stem}.mjs"
        module.write_text(text(name), encoding="utf-8")
        subprocess.run(["node", "--check", module], check=True, capture_output=True)


def in_node(folder: Path, program: str, *asked: object) -> object:
    """Run a program with the scripts of the page beside it, and return the JSON that it prints."""
    for name in PAGE:
        if name.endswith(".js"):
            (folder / name).write_text(text(name), encoding="utf-8")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "asked.json").write_text(json.dumps(asked))
    head = 'import { readFileSync } from "node:fs"; const asked = JSON.parse(readFileSync("asked.json"));'
    (folder / "program.js").write_text(head + program)
    ended = subprocess.run(["node", "program.js"], cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(ended.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_an_image_goes_on_under_transparent_pixels_as_in_python(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    images = [chance.integers(0, 256, (23, 31, 4), dtype=np.uint8) for _ in range(6)]
    for image, edge in zip(images, (0, 31, 30, 15, 4, 1), strict=True):
        image[:, edge:, 3] = 0
    images[3][chance.random((23, 31)) < 0.7, 3] = 0
    images[4][3:20, :, 3] = 0
    images[5][:22, :, 3] = 0
    program = """import { continued } from "./transparent.js";
        const found = asked[0].map((one) => [...continued(Uint8ClampedArray.from(one), 31, 23)]);
        console.log(JSON.stringify(found));"""
    found = in_node(tmp_path, program, [image.flatten().tolist() for image in images])
    for image, one in zip(images, found, strict=True):
        wanted = extended(image[..., :3].astype(np.float32), image[..., 3] > 0)
        continued = np.array(one).reshape(image.shape)
        assert np.array_equal(continued[..., :3], wanted) and np.array_equal(continued[..., 3], image[..., 3])


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_gray_files_are_told_from_gray_in_color_files(tmp_path: Path) -> None:
    wanted = {}
    for mode in ("L", "LA", "RGB", "RGBA", "P", "1"):
        Image.new(mode, (5, 4)).save(tmp_path / f"{mode}.png")
        wanted[f"{mode}.png"] = mode in ("L", "LA", "1")
    for mode in ("L", "RGB", "CMYK"):
        Image.new(mode, (5, 4)).save(tmp_path / f"{mode}.jpg", comment=b"x" * 300, progressive=mode == "L")
        wanted[f"{mode}.jpg"] = mode == "L"
    Image.new("RGB", (5, 4)).save(tmp_path / "a.webp")
    (tmp_path / "short.jpg").write_bytes((tmp_path / "L.jpg").read_bytes()[:30])
    wanted |= {"a.webp": False, "short.jpg": False}
    program = """import { storesGray } from "./stored.js";
        const gray = (name) => storesGray(new Blob([readFileSync(name)]));
        Promise.all(asked[0].map(gray)).then((found) => console.log(JSON.stringify(found)));"""
    assert dict(zip(wanted, in_node(tmp_path, program, list(wanted)), strict=True)) == wanted
