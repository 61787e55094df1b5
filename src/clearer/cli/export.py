"""Verb that exports a model to other runtimes: export."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from clearer.cli.options import Json, Layout, model_names
from clearer.cli.verb import argument, option, verb
from clearer.core.console import console_for_people, print_json, say
from clearer.core.errors import UserError

LITTLE_LOSS = 0.05
"""Loss of int8 in dB up to which nothing is said against it."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of export."""

    model: Annotated[
        Path, argument("MODEL", "Name of a pretrained model, weight file or run folder.", complete=model_names)
    ]
    out: Annotated[
        Path | None,
        option(
            "Output",
            "Folder to write: the ONNX file, its card, and examples in Python, C++ and JavaScript.",
            "--out",
            "-o",
            metavar="FOLDER",
        ),
    ] = None
    onnx: Annotated[
        Path | None, option("Output", "ONNX file to write; 'clearer restore' runs it.", metavar="FILE.onnx")
    ] = None
    pt2: Annotated[
        Path | None,
        option(
            "Output",
            "torch.export file to write. torch.export.load may unpickle: load such files only from people you trust.",
            "--torch",
            metavar="FILE.pt2",
        ),
    ] = None
    demo: Annotated[
        Path | None,
        option(
            "Output",
            "Folder for a page that restores in the visitor's browser; any web server of files will do.",
            metavar="FOLDER",
        ),
    ] = None
    bioimageio: Annotated[
        Path | None,
        option("Output", "Package of the BioImage Model Zoo to write.", "--bioimageio", metavar="FILE.zip"),
    ] = None
    half: Annotated[bool, option("Output", "ONNX in fp16; differs from fp32 by at most 1 gray level.", "--half")] = (
        False
    )
    int8: Annotated[bool, option("Output", "ONNX in int8; reports the loss in dB.", "--int8")] = False
    opset: Annotated[
        int | None,
        option("Output", "Version of the ONNX operators, 18 or later (default: 18).", metavar="N"),
    ] = None
    calibrate: Annotated[
        Path | None,
        option(
            "Data", "Images that calibrate --int8: clean ones, degraded as in training, or pairs.", metavar="FOLDER"
        ),
    ] = None
    layout: Layout = "auto"
    runtime: Annotated[
        Path | None,
        option(
            "Data",
            "The npm package onnxruntime-web, copied into --demo (default: that of node_modules).",
            "--onnxruntime-web",
            metavar="FOLDER",
        ),
    ] = None
    as_json: Json = False


@verb(
    "export",
    "clearer export denoise-gray -o denoise",
    "clearer export denoise-gray --onnx denoise.onnx",
    "clearer export runs/mine --onnx mine.onnx --int8 --calibrate photos",
)
def export(options: ExportOptions) -> None:
    """Export a model to ONNX or torch.export, and verify it.

    The files take images of any size. Each is compared with PyTorch before it is kept.
    """
    from clearer.deploy.bioimage import export_bioimage
    from clearer.deploy.demo import write_demo
    from clearer.deploy.folder import export_folder
    from clearer.deploy.onnx import export as run_export

    o = options
    result: dict[str, Any] = {}
    how: dict[str, Any] = {
        "half": o.half,
        "int8": o.int8,
        "calibrate": o.calibrate,
        "layout": o.layout,
        "opset": o.opset,
    }
    _check(o)
    if o.out is not None:
        result["folder"] = export_folder(o.model, o.out, **how)
    if o.demo is not None:
        result["demo"] = dict(write_demo(o.model, o.demo, o.runtime))
    if o.bioimageio is not None:
        result["bioimageio"] = export_bioimage(o.model, o.bioimageio, opset=o.opset)
    if o.onnx is not None or o.pt2 is not None or not result:
        result |= run_export(o.model, onnx=o.onnx, pt2=o.pt2, **(how if o.onnx is not None or not result else {}))
    console = console_for_people(o.as_json)
    folder, package = result.get("folder"), result.get("bioimageio")
    for file in (folder and folder["onnx"], result.get("onnx"), result.get("pt2")):
        if file:
            _say_file(file, console)
    for several in (folder, package):
        if several:
            say(f"{several['path']}: {', '.join(several['files'])}", console)
    if o.demo is not None:
        say(f"{o.demo}: {result['demo']['bytes'] / 1e6:.1f} MB; for any web server, or try it here:", console)
        say(f"python -m http.server --directory {shlex.quote(str(o.demo))}, then open http://localhost:8000", console)
    if o.as_json:
        print_json(dict(result))


