"""Locate models: the names of pretrained models, and the weight file of a name or a path. Imports no torch."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from clearer.core.errors import UserError, nearest
from clearer.runs.layout import RunFolder
from clearer.zoo.names import REPOSITORY_MODELS, RESEARCH_MODELS, stored_name

MODELS_VARIABLE = "CLEARER_MODELS"
"""Environment variable that names a folder of further models: NAME/model.safetensors or NAME.safetensors."""

Source = Literal["package", "CLEARER_MODELS", "checkout"]


@dataclass(frozen=True)
class ModelFile:
    """A weight file that can be loaded by name.

    Attributes:
        name: the name that `clearer.load` takes.
        path: of the weight file.
        source: where it was found: in the installed package, in the folder that the environment variable
            CLEARER_MODELS names, or in the ``models`` folder of the checkout that the package runs from.
    """

    name: str
    path: Path
    source: Source


def find_models(*, strict: bool = True) -> dict[str, ModelFile]:
    """Return all models that can be loaded by name, sorted by name.

    Of models with the same name, the package's comes first, then that of CLEARER_MODELS, then the checkout's.

    Args:
        strict: refuse a CLEARER_MODELS that names no folder, instead of passing over it.

    Raises:
        UserError: CLEARER_MODELS does not name a folder.
    """
    package = Path(str(resources.files("clearer")))
    places: list[tuple[Source, Path | None]] = [
        ("package", package / "weights"),
        ("CLEARER_MODELS", _named_folder(strict)),
        ("checkout", _checkout_folder(package)),
    ]
    found: dict[str, ModelFile] = {}
    for source, folder in places:
        for name, path in _weight_files(folder).items() if folder is not None else ():
            found.setdefault(name, ModelFile(name, path, source))
    return dict(sorted(found.items()))


def _named_folder(strict: bool) -> Path | None:
    text = os.environ.get(MODELS_VARIABLE)
    if not text:
        return None
    folder = Path(text)
    with contextlib.suppress(RuntimeError):  # ~ where there is no home: no such folder
        folder = folder.expanduser()
    if not folder.is_dir():
        if not strict:
            return None
        raise UserError(f"{MODELS_VARIABLE}: {text}: no such folder; set it to a folder of models or unset it")
    return folder


def _checkout_folder(package: Path) -> Path | None:
    """Return the ``models`` folder of the checkout that holds ``package`` as ``src/clearer``, if it is one."""
    root = package.parent.parent
    is_checkout = package.parent.name == "src" and (root / "pyproject.toml").is_file()
    return root / "models" if is_checkout and (root / "models").is_dir() else None


def _weight_files(folder: Path) -> dict[str, Path]:
    nested = {run.name: RunFolder(run).weights for run in folder.iterdir()} if folder.is_dir() else {}
    return {name: path for name, path in nested.items() if path.is_file()} | {
        path.stem: path for path in folder.glob("*.safetensors")
    }


def is_model_name(text: str) -> bool:
    """Return whether a text is the name of a model, even if its weights are not on this machine."""
    name = stored_name(text)
    return _is_elsewhere(name) or name in find_models(strict=False)


def _is_elsewhere(name: str) -> bool:
    """Return whether a name is that of a model in the repository, outside the package."""
    return name in RESEARCH_MODELS or name in REPOSITORY_MODELS


def located(name_or_path: str | Path) -> Path:
    """Return the weight file (or exported file) of a name or a path.

    Args:
        name_or_path: a weight file; an exported file; a run folder, for its ``model.safetensors``; or the
            name of a model (see `find_models`, and `clearer.zoo.names` for the paper's). An existing file or run
            takes precedence over a model's name.

    Raises:
        UserError: there is no such file, run or model.

    >>> located("denoise-gray").name
    'denoise-gray.safetensors'
    """
    path, name = Path(name_or_path), stored_name(str(name_or_path))
    if path.is_file():
        return path
    run = RunFolder(path)
    if run.weights.is_file():
        return run.weights
    known = find_models(strict=False)
    if name in known and not run.is_run:  # a run without weights yet still takes precedence
        return known[name].path
    _named_folder(strict=True)
    if path.is_dir():
        raise UserError(f"{path}: the folder holds no {run.weights.name}; name a finished run or a weight file")
    if _is_elsewhere(name):
        raise UserError(
            f"{name}: not part of the installed package; get models/{name}/{run.weights.name} from the clearer "
            f"repository and give its path, or set {MODELS_VARIABLE} to the repository's models folder"
        )
    refuse_auto(name)
    near = nearest(name, known)
    raise UserError(
        f"{path}: no such weight file (.safetensors), run folder, or model of 'clearer models' exists{near}"
    )


def refuse_auto(name: str) -> None:
    """Refuse the word by which 'restore' chooses a model for each image, where one model is needed."""
    if name == "auto":
        raise UserError("auto: stands for a model chosen for each image, by 'clearer restore' alone; name a model")


def name_and_source(text: str) -> tuple[str, str]:
    """Split ``NAME=MODEL``. Without a name, a run folder or a file gives its own.

    A path that exists as written may contain an equals sign.

    >>> name_and_source("ours=denoise-gray"), name_and_source("denoise-gray")
    (('ours', 'denoise-gray'), ('denoise-gray', 'denoise-gray'))
    """
    name, equals, source = text.partition("=")
    if equals and name and source and not Path(text).exists():
        return name, source
    path = Path(text).absolute()
    # Weight files in run folders all have the same name: only the folder's name tells them apart.
    run = RunFolder(path.parent)
    inside_run = run.is_run and path == run.weights and path.is_file()
    if path.is_dir() or inside_run:
        return (path if path.is_dir() else path.parent).resolve().name, text
    return path.stem, text
