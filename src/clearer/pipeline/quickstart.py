"""quickstart: a first run on photographs that scikit-image ships."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.errors import UserError
from clearer.images.view import read_image, write_image
from clearer.pipeline.fit import Run, fit

# Photographs in scikit-image's wheel. The split is fixed, so that the result is repeatable.
PHOTOGRAPHS = {
    "train": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "moon.png",
        "motorcycle_left.png",
    ),
    "validation": ("coins.png", "rocket.jpg"),
    "test": ("chelsea.png", "coffee.png"),
}


def quickstart(
    out: str | Path = "runs/quickstart", overrides: dict[str, Any] | None = None, *, console: Console | None = None
) -> Run:
    """Write photographs into a folder beside ``out`` and fit the recipe ``quickstart`` on them.

    Args:
        out: the run folder.
        overrides: dotted key to value, as in `clearer.fit`.
        console: where progress is printed; by default standard error.

    Raises:
        UserError: scikit-image is not installed, or one of `clearer.fit`.
    """
    out = Path(out)
    photographs = out.with_name(out.name + "-photographs")
    write_photographs(photographs)
    folders = {f"data.{part}": str(photographs / part) for part in PHOTOGRAPHS}
    return fit("quickstart", out, {**folders, **(overrides or {})}, console=console)


def write_photographs(folder: Path) -> None:
    """Write the photographs, in gray, into ``folder``/train, validation and test; existing files are kept.

    Raises:
        UserError: scikit-image is not installed, or no longer ships them.
    """
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise UserError("quickstart: its photographs come with scikit-image; pip install 'clearer[quickstart]'")
    source = Path(found.origin).parent / "data"
    for part, names in PHOTOGRAPHS.items():
        for name in names:
            target = folder / part / f"{Path(name).stem}.png"
            if not target.exists():
                write_image(target, read_image(source / name, 1))
