"""Options that several verbs share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearer.core.errors import UserError
from clearer.recipe.load import parse_override

if TYPE_CHECKING:
    from clearer.data.folders import Folders

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object last on stdout; all else goes to stderr.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting; repeatable.")]
Data = Annotated[str | None, typer.Option(metavar="FOLDER", help="The images; 'fit' splits them into three parts.")]
Clean = Annotated[str | None, typer.Option(metavar="FOLDER", help="The clean images of pairs in two folders.")]
Degraded = Annotated[str | None, typer.Option(metavar="FOLDER", help="The degraded images of such pairs.")]
Part = Annotated[str | None, typer.Option(metavar="FOLDER", help="The images of this part, where none is split.")]
Model = Annotated[
    Path, typer.Argument(help="A model of 'clearer models', a weight file (.safetensors), a run, or an .onnx file.")
]
Ensemble = Annotated[bool, typer.Option("--ensemble", help="Average over the eight flips and turns; takes 8x.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str, typer.Option(help="fp32, bf16 or auto.")]
Tile = Annotated[str, typer.Option(help="auto (by free memory), none (whole), or the side of tiles in pixels.")]
Overlap = Annotated[
    str, typer.Option(help="Of tiles, in pixels: auto (no visible difference), full (none at all), or a number.")
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs side by side (default: one a core, or one on a GPU).")]
RunFolder = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="The run folder, or runs/NAME.")]


def parsed(settings: list[str] | None) -> dict[str, Any]:
    return dict(parse_override(text) for text in settings or [])


def pairs_of(data: str | None, clean: str | None, degraded: str | None) -> dict[str, str] | None:
    if clean is None and degraded is None:
        return None
    if clean is None or degraded is None:
        raise UserError("--clean, --degraded: pairs in two folders need both of these options")
    if data is not None:
        raise UserError("--clean, --degraded: these name the images; leave out the other folder")
    return {"clean": clean, "degraded": degraded}


def images_of(data: str | None, clean: str | None, degraded: str | None) -> str | Folders:
    from clearer.data.folders import Folders

    pairs = pairs_of(data, clean, degraded)
    if pairs is None and data is None:
        raise UserError("images: none are named; give a folder, or --clean FOLDER and --degraded FOLDER")
    return Folders(**pairs) if pairs else str(data)
