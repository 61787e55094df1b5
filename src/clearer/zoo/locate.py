"""Models that come with the program, by name, and what a model's name or path stands for."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from clearer.core.errors import UserError, nearest
from clearer.runs.layout import RunFolder


def shipped_models() -> dict[str, Path]:
    """Return the weight files inside the package, by name."""
    folder = Path(str(resources.files("clearer") / "weights"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"), key=lambda path: path.stem)}


def located(name_or_path: str | Path) -> Path:
    """Return the weight file (or exported file) that a user means.

    Args:
        name_or_path: a weight file, an exported file, a run folder (its ``model.safetensors``), or the
            name of a shipped model. A file or a run that is there under a shipped name is taken.

    Raises:
        UserError: there is no such file, run or model.

    >>> located("denoise-gray").name
    'denoise-gray.safetensors'
    """
    path, shipped = Path(name_or_path), shipped_models()
    if path.is_file():
        return path
    run = RunFolder(path)
    if run.weights.is_file():
        return run.weights
    if str(name_or_path) in shipped and not run.is_run:  # a run that has no weights yet is not passed over
        return shipped[str(name_or_path)]
    if path.is_dir():
        raise UserError(f"{path}: the folder holds no {run.weights.name}; give a finished run or a weight file")
    near = nearest(str(name_or_path), shipped)
    raise UserError(
        f"{path}: no such weight file (.safetensors), run folder, or model of 'clearer models' exists{near}"
    )


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
