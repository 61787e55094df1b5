"""Files of measured cameras: tone curves, and white balance with color matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from clearer.core.errors import UserError
from clearer.core.parse import parse_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clearer.degradations.camera.curves import TableCurve

# Linear sRGB to XYZ (IEC 61966-2-1).
_XYZ_OF_SRGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


@dataclass(frozen=True)
class CameraColors:
    """The colors of a camera in one light.

    Args:
        gains: of white balance, red, green, blue.
        matrices: balanced camera color to linear sRGB, (3, 3) each; rows sum to 1.
    """

    gains: tuple[float, float, float]
    matrices: tuple[npt.NDArray[np.float64], ...]


@lru_cache(maxsize=4)
def read_curves(path: str) -> tuple[TableCurve, ...]:
    """Return the tone curves of a file.

    A .npz file has arrays ``light`` and ``image``, (curves, points) from 0 to 1. A .mat file, such as that of the
    Database of Response Functions, has them as ``I`` and ``B``; reading it needs SciPy. A line of a .csv file is a
    curve: the values of the image at even steps of light.

    Raises:
        UserError: the file is not there or is not such a file, or a curve falls.
    """
    import numpy as np
    import torch

    from clearer.degradations.camera.curves import TableCurve

    try:
        light, image = (np.atleast_2d(np.ascontiguousarray(table, np.float32)) for table in _tables(path))
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise UserError(f"curves: {path}: {_one_line(error)}; give a .npz, .mat or .csv file of tone curves") from None
    if light.shape != image.shape or light.shape[1] < 2 or not np.isfinite(light).all() or not np.isfinite(image).all():
        raise UserError(f"curves: {path}: {light.shape} values of light, {image.shape} of images; give as many of both")
    for table in (light, image):
        if (np.diff(table, axis=1) < 0).any() or abs(table[:, 0]).max() > 1e-3 or abs(table[:, -1] - 1).max() > 1e-3:
            raise UserError(f"curves: {path}: a curve falls, or does not go from 0 to 1")
    rows = zip(torch.from_numpy(light), torch.from_numpy(image), strict=True)
    return tuple(TableCurve(*row) for row in rows)


@lru_cache(maxsize=4)
def read_cameras(path: str) -> tuple[CameraColors, ...]:
    """Return the cameras of a JSON file: every mapping in it that has ``AsShotNeutral`` and ``ColorMatrix1``, as DNG.

    Raises:
        UserError: the file is not there, is not JSON, or has no camera.
    """
    try:
        content = parse_json(Path(path).read_text(encoding="utf-8"))
        found = tuple(_colors(one) for one in _cameras(content))
    except (OSError, ValueError, TypeError, ArithmeticError) as error:
        raise UserError(f"cameras: {path}: {_one_line(error)}; give a .json file of cameras") from None
    if not found:
        raise UserError(f"cameras: {path}: no mapping with AsShotNeutral and ColorMatrix1 in it")
    return found


def _tables(path: str) -> tuple[Any, Any]:
    import numpy as np

    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["light"], arrays["image"]
    if suffix == ".mat":
        try:
            from scipy.io import loadmat
        except ModuleNotFoundError:
            raise ValueError("reading .mat needs SciPy: pip install scipy") from None
        try:
            arrays = loadmat(path)
        except OSError:
            raise
        except Exception as error:  # a damaged file, or one of a later kind: SciPy raises many
            raise ValueError(_one_line(error)) from error
        return arrays["I"], arrays["B"]
    image = np.loadtxt(path, delimiter=",", ndmin=2)
    return np.broadcast_to(np.linspace(0, 1, image.shape[1]), image.shape), image


def _cameras(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        if {"AsShotNeutral", "ColorMatrix1"} <= content.keys():
            yield content
        content = list(content.values())
    if isinstance(content, list):
        for inner in content:
            yield from _cameras(inner)


def _colors(camera: dict[str, Any]) -> CameraColors:
    import numpy as np

    red, green, blue = (float(value) for value in camera["AsShotNeutral"])
    matrices = []
    for name in ("ColorMatrix1", "ColorMatrix2"):
        if name in camera:
            to_camera = np.asarray(camera[name], np.float64).reshape(3, 3) @ np.asarray(_XYZ_OF_SRGB)
            # Balanced: white of one is white of the other.
            matrices.append(np.linalg.inv(to_camera / to_camera.sum(1, keepdims=True)))
    return CameraColors((green / red, 1.0, green / blue), tuple(matrices))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
