"""A restoration method, of whatever kind, as tables and figures see it: name, degradation, function."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError, nearest
from clearer.evaluation.protocols import Protocol
from clearer.zoo.locate import located

ImageArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """Something that restores images.

    Args:
        name: for tables and captions. Methods that share one share a row, such as networks that were
            trained for one noise level each.
        degradation: what it is for: ``"gaussian"`` (white Gaussian noise) or ``"rain"``.
        restore: (H, W, C) float32 in [0, 1] but for the noise, and the noise level in 8-bit units (None
            where there is none) -> the same shape; values are clamped afterwards.
        channels: of the images it takes; None takes any.
        sigmas: the lowest and highest noise level it is meant for, or None for any.
        parameters: number of weights, where it has weights.
        macs_per_pixel: multiply-adds of its convolutions per pixel, where it has them.
        notes: what a reader of its figures has to know, a sentence or two; a footnote in tables.
        sha256: of the file that it was made of. What was measured before is measured again when it changes.
        setup: how it is run, such as device and precision; a change has the same effect.
    """

    name: str
    degradation: str
    restore: Callable[[ImageArray, float | None], ImageArray]
    channels: int | None = None
    sigmas: tuple[float, float] | None = None
    parameters: int | None = None
    macs_per_pixel: float | None = None
    notes: str = ""
    sha256: str = ""
    setup: str = ""

    def suits(self, protocol: Protocol) -> bool:
        """Whether the method is meant for what the protocol measures."""
        wanted = "rain" if protocol.sigma is None else "gaussian"
        if self.degradation != wanted or self.channels not in (None, protocol.channels):
            return False
        return protocol.sigma is None or self.sigmas is None or self.sigmas[0] <= protocol.sigma <= self.sigmas[1]


def method_of_model(
    path_or_name: str | Path, device: str = "auto", precision: str = "fp32", ensemble: bool = False
) -> Method:
    """Return a trained network as a method; what it is for comes from the card in its weight file.

    Args:
        path_or_name: as of `clearer.load`, or ``NAME=`` and that; without a name the method is called
            as its run folder, or as its file.
        device, precision: as of `clearer.load`.
        ensemble: restore by the x8 self-ensemble: eight times the multiply-adds; ``setup`` says so.

    Raises:
        UserError: as of `clearer.load`, or the card does not say what the network was trained for.
    """
    from clearer.inference.restorer import load
    from clearer.network.cost import macs_per_pixel, parameters

    name, source = named(str(path_or_name))
    restorer = load(source, device, precision)
    weights = located(source)
    degradation, sigmas, notes = _meant_for(restorer.card, source)

    def restore(image: ImageArray, sigma: float | None) -> ImageArray:
        x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]  # (1, C, H, W)
        restored: ImageArray = restorer(x, ensemble)[0].permute(1, 2, 0).numpy()
        return restored

    return Method(
        name=name,
        degradation=degradation,
        restore=restore,
        channels=restorer.architecture.channels,
        sigmas=sigmas,
        parameters=parameters(restorer.architecture),
        macs_per_pixel=macs_per_pixel(restorer.architecture) * (8 if ensemble else 1),
        notes=notes,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "",
        setup=f"{restorer.device}, {restorer.precision}{', x8 self-ensemble' if ensemble else ''}",
    )


def methods_from_file(path: str | Path) -> list[Method]:
    """Return the ``METHODS`` of a Python file: a list of `Method`, of a user's own or of other programs.

    The file is run. Methods without a ``sha256`` get the file's.

    Raises:
        UserError: there is no such file, it fails, or its METHODS is not a list of methods.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; name a Python file that defines METHODS, a list of Method")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    name = f"methods_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file; its name must end in .py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses of the file look there
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{path}: fails with {what}; mend it") from error
    found: Any = getattr(module, "METHODS", None)
    if not isinstance(found, list | tuple) or not found or not all(isinstance(method, Method) for method in found):
        raise UserError(
            f"{path}: METHODS is not a list of Method; make them with clearer.methods.base.Method(name, "
            "degradation, restore)"
        )
    return [method if method.sha256 else dataclasses.replace(method, sha256=digest) for method in found]


def choose(names: str) -> list[Method]:
    """Return classical methods by their names with commas between them, or ``all``, or ``none``.

    Raises:
        UserError: a name is not known, or a library is not installed.
    """
    from clearer.methods.classical import CLASSICAL

    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    if wanted in (["none"], ["all"]):
        wanted = list(CLASSICAL) if wanted == ["all"] else []
    for name in wanted:
        if name not in CLASSICAL:
            known = ", ".join(CLASSICAL)
            raise UserError(f"--classical: {name!r} is not known{nearest(name, CLASSICAL)}; known: {known}, all, none")
    return [CLASSICAL[name]() for name in dict.fromkeys(wanted)]


def as_restore(method: Method, sigma: float | None) -> Callable[[Tensor], Tensor]:
    """Return the method as `clearer.evaluation.evaluate.evaluate` wants it: (1, C, H, W) on the CPU -> the same.

    ``sigma`` is the noise level that it is told, in 8-bit units. The function raises UserError where the
    method does not keep the shape.
    """

    def restore(x: Tensor) -> Tensor:
        image = np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
        restored = np.asarray(method.restore(image, sigma), dtype=np.float32)
        if restored.shape != image.shape:
            raise UserError(f"{method.name}: its restore made {restored.shape} of {image.shape}; keep the shape")
        return torch.from_numpy(np.ascontiguousarray(restored.transpose(2, 0, 1)))[None]

    return restore


def named(text: str) -> tuple[str, str]:
    """Split ``NAME=PATH``; a path that exists as it stands may hold an equals sign."""
    name, equals, source = text.partition("=")
    if equals and name and source and not Path(text).exists():
        return name, source
    path = Path(text).absolute()
    # In a run folder every weight file has the same name: the folder's says more.
    inside_run = path.is_file() and path.name == "model.safetensors" and (path.parent / "recipe.yaml").is_file()
    if path.is_dir() or inside_run:
        return (path if path.is_dir() else path.parent).resolve().name, text
    return path.stem, text


def _meant_for(card: dict[str, Any], source: str) -> tuple[str, tuple[float, float] | None, str]:
    """Return the degradation, the noise levels and what is to be noted, from a weight file's card."""
    settings = card.get("degradation") or {}
    kind = settings.get("kind")
    if kind == "gaussian":
        levels = settings["sigma"]
        low, high = levels if isinstance(levels, list) else (levels, levels)
        noise = "clipped and floored to 8 bits" if settings.get("clip8") else "not clipped"
        span = f"sigma {low:g}" if low == high else f"sigma {low:g} to {high:g}"
        return "gaussian", (float(low), float(high)), f"trained on {span}, {noise}"
    if kind == "rain":
        return "rain", None, "trained on synthetic rain"
    if kind == "none":  # pairs: only the task says what is wrong with the degraded ones
        task = str(card.get("task", ""))
        return ("rain" if "rain" in task.lower() else task), None, ""
    raise UserError(f"{source}: its card does not say what it was trained for; train it anew with 'clearer train'")
