"""Tiny sound videos, weight files, ONNX files, recipes, runs and checkpoints."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers.recipes import TINY

VIDEOS: dict[str, tuple[str, str]] = {
    "h264.mp4": ("libx264", "yuv420p"),
    "hevc.mp4": ("libx265", "yuv420p10le"),
    "av1.mp4": ("libsvtav1", "yuv420p"),
    "prores.mov": ("prores_ks", "yuv422p10le"),
    "alpha.mov": ("qtrle", "argb"),
    "ffv1.mkv": ("ffv1", "yuv444p16le"),
    "vp9.webm": ("libvpx-vp9", "yuv420p"),
    "mjpeg.avi": ("mjpeg", "yuvj420p"),
    "huffyuv.avi": ("huffyuv", "rgb24"),
    "mpeg2.ts": ("mpeg2video", "yuv420p"),
    "mpeg1.mpg": ("mpeg1video", "yuv420p"),
    "flv.flv": ("flv", "yuv420p"),
    "wmv.wmv": ("wmv2", "yuv420p"),
    "y4m.y4m": ("wrapped_avframe", "yuv420p"),
}
"""Codec and pixel format of each video."""

RECIPE = "fuzz-recipe.yaml"
OVERRIDES: dict[str, Any] = {**TINY, "search.epochs": 2, "train.epochs": 3, "search.warmup_epochs": 1}


def write_videos(folder: Path) -> None:
    """Write the videos that this machine has encoders for."""
    from av.error import FFmpegError

    from helpers.videos import write_video

    for name, (codec, pix_fmt) in VIDEOS.items():
        size = (64, 64) if codec == "libsvtav1" else (32, 24)
        options = {"preset": "12", "svtav1-params": "lp=1"} if codec == "libsvtav1" else {"threads": "1"}
        with contextlib.suppress(FFmpegError, ValueError):
            write_video(folder / name, codec, pix_fmt, options, size=size, count=3, smooth=True)


def write_models(folder: Path) -> None:
    """Write sound models: a gray and a color one to restore with, and others to be damaged."""
    from clearer.deploy.onnx import export
    from helpers.networks import BLIND, NON_BLIND, write_model

    write_model(folder / "gray.safetensors", NON_BLIND, 1, "P-F")
    write_model(folder / "color.safetensors", BLIND, 3, "P-F")
    write_model(folder / "level.safetensors", BLIND, 1, "PF-FP", condition="level")
    for name in ("gray", "level"):
        export(folder / f"{name}.safetensors", onnx=folder / f"{name}.onnx")


def write_images(folder: Path, count: int = 6) -> None:
    """Write smooth gray images of 48x40 with details, all different."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[:40, :48]
    for k in range(count):
        waves = np.sin(x / (3 + k) + k) * np.cos(y / (2 + k)) * 90 + 120 + ((x // 6 + y // (5 + k)) % 2) * 40
        Image.fromarray(waves.clip(0, 255).astype(np.uint8)).save(folder / f"image{k}.png")


def write_run(folder: Path) -> None:
    """Write photos, a recipe and a finished run, whose stages have kept two checkpoints each."""
    import torch
    from rich.console import Console

    from clearer.pipeline.fit import fit
    from clearer.recipe.load import load_recipe

    torch.set_num_threads(1)
    photos = folder / "photos"
    write_images(photos)
    recipe = load_recipe("denoise-gray", {**OVERRIDES, "data.folder": "photos"})
    (folder / RECIPE).write_text(recipe.to_yaml())
    with contextlib.chdir(folder):
        fit(RECIPE, "run", console=Console(file=io.StringIO()))


def write_recipes(folder: Path) -> None:
    """Write shipped recipes of different kinds, and a noise level map."""
    from importlib import resources

    found = resources.files("clearer").joinpath("recipes").iterdir()
    shipped = sorted((one for one in found if one.is_file()), key=lambda one: one.name)
    for one in shipped:
        (folder / f"shipped-{one.name}").write_text(one.read_text())
    np.save(folder / "level.npy", np.full((12, 16), 20, np.float32))
