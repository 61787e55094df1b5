"""The denoisers that front.py compares: models of ours by name, FFDNet, DnCNN and BM3D."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent / "speed"))
from dncnn import DnCNN  # type: ignore[import-not-found, unused-ignore]
from ffdnet import FFDNet, published  # type: ignore[import-not-found, unused-ignore]

from clearer.experiments.published_networks import PUBLISHED
from clearer.inference.equal_channels import in_equal_channels
from clearer.inference.restorer import load
from clearer.methods.base import as_restore
from clearer.methods.bm3d import bm3d
from clearer.network.cost import macs_per_pixel
from clearer.zoo.locate import located, name_and_source
from clearer.zoo.weight_metadata import read_architecture

DNCNN_LEVELS = (30, 50, 70)
"""The noise levels of DnCNN's published weights at hand."""
ONE_LEVEL, BLIND, TOLD, TAKES = "one level", "blind", "told", "estimated"


@dataclass(frozen=True)
class Denoiser:
    """A denoiser and what identifies it.

    Attributes:
        name: of a model of ours in the table, or FFDNet, DnCNN or BM3D.
        kind: ``ours``, ``published`` or ``classical``.
        level: how it knows the noise level: told the true one, trained for it, estimated, or not at all (blind).
        digest: of its weights or program; figures of another digest are measured anew.
        macs_per_pixel: multiply-adds of its convolutions per pixel; None without any.
        source: what `clearer.load` takes for a model of ours.
    """

    name: str
    kind: str
    level: str
    digest: str
    macs_per_pixel: float | None = None
    source: str = ""


def denoisers(channels: int, names: Sequence[str], with_bm3d: bool) -> list[Denoiser]:
    """Return models of ours in the order given, then what they are compared with.

    Args:
        channels: of the images, 1 or 3.
        names: names, run folders or weight files, also as NAME=PATH.
        with_bm3d: whether BM3D is among them, if it is installed.

    Raises:
        UserError: there is no such model.
    """
    found = []
    for text in dict.fromkeys(names):
        name, source = name_and_source(text)
        path = located(source)
        architecture, _ = read_architecture(path)
        level = TAKES if architecture.takes_level else BLIND
        found.append(Denoiser(name, "ours", level, digest_of(path), macs_per_pixel(architecture), source))
    for network in reversed(PUBLISHED[channels]):
        if network.name == "FFDNet":
            weights, level = published("ffdnet_gray" if channels == 1 else "ffdnet_color"), TOLD
        elif channels == 1:
            weights, level = published("dncnn_gray_sigma50"), ONE_LEVEL
        else:
            continue
        digest = "" if weights is None else digest_of(weights)
        found.append(Denoiser(network.name, "published", level, digest, network.macs_per_pixel(channels)))
    if with_bm3d and importlib.util.find_spec("bm3d"):
        found.append(Denoiser("BM3D", "classical", TOLD, f"bm3d {version('bm3d')}"))
    return found


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def network_of(name: str, channels: int, sigma: float) -> nn.Module:
    """Return FFDNet or DnCNN as a function of the image alone, in fp32.

    Its weights are the published ones for the level, or initial ones where these are not there.
    """
    if name == "DnCNN":
        weights, made = published(f"dncnn_gray_sigma{sigma:g}"), DnCNN()
    else:
        weights, made = published("ffdnet_gray" if channels == 1 else "ffdnet_color"), FFDNet(channels)
    if weights is not None:
        made.load_published(weights)
    made = made.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return AtLevel(made, sigma) if name == "FFDNet" else made


class AtLevel(nn.Module):
    """FFDNet, told one noise level."""

    def __init__(self, network: nn.Module, sigma: float) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image, self.sigma)


def restore_at(denoiser: Denoiser, channels: int, sigma: float, precision: str) -> Callable[[Tensor], Tensor] | None:
    """Return the denoiser as `clearer.evaluation.evaluate` takes it; None where it cannot be measured at the level."""
    if denoiser.kind == "ours":
        restorer = load(denoiser.source, "cpu", precision)
        return in_equal_channels(restorer) if restorer.architecture.channels > channels else restorer
    if denoiser.kind == "classical":
        return as_restore(bm3d(), sigma)
    if not denoiser.digest or (denoiser.name == "DnCNN" and sigma not in DNCNN_LEVELS):
        return None
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    network = network_of(denoiser.name, channels, sigma).to(kind)
    return lambda x: network(x.to(kind)).float()
