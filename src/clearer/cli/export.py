"""The verb that gives a network to other runtimes: parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearer.cli.options import Json
from clearer.core.console import console_for_people, print_json, say


def add_verbs(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command("export")(export_model)


def export_model(
    model: Annotated[
        Path, typer.Argument(help="A model of 'clearer models', a weight file (.safetensors), or a run.")
    ],
    onnx: Annotated[Path | None, typer.Option(metavar="FILE.onnx", help="ONNX; 'clearer restore' runs it.")] = None,
    pt2: Annotated[
        Path | None,
        typer.Option(
            "--torch",
            metavar="FILE.pt2",
            help="For torch.export.load, which may unpickle: load such files only from people you trust. "
            "'clearer restore' does not.",
        ),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="ONNX in fp16; within one 8-bit level of fp32.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="ONNX in 8 bits; what it loses is measured.")] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For --int8: clean images, degraded as in training, or pairs."),
    ] = None,
    layout: Annotated[str, typer.Option(help="Of that folder: auto, clean, pairs or side-by-side.")] = "auto",
    as_json: Json = False,
) -> None:
    """Write a network for other runtimes, for images of any size. Each file is compared with PyTorch first."""
    from clearer.deploy.onnx import export

    result = export(model, onnx=onnx, pt2=pt2, half=half, int8=int8, calibrate=calibrate, layout=layout)
    console = console_for_people(as_json)
    for file in (result[kind] for kind in ("onnx", "pt2") if kind in result):
        sizes = ", ".join("x".join(map(str, size)) for size in file["sizes"])
        say(
            f"{file['path']}: {file['precision']}, {file['bytes'] / 1e6:.2f} MB; differs from PyTorch by at most "
            f"{file['largest_difference']:.1e} (batch x height x width {sizes})",
            console,
        )
        if "loss" in file:
            say(
                f"int8 loses {file['loss']:.2f} dB, at worst {file['worst_loss']:.2f}: {file['psnr']:.2f} for "
                f"{file['psnr_fp32']:.2f} dB on {file['held_out']} held-out image(s), input "
                f"{file['input_psnr']:.2f} dB; calibrated with {file['calibrated_with']}",
                console,
            )
    if as_json:
        print_json(result)
