"""Check the options of an export before any work."""

from __future__ import annotations

from pathlib import Path

from clearer.core.errors import UserError

OPSET = 18
"""Version of the ONNX operators by default; torch writes no earlier one."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What an ONNX file is written and verified with."""


def require(*packages: str) -> None:
    """Raise a UserError if a package of the ONNX export is missing."""
    import importlib.util

    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--onnx: {', '.join(missing)} is not installed; run pip install 'clearer[onnx]'")


def check_opset(opset: int, path: str | Path | None) -> None:
    """Raise a UserError if an ONNX file cannot have this opset, or none is written."""
    if path is None:
        raise UserError("--opset: only for ONNX files; name one with --onnx FILE.onnx")
    require("onnx")
    from onnx.defs import onnx_opset_version

    if not OPSET <= opset <= onnx_opset_version():
        raise UserError(
            f"--opset {opset}: not from {OPSET}, the least that torch writes, to {onnx_opset_version()}, "
            "the newest that the installed onnx knows"
        )


def check_layout(layout: str, calibrate: str | Path | None) -> None:
    """Raise a UserError if a layout is stated and there are no images that have it."""
    if layout != "auto" and calibrate is None:
        raise UserError(f"--layout {layout}: only for --calibrate; leave it out")


def check_options(
    onnx: str | Path | None, pt2: str | Path | None, half: bool, int8: bool, calibrate: str | Path | None
) -> None:
    """Raise a UserError if the options contradict each other."""
    if onnx is None and pt2 is None:
        raise UserError(
            "export: no file is named; add -o FOLDER, --onnx FILE.onnx, --torch FILE.pt2 or --bioimageio FILE.zip"
        )
    for option, path, suffix in (("--onnx", onnx, ".onnx"), ("--torch", pt2, ".pt2")):
        if path is not None and Path(path).suffix.lower() != suffix:
            raise UserError(f"{option} {path}: the name must end in {suffix}")
        if path is not None and Path(path).is_dir():
            raise UserError(f"{option} {path}: a folder; name a file")
    if half and int8:
        raise UserError("--half and --int8 are mutually exclusive; write two files")
    if (half or int8) and onnx is None:
        raise UserError(f"--{'half' if half else 'int8'}: only for ONNX files; name one with --onnx FILE.onnx")
    if int8 != (calibrate is not None):
        raise UserError("--int8, --calibrate: int8 needs a folder of images, and nothing else does; give both or none")
