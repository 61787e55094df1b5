"""Export a model as a package of the BioImage Model Zoo: ONNX weights, a description, and tensors to test it with."""

from __future__ import annotations

import hashlib
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import yaml

from clearer.core.errors import UserError
from clearer.core.files import written_whole
from clearer.core.leftovers import temporary_folder
from clearer.core.version import __version__
from clearer.deploy.bioimage_samples import dtype_of, sample_files, span_of, subject, suffix_of
from clearer.deploy.export_options import OPSET
from clearer.deploy.folder import MODEL, README, readme, use_of
from clearer.deploy.model_name import model_name
from clearer.deploy.onnx import ExportedFile, export
from clearer.inference.onnx_network import INPUT, LEVEL, OUTPUT
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.zoo.card import ModelCard

FORMAT = "0.5.4"
"""Version of the description, rdf.yaml, which later versions of the zoo's tools read."""
SUFFIX = ".zip"
_GRAY, _RGB = 1, 3
_BEYOND = 64
"""Pixels by which the smallest image exceeds the halo."""
_VALIDATION = """
## Validation

`test_output.npy` is what PyTorch makes of `test_input.npy`, {subject}; `sample_input` and `sample_output` are the same
as images. `bioimageio test` compares the ONNX weights with it. The results above are measured on photographs, or on the
images that they name. Before you measure in restored images, check the intensities against a ground truth of your own.
"""
_NO_NAME = re.compile(r"[^\w\- ()]")
_PAPER = (
    "Y. Gou, B. Li, Z. Liu, S. Yang, X. Peng: "
    "CLEARER: Multi-Scale Neural Architecture Search for Image Restoration. NeurIPS 2020."
)
_PAPER_URL = "https://proceedings.neurips.cc/paper/2020"


class ExportedPackage(TypedDict):
    """The result of `export_bioimage`: the package, the names of its files, and the facts of its ONNX file."""

    path: str
    files: list[str]
    onnx: ExportedFile


def export_bioimage(model: str | Path | Restorer, path: str | Path, *, opset: int | None = None) -> ExportedPackage:
    """Write a model as a package of the BioImage Model Zoo.

    The package holds ``rdf.yaml``, the ONNX weights, ``README.md``, a cover, and a real image with the result for it,
    as test tensors and as sample images. The description states the axes, which sizes the network takes, how many
    pixels at the edge of a tile are to be dropped (halo), and how levels are scaled to [0, 1] and back: 0 to 255, or
    the levels that the card states. A network that takes the noise level has it as a second input, in the unit of the
    image.

    Args:
        model: a model's name, a weight file, a run folder, or a restorer.
        path: the ``.zip`` file to write.
        opset: see `clearer.export`.

    Raises:
        UserError: see `clearer.export`; or the network takes neither one channel nor three, or the name does not end in
            .zip.
    """
    path = Path(path)
    check_package_name(path)
    restorer = model if isinstance(model, Restorer) else load(model, "cpu", "fp32")
    architecture, card = restorer.architecture, restorer.card
    check_package(path, architecture)
    name = card.name or (path.stem if isinstance(model, Restorer) else model_name(model))
    with temporary_folder("bioimage") as folder:
        found = export(restorer, onnx=folder / MODEL, opset=opset)["onnx"]
        files = {MODEL: (folder / MODEL).read_bytes()}
    files |= sample_files(restorer, _least(architecture, card) + architecture.multiple)
    validation = _VALIDATION.format(subject=subject(card, architecture.channels))
    files[README] = (readme(name, architecture, card, found, examples=False) + validation).encode()
    stated = description(name, architecture, card, files[MODEL], opset or OPSET)
    files["rdf.yaml"] = yaml.safe_dump(stated, sort_keys=False, allow_unicode=True).encode()
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in files.items():
            archive.writestr(file, data)
    return {"path": str(path), "files": list(files), "onnx": {**found, "path": MODEL}}


def check_package_name(path: Path) -> None:
    """Raise a UserError if a package cannot have this name."""
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"--bioimageio {path}: the name must end in {SUFFIX}")
    if path.is_dir():
        raise UserError(f"--bioimageio {path}: a folder; name a file")


def check_package(path: Path, architecture: Architecture) -> None:
    """Raise a UserError if a network cannot be written as the package ``path``."""
    check_package_name(path)
    if architecture.channels not in (_GRAY, _RGB):
        raise UserError(f"--bioimageio {path}: for 1 or 3 channels, not {architecture.channels}; use --onnx FILE")


