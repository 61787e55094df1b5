"""Published denoisers as METHODS for `--also`: DnCNN and FFDNet, as baselines.

    clearer reproduce tables --also benchmarks/studies/baselines.py --bsd500 bsds500/test

DnCNN (Zhang et al., TIP 2017) has one network per noise level; FFDNet (Zhang et al., TIP 2018) is non-blind. Their
weights and ``peer.py``, the program that runs them, are not part of this repository. They are looked up in the
folder that the environment variable CLEARER_PEERS names, then in ``../shared/peers`` beside the repository.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import torch

from clearer.core.errors import UserError
from clearer.methods.base import ImageArray, Method

FOLDER = Path(os.environ.get("CLEARER_PEERS") or Path(__file__).parents[3] / "shared" / "peers").absolute()
SEEN = "its published training set contains BSD500's test images, so results on them are too good"


def program() -> Any:
    """Import and return ``peer.py`` of the folder."""
    path = FOLDER / "peer.py"
    spec = importlib.util.spec_from_file_location("peer", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"{path}: no such file; set CLEARER_PEERS to the folder with peer.py and the weights")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def method(name: str, weights: str, sigmas: tuple[float, float], noise: str) -> Method:
    """Return the baseline of ``FOLDER/weights.npz``; ``noise`` states the noise that it was trained on."""
    path = FOLDER / f"{weights}.npz"
    if not path.is_file():
        raise UserError(f"{path}: no such file; set CLEARER_PEERS to the folder with peer.py and the weights")
    layers = PEER.load(weights)
    half_size = weights.startswith("ffdnet")  # its convolutions see the four phases of the image
    network = PEER.ffdnet if half_size else PEER.dncnn

    def restore(image: ImageArray, sigma: float | None) -> ImageArray:
        x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            return network(layers, x, sigma)[0].permute(1, 2, 0).numpy()

    return Method(
        name=name,
        degradation="gaussian",
        restore=restore,
        channels=1,
        sigmas=sigmas,
        parameters=sum(weight.numel() + bias.numel() for weight, bias in layers),
        macs_per_pixel=sum(weight.numel() for weight, _ in layers) / (4 if half_size else 1),
        notes=f"published weights, trained on noise that was {noise}; {SEEN}",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        setup="cpu, fp32",
    )


PEER = program()
METHODS = [
    *(method("DnCNN", f"dncnn_gray_sigma{s}", (s, s), "not clipped") for s in (30, 50, 70)),
    method("FFDNet", "ffdnet_gray", (0, 75), "not clipped"),
    method("FFDNet (clip)", "ffdnet_gray_clip", (0, 75), "clipped"),
]
