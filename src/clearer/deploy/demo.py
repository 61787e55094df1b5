"""Write a static page that restores images in the browser with onnxruntime-web, and no server.

The page is the files of `demo_page`; beside them go the model (ONNX, fp32), its settings, and the files of
onnxruntime-web, which are copied from where the user has them.
"""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from typing import TypedDict

from clearer.core.errors import UserError
from clearer.core.files import paths_checked, write_json, write_text, written_whole
from clearer.deploy.model_name import model_name
from clearer.deploy.onnx import ExportedFile, export
from clearer.inference.memory import bytes_per_pixel
from clearer.inference.noise_level import raised_up_to
from clearer.inference.restorer import Restorer, load
from clearer.inference.tiling import as_overlap
from clearer.network.architecture import Architecture
from clearer.zoo.purpose import about

PAGE = (
    "index.html",
    "page.css",
    "page.js",
    "decode.js",
    "stored.js",
    "worker.js",
    "restore.js",
    "tiles.js",
    "transparent.js",
    "level.js",
    "white_level.js",
    "png.js",
)
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""Files of onnxruntime-web that run a model on the processor."""
LARGEST_PASS = 2**20
"""Pixels that one pass sees at most: the page shows progress after each."""
MEMORY = 2**29
"""Bytes that one pass may take: a browser gives a page 2 to 4 GB, on a telephone less."""
HEADERS = "/*\n  Cross-Origin-Opener-Policy: same-origin\n  Cross-Origin-Embedder-Policy: require-corp\n"
"""What lets the page use several threads, as some static hosts read it from a file ``_headers``."""


class Demo(TypedDict):
    """The result of `write_demo`: the folder, the exported model, and the bytes of all files."""

    path: str
    model: ExportedFile
    bytes: int


class Settings(TypedDict):
    """The file ``model.json``: what the page has to know about a model.

    Keys:
        name, about: of the model, as the page shows them.
        channels: of the images that the network takes.
        takes_level: whether it has the input ``level``.
        raised_up_to: gray levels up to which the estimate is raised for noise that is not white; None for never.
        overlap, multiple: of its tiles, see `clearer.inference.tiling`.
        pixels: that one pass sees at most.
    """

    name: str
    about: str
    channels: int
    takes_level: bool
    raised_up_to: float | None
    overlap: int
    multiple: int
    pixels: int


def write_demo(model: str | Path | Restorer, folder: str | Path, runtime: str | Path | None = None) -> Demo:
    """Write the page of a model into a folder.

    Args:
        model: a model's name, a weight file, a run folder, or a restorer.
        folder: for the page; files of the page in it are replaced, others stay.
        runtime: folder of the npm package onnxruntime-web; by default that of ``node_modules`` in the current folder
            or one above it.

    Raises:
        UserError: the runtime is not found, the folder cannot be written, or see `clearer.export`.
    """
    folder = Path(folder)
    found = check_demo(folder, runtime)
    restorer = model if isinstance(model, Restorer) else load(model, "cpu", "fp32")
    with paths_checked():
        (folder / "onnxruntime").mkdir(parents=True, exist_ok=True)
    name = restorer.name if isinstance(model, Restorer) else model_name(model)
    exported = export(restorer, onnx=folder / "model.onnx")["onnx"]
    write_json(folder / "model.json", settings_of(restorer, name))
    write_text(folder / "_headers", HEADERS)
    for file in PAGE:
        write_text(folder / file, (resources.files("clearer.deploy") / "demo_page" / file).read_text(encoding="utf-8"))
    for file in RUNTIME:
        _copy(found / file, folder / "onnxruntime" / file)
    written = [*PAGE, "model.onnx", "model.json", "_headers", *(f"onnxruntime/{file}" for file in RUNTIME)]
    return {"path": str(folder), "model": exported, "bytes": sum((folder / file).stat().st_size for file in written)}


def check_demo(folder: Path, runtime: str | Path | None = None) -> Path:
    """Return the folder with the files of onnxruntime-web; raise a UserError if the page cannot be written."""
    found = find_runtime(runtime)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--demo {folder}: not a folder; name another")
    return found


def _copy(source: Path, target: Path) -> None:
    """Copy a file, completely or not at all; one that is there already stays."""
    if target.exists() and target.samefile(source):
        return
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)


def settings_of(restorer: Restorer, name: str) -> Settings:
    """Return what the page has to know about a model."""
    architecture: Architecture = restorer.architecture
    return {
        "name": name,
        "about": about(architecture, restorer.card),
        "channels": architecture.channels,
        "takes_level": architecture.takes_level,
        "raised_up_to": raised_up_to(architecture, restorer.card) if architecture.takes_level else None,
        "overlap": as_overlap("auto", architecture),
        "multiple": architecture.multiple,
        "pixels": min(LARGEST_PASS, int(MEMORY / bytes_per_pixel(architecture))),
    }


def find_runtime(folder: str | Path | None = None, start: Path | None = None) -> Path:
    """Return the folder with the files of onnxruntime-web.

    Args:
        folder: of the npm package, or its ``dist``; None: searched for.
        start: where the search for ``node_modules`` begins; by default the current folder.

    Raises:
        UserError: there is none.
    """
    if folder is None:
        above = (start or Path.cwd()).resolve()
        places = [one / "node_modules" / "onnxruntime-web" for one in (above, *above.parents)]
    else:
        places = [Path(folder)]
    for place in places:
        for inside in (place / "dist", place):
            if all((inside / file).is_file() for file in RUNTIME):
                return inside
    if folder is None:
        raise UserError(
            "--demo: onnxruntime-web is not in node_modules here or above; run npm install onnxruntime-web, "
            "or name its folder with --onnxruntime-web FOLDER"
        )
    raise UserError(f"--onnxruntime-web {folder}: {RUNTIME[0]} and its wasm files are not there; name the npm package")