def _check(o: ExportOptions) -> None:
    """Check all options before the first file is written, so that none is left behind by another's fault."""
    from clearer.deploy.bioimage import check_package, check_package_name
    from clearer.deploy.demo import check_demo
    from clearer.deploy.export_options import PACKAGES, check_layout, check_opset, check_options, require
    from clearer.deploy.folder import MODEL, check_folder
    from clearer.deploy.onnx import network_of
    from clearer.deploy.quantize import check_calibration
    from clearer.inference.restorer import load

    onnx = o.onnx or (None if o.out is None else o.out / MODEL)
    if o.demo is None and o.runtime is not None:
        raise UserError(f"--onnxruntime-web {o.runtime}: only for a page; name its folder with --demo FOLDER")
    if o.demo is not None:
        if (o.half or o.int8 or o.opset is not None) and onnx is None:
            raise UserError("--half, --int8 and --opset: not for --demo, whose model is fp32; leave them out")
        check_demo(o.demo, o.runtime)
        of_page = (o.demo / MODEL).resolve()
        is_other = o.half or o.int8 or o.opset is not None
        if is_other and of_page in [path.resolve() for path in (o.out and o.out / MODEL, o.onnx) if path]:
            raise UserError(f"--demo {o.demo}: its {MODEL} is fp32, and another one is written there; name two folders")
    if o.bioimageio is not None:
        check_package_name(o.bioimageio)
        if (o.half or o.int8) and onnx is None:
            raise UserError("--half, --int8: not for --bioimageio, whose weights are fp32; leave them out")
    if onnx is not None or o.pt2 is not None or (o.demo is None and o.bioimageio is None):
        check_options(onnx, o.pt2, o.half, o.int8, o.calibrate)
    elif o.calibrate is not None:
        raise UserError(f"--calibrate {o.calibrate}: only for --int8, which needs it; leave it out")
    check_layout(o.layout, o.calibrate)
    if o.opset is not None:
        check_opset(o.opset, onnx or o.bioimageio)
    if onnx is not None or o.demo is not None or o.bioimageio is not None:
        require(*PACKAGES)
    restorer = load(o.model, "cpu", "fp32")
    network_of(restorer, o.model)
    if o.out is not None:
        check_folder(o.out, restorer.architecture)
    if o.bioimageio is not None:
        check_package(o.bioimageio, restorer.architecture)
    if o.calibrate is not None:
        check_calibration(o.calibrate, restorer.card, o.layout)


def _say_file(file: dict[str, Any], console: Any) -> None:
    """Say what was written, and how far it is from PyTorch."""
    sizes = ", ".join("x".join(map(str, size)) for size in file["sizes"])
    say(
        f"{file['path']}: {file['precision']}, {file['bytes'] / 1e6:.2f} MB; differs from PyTorch by at most "
        f"{file['largest_difference']:.1e} (batch x height x width {sizes})",
        console,
    )
    if "loss" in file:
        say(
            f"int8 {_lost(file['loss'])}, {_lost(file['worst_loss'])} on the worst image: {file['psnr']:.2f} for "
            f"{file['psnr_fp32']:.2f} dB on {file['held_out']} held-out image(s), input "
            f"{file['input_psnr']:.2f} dB; calibrated with {file['calibrated_with']}",
            console,
        )
        if file["loss"] > LITTLE_LOSS:
            say(f"int8 loses more than {LITTLE_LOSS} dB: where quality counts, export without --int8", console)


def _lost(decibels: float) -> str:
    """Return a loss in words; a negative one is a gain."""
    return f"loses {abs(decibels):.2f} dB" if round(decibels, 2) >= 0 else f"gains {-decibels:.2f} dB"