def description(name: str, architecture: Architecture, card: ModelCard, weights: bytes, opset: int) -> dict[str, Any]:
    """Return the content of ``rdf.yaml``.

    Args:
        name: of the model.
        architecture, card: its own.
        weights: the ONNX file.
        opset: the version of its operators.
    """
    low, high = span_of(card)
    text = (
        card.description or f"{card.task or 'restoration'} of {'gray' if architecture.channels == 1 else 'RGB'} images"
    )
    license = (card.license or "").split(" ")[0]
    return {
        "format_version": FORMAT,
        "type": "model",
        # The zoo takes names of 5 characters and more.
        "name": _NO_NAME.sub(" ", name if len(name) >= 5 else f"clearer {name}")[:128],
        "description": f"{text}. Levels {low:g} and {high:g} are black and white."[:1024],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "authors": [{"name": "The clearer authors"}],
        "cite": [{"text": _PAPER, "url": _PAPER_URL}],
        **({"license": license} if license else {}),
        "documentation": README,
        "covers": ["cover.png"],
        "tags": ["2d", "image-restoration", *(["denoising"] if card.task == "denoise" else []), "onnx", "clearer"],
        "inputs": _inputs(architecture, card),
        "outputs": [_output(architecture, card)],
        "weights": {"onnx": {"source": MODEL, "sha256": hashlib.sha256(weights).hexdigest(), "opset_version": opset}},
        "config": {
            "clearer": {
                "version": __version__,
                "architecture": str(architecture),
                "training_data": card.data or "not stated",
            }
        },
    }


def _halo(architecture: Architecture, card: ModelCard) -> int:
    """Return the pixels at the edge of a tile to be dropped: those of the overlap, in whole steps."""
    step = architecture.multiple
    return -(-use_of(architecture, card).overlap // step) * step


def _least(architecture: Architecture, card: ModelCard) -> int:
    step = architecture.multiple
    return 2 * _halo(architecture, card) + -(-_BEYOND // step) * step


def _channels(architecture: Architecture) -> dict[str, Any]:
    names = ["gray"] if architecture.channels == _GRAY else ["red", "green", "blue"]
    return {"type": "channel", "id": "channel", "channel_names": names}


def _inputs(architecture: Architecture, card: ModelCard) -> list[dict[str, Any]]:
    (low, high), batch = span_of(card), {"type": "batch"}
    size = {"min": _least(architecture, card), "step": architecture.multiple}
    image = {
        "id": INPUT,
        "description": f"The degraded image; level {low:g} is black and {high:g} is white.",
        "axes": [batch, _channels(architecture), *({"type": "space", "id": axis, "size": size} for axis in "yx")],
        "test_tensor": {"source": "test_input.npy"},
        "sample_tensor": {"source": f"sample_input{suffix_of(card)}"},
        "data": {"type": dtype_of(card), "range": [low, high]},
        "preprocessing": [
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
            {"id": "scale_linear", "kwargs": {"gain": 1 / (high - low), "offset": -low / (high - low)}},
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
        ],
    }
    if not architecture.takes_level:
        return [image]
    sides = [{"type": "space", "id": axis, "size": {"tensor_id": INPUT, "axis_id": axis}} for axis in "yx"]
    level = {
        "id": LEVEL,
        "description": "The standard deviation of the noise at each pixel, in the unit of the image.",
        "axes": [batch, {"type": "channel", "id": "channel", "channel_names": ["sigma"]}, *sides],
        "test_tensor": {"source": "test_level.npy"},
        "data": {"type": "float32", "range": [0.0, high - low]},
        "preprocessing": [{"id": "scale_linear", "kwargs": {"gain": 1 / (high - low), "offset": 0.0}}],
    }
    return [image, level]


def _output(architecture: Architecture, card: ModelCard) -> dict[str, Any]:
    (low, high), halo = span_of(card), _halo(architecture, card)
    sides = [
        {"type": "space", "id": axis, "size": {"tensor_id": INPUT, "axis_id": axis}, "halo": halo} for axis in "yx"
    ]
    return {
        "id": OUTPUT,
        "description": "The restored image, in the levels of the input.",
        "axes": [{"type": "batch"}, _channels(architecture), *sides],
        "test_tensor": {"source": "test_output.npy"},
        "sample_tensor": {"source": f"sample_output{suffix_of(card)}"},
        "data": {"type": "float32", "range": [low, high]},
        "postprocessing": [
            {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
            {"id": "scale_linear", "kwargs": {"gain": high - low, "offset": low}},
        ],
    }
