"""Test tensors, sample images and cover of a BioImage Model Zoo package: a real image, degraded and restored."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from clearer.degradations.jpeg import Jpeg
from clearer.degradations.rain import Rain
from clearer.images.tensors import to_array
from clearer.inference.restorer import Restorer
from clearer.zoo.card import ModelCard

SIGMA = 0.1
"""Noise of the test image, in units of white."""
WHITE = 255.0
WHITE_16 = 65535.0
_GRAY = 1
_QUALITY = 20
_SUBJECTS = {
    "coffee.jpg": "a photograph of a cup of coffee by Rachel Michetti (CC0, from scikit-image)",
    "cell.jpg": "a phase image of a cell, made with qpformat (CC0, from scikit-image)",
}
_DEGRADED = {"dejpeg": f"compressed as JPEG of quality {_QUALITY}", "derain": "with computed rain"}


def span_of(card: ModelCard) -> tuple[float, float]:
    """Return the levels that are black and white."""
    return card.span or (0.0, WHITE)


def dtype_of(card: ModelCard) -> str:
    """Return the data type of images in these levels."""
    low, high = span_of(card)
    if not (low.is_integer() and high.is_integer()) or low < 0 or not 1 < high <= WHITE_16:
        return "float32"
    return "uint8" if high <= WHITE else "uint16"


def suffix_of(card: ModelCard) -> str:
    """Return the suffix of the sample images: PNG where it holds the levels, else TIFF."""
    return ".png" if dtype_of(card) == "uint8" else ".tif"


def subject(card: ModelCard, channels: int) -> str:
    """Return in words what the test image shows, with its license, and how it was degraded."""
    return f"{_SUBJECTS[_name(card, channels)]}, {_DEGRADED.get(card.task or '', f'with white noise of {SIGMA:.0%}')}"


def sample_files(restorer: Restorer, side: int) -> dict[str, bytes]:
    """Return the files: test tensors of input, output and noise level, sample images of both, and the cover.

    The noise level is there if the network takes one. Tensors are (1, C, side, side) in the levels of the card, the
    input in the data type of its images, the others float32.
    """
    card, (low, high) = restorer.card, span_of(restorer.card)
    degraded = low + _degraded(_clean(card, restorer.channels, side), card) * (high - low)
    stored = _stored(degraded, card)
    x = ((stored.astype(np.float32) - np.float32(low)) / np.float32(high - low))[None]
    level = SIGMA * WHITE if restorer.architecture.takes_level else None
    with torch.no_grad():
        y = restorer(torch.from_numpy(x), level=level).clamp(0, 1).numpy()
    restored = (y * (high - low) + low).astype(np.float32)
    suffix = suffix_of(card)
    found = {
        "test_input.npy": _npy(stored[None]),
        "test_output.npy": _npy(restored),
        f"sample_input{suffix}": _image(stored),
        f"sample_output{suffix}": _image(_stored(restored[0], card)),
        "cover.png": _cover(x[0], y[0]),
    }
    if level is not None:
        found["test_level.npy"] = _npy(np.full((1, 1, side, side), SIGMA * (high - low), np.float32))
    return found


def _name(card: ModelCard, channels: int) -> str:
    # Levels of a camera are those of a microscope.
    return "cell.jpg" if card.span is not None and channels == _GRAY else "coffee.jpg"


def _clean(card: ModelCard, channels: int, side: int) -> NDArray[np.uint8]:
    """Return the image, (side, side, C): its center, or with what is mirrored around it."""
    data = files("clearer.deploy").joinpath("samples", _name(card, channels)).read_bytes()
    with Image.open(io.BytesIO(data)) as opened:
        image = np.asarray(opened.convert("L" if channels == _GRAY else "RGB"))
    image = image.reshape(*image.shape[:2], channels)
    for axis in (0, 1):
        spare = image.shape[axis] - side
        if spare >= 0:
            image = image.take(range(spare // 2, spare // 2 + side), axis=axis)
        else:
            around = [(-spare // 2, -spare - -spare // 2) if k == axis else (0, 0) for k in range(3)]
            image = np.pad(image, around, mode="reflect")
    return image


def _degraded(clean: NDArray[np.uint8], card: ModelCard) -> NDArray[np.float64]:
    """Return what the model is to restore, (C, H, W) in units of white: the same on every machine."""
    kind = {"dejpeg": Jpeg(quality=_QUALITY), "derain": Rain()}.get(card.task or "")
    if kind is not None:
        return np.moveaxis(kind.degrade_image(clean, 0, 0), -1, 0).astype(np.float64)
    plain = np.moveaxis(clean, -1, 0) / WHITE
    return plain + np.random.default_rng(0).normal(0, SIGMA, plain.shape)


def _stored(values: NDArray[Any], card: ModelCard) -> NDArray[Any]:
    """Return levels in the data type of the images."""
    dtype, (low, high) = np.dtype(dtype_of(card)), span_of(card)
    return values.astype(dtype) if dtype.kind == "f" else np.rint(values).clip(low, high).astype(dtype)


def _npy(values: NDArray[Any]) -> bytes:
    data = io.BytesIO()
    np.save(data, np.ascontiguousarray(values), allow_pickle=False)
    return data.getvalue()


def _image(values: NDArray[Any]) -> bytes:
    """Return (C, H, W) as a file: 8 bits as PNG, others as TIFF."""
    data = io.BytesIO()
    if values.dtype == np.uint8:
        Image.fromarray(values[0] if len(values) == _GRAY else np.moveaxis(values, 0, -1)).save(data, "PNG")
    else:
        tifffile.imwrite(data, values.squeeze(), photometric="minisblack", compression="zlib")
    return data.getvalue()


def _cover(before: NDArray[np.float32], after: NDArray[np.float32]) -> bytes:
    """Return a PNG of the left half of an image before, and the right half after, both (C, H, W) in [0, 1]."""
    half = before.shape[2] // 2
    both = np.concatenate([before.clip(0, 1)[..., :half], after[..., half:]], 2)
    return _image(np.rint(WHITE * np.moveaxis(to_array(torch.from_numpy(both)), -1, 0)).astype(np.uint8))
