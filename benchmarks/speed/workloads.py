"""The workloads that speed.py times: each function prepares one and returns it with its operation count.

``kind`` is ``ours``, ``reference`` (reference.py) or, where it applies, ``dncnn``, ``ffdnet-color`` or ``ffdnet-gray``
(ffdnet.py). A workload is a function without arguments that returns when its result is complete, and the GFLOP of the
plain implementation: 2 per multiply-add, with the backward passes for features and for weights counted like the
forward pass.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import reference
import torch
from ffdnet import fastest
from torch import Tensor, nn

from clearer.core.allocator import keep_freed_memory
from clearer.core.device import autocast, choose_precision
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.degradations.gaussian import Gaussian
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.cost import macs_per_pixel
from clearer.network.network import RestorationNetwork
from clearer.network.supernet import Supernet
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.search.bilevel import search
from clearer.search.objectives import architecture_loss
from clearer.training.job import RunContext
from clearer.training.optimizers import make_optimizer
from clearer.training.run_device import choose_device

PUBLISHED = "FPPF-FFFF-PFFP"
BATCH, PATCH, SIGMA = 32, 64, 50.0
Work = tuple[Callable[[], object], float]


def photographs(count: int = 40) -> list[np.ndarray]:
    """Return gray images of BSD500's size; their content does not affect speed."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (321, 481), np.uint8) for _ in range(count)]


def sampler(device: torch.device, batch: int = BATCH) -> PatchSampler:
    pairs = [(image[..., None], None) for image in photographs()]
    noise = Gaussian(SIGMA, clip8=True)
    return PatchSampler(pairs, patch=PATCH, batch=batch, degradation=noise, variety=Variety(), seed=0, device=device)


def synchronized(device: torch.device, result: Callable[[], object]) -> Callable[[], object]:
    """Return the workload with a wait for the device at its end."""
    if device.type != "cuda":
        return result

    def waiting() -> object:
        value = result()
        torch.cuda.synchronize(device)
        return value

    return waiting


def gmacs(letters: str, width: int, pixels: int) -> float:
    """Return 1e9 multiply-adds of one forward pass, counted on the reference itself."""
    total = 0.0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        total += layer.weight.numel() * output.shape[-1] * output.shape[-2]  # type: ignore[union-attr, operator]

    with torch.device("meta"):
        network = reference.Reference(letters, width)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    network.eval()(torch.empty(1, 1, 64, 64, device="meta"))
    return total / 64**2 * pixels / 1e9


def weight_step(kind: str, device: torch.device, width: int, precision: str) -> Work:
    gflop = 3 * 2 * gmacs("****-****-****", width, BATCH * PATCH**2)
    return _step(kind, device, width, precision, "****-****-****", "paper-denoise-50"), gflop


def training_step(kind: str, device: torch.device, width: int, precision: str) -> Work:
    gflop = 3 * 2 * gmacs(PUBLISHED, width, BATCH * PATCH**2)
    return _step(kind, device, width, precision, PUBLISHED, "paper-denoise-50"), gflop


def _step(kind: str, device: torch.device, width: int, precision: str, letters: str, name: str) -> Callable[[], object]:
    recipe = load_recipe(name)
    if kind == "reference":
        network: nn.Module = reference.Reference(letters, width).to(device)
        optimizer = (
            torch.optim.SGD(network.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
            if "*" in letters
            else torch.optim.Adam(network.parameters(), 1e-4)
        )
        x, y = (t.to(device) for t in reference.Patches(photographs(), PATCH, BATCH, SIGMA).draw())
        return synchronized(device, lambda: reference.weight_step(network, optimizer, x, y))
    keep_freed_memory()
    space = SearchSpace(width=width)
    network = Supernet(space) if "*" in letters else RestorationNetwork(space.architecture(letters.replace("-", "")))
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = [p for n, p in network.named_parameters() if n != "alpha"]
    optimizer = make_optimizer(recipe.search.weights if "*" in letters else recipe.train.optimizer, weights)
    batches = sampler(device)

    def step() -> Tensor:
        degraded, clean = batches.draw()
        network.train()
        if isinstance(network, Supernet):
            network.alpha.requires_grad_(False)
        with autocast(precision, device):
            output = network(degraded.contiguous(memory_format=torch.channels_last))
        loss = nn.functional.mse_loss(output.float(), clean)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        return loss.detach()

    return synchronized(device, step)


def architecture_step(kind: str, device: torch.device, width: int, precision: str) -> Work:
    gflop = (3 if kind == "reference" else 2) * 2 * gmacs("****-****-****", width, BATCH * PATCH**2)
    if kind == "reference":
        plain = reference.Reference(width=width).to(device)
        adam = torch.optim.Adam([plain.alpha], 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
        x, y = (t.to(device) for t in reference.Patches(photographs(), PATCH, BATCH, SIGMA).draw())
        return synchronized(device, lambda: reference.architecture_step(plain, adam, x, y)), gflop
    keep_freed_memory()
    supernet = Supernet(SearchSpace(width=width)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(load_recipe("paper-denoise-50").search.alpha, [supernet.alpha])
    batches = sampler(device)

    def step() -> Tensor:
        supernet.eval()
        with supernet.only_alpha():
            degraded, clean = batches.draw()
            with autocast(precision, device):
                output = supernet(degraded.contiguous(memory_format=torch.channels_last))
            loss = nn.functional.mse_loss(output.float(), clean) + 0.1 * architecture_loss(supernet.mixing_weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return synchronized(device, step), gflop


def whole_search(kind: str, device: torch.device, width: int, precision: str) -> Work:
    """Two weight and two architecture steps with their data; ours also with the logs and checkpoints of a run.

    On a GPU 50 of each, so that work that a run does only once does not outweigh them.
    """
    pixels = BATCH * PATCH**2
    count = 50 if device.type == "cuda" else 2
    gflop = count * (3 + (3 if kind == "reference" else 2)) * 2 * gmacs("****-****-****", width, pixels)
    if kind == "reference":
        network = reference.Reference(width=width).to(device)
        weights = [p for n, p in network.named_parameters() if n != "alpha"]
        sgd = torch.optim.SGD(weights, 0.025, momentum=0.9, weight_decay=3e-4)
        adam = torch.optim.Adam([network.alpha], 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
        batches = reference.Patches(photographs(), PATCH, BATCH, SIGMA)

        def steps() -> None:
            for _ in range(count):
                reference.weight_step(network, sgd, *(t.to(device) for t in batches.draw()))
                reference.architecture_step(network, adam, *(t.to(device) for t in batches.draw()))

        return synchronized(device, steps), gflop
    changes = {"search.epochs": 1, "search.steps_per_epoch": count, "search.warmup_epochs": 0, "network.width": width}
    place = {"device": str(device), "precision": precision}
    recipe = load_recipe("paper-denoise-50", {**changes, **place, "data.train": "none", "data.validation": "none"})
    images = [(image[..., None], None) for image in photographs()]

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            search(recipe, RunContext.of(recipe, RunFolder(Path(folder)), images, images))

    return synchronized(device, run), gflop


def data(kind: str, device: torch.device, width: int, precision: str) -> Work:
    """Draw one batch: cut, flipped, degraded."""
    batches = sampler(device) if kind == "ours" else reference.Patches(photographs(), PATCH, BATCH, SIGMA)
    return synchronized(device, batches.draw), 0.0


def startup(kind: str, device: torch.device, width: int, precision: str) -> Work:
    """``clearer --help``; as reference, Python importing torch."""
    command = [sys.executable, "-m", "clearer", "--help"] if kind == "ours" else [sys.executable, "-c", "import torch"]
    return lambda: subprocess.run(command, check=True, capture_output=True), 0.0


def restore(kind: str, device: torch.device, width: int, precision: str) -> Work:
    return _restore(kind, device, width, precision, (321, 481))


def restore_large(kind: str, device: torch.device, width: int, precision: str) -> Work:
    return _restore(kind, device, width, precision, (3000, 4000))


def _restore(kind: str, device: torch.device, width: int, precision: str, size: tuple[int, int]) -> Work:
    x = torch.rand(1, 1, *size, device=device)
    pixels = size[0] * size[1]
    if kind == "dncnn":
        return synchronized(device, dncnn(x)), 2 * (9 * 64 + 15 * 9 * 64 * 64 + 9 * 64) * pixels / 1e9
    gflop = 2 * gmacs(PUBLISHED, width, pixels)
    if kind == "reference":
        network = reference.Reference(PUBLISHED, width).to(device).eval()
        pad = nn.ReplicationPad2d((0, -size[1] % 8, 0, -size[0] % 8))

        def plain() -> Tensor:
            with torch.no_grad():
                return network(pad(x))

        return synchronized(device, plain), gflop
    keep_freed_memory()
    architecture = Architecture.parse(PUBLISHED, channels=1, width=width)
    restorer = Restorer(RestorationNetwork(architecture), device=device, precision=precision)
    return synchronized(device, lambda: restorer(x)), gflop


def restore_model(kind: str, device: torch.device, precision: str, model: str) -> Work:
    """Restore an image of 1920x1080: a shipped model by its fastest path, or FFDNet with its weights in the precision.

    FFDNet gets the level; a blind model estimates what it needs, which counts. GFLOP are those of each network.
    """
    pixels = 1080 * 1920
    if kind == "ours":
        keep_freed_memory()
        restorer = load(model, device=device, precision=precision)
        x = torch.rand(1, restorer.architecture.channels, 1080, 1920, device=device)
        return synchronized(device, lambda: restorer(x)), 2 * macs_per_pixel(restorer.architecture) * pixels / 1e9
    channels = 1 if kind == "ffdnet-gray" else 3
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = fastest(channels, device, dtype)
    x = torch.rand(1, channels, 1080, 1920, device=device)
    keep_freed_memory()

    def forward() -> Tensor:
        with torch.inference_mode():
            return network(x.to(dtype), 25.0).float()

    macs = sum(layer.weight.numel() for layer in network.convolutions) / 4
    return synchronized(device, forward), 2 * macs * pixels / 1e9


def dncnn(x: Tensor) -> Callable[[], Tensor]:
    """Return a forward pass of DnCNN's 17 convolutions with ReLUs (norms folded), channels_last, float32."""
    widths = [1, *[64] * 16, 1]
    layers = [
        (torch.randn(b, a, 3, 3, device=x.device) * 0.05).contiguous(memory_format=torch.channels_last)
        for a, b in itertools.pairwise(widths)
    ]
    biases = [torch.zeros(b, device=x.device) for b in widths[1:]]

    def forward() -> Tensor:
        y = x.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            for i, (weight, bias) in enumerate(zip(layers, biases, strict=True)):
                y = nn.functional.conv2d(y, weight, bias, padding=1)
                y = y.relu_() if i < len(layers) - 1 else y
            return x - y

    return forward


def peak(device: torch.device, precision: str) -> Work:
    """A large matrix product in this precision: the machine's peak throughput."""
    side = 8192 if device.type == "cuda" else 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return synchronized(device, lambda: a @ b), 2 * side**3 / 1e9


WORK: dict[str, tuple[Callable[[str, torch.device, int, str], Work], list[str]]] = {
    "weight-step": (weight_step, ["ours", "reference"]),
    "architecture-step": (architecture_step, ["ours", "reference"]),
    "training-step": (training_step, ["ours", "reference"]),
    "search": (whole_search, ["ours", "reference"]),
    "data": (data, ["ours", "reference"]),
    "startup": (startup, ["ours", "reference"]),
    "restore": (restore, ["ours", "reference", "dncnn"]),
    "restore-large": (restore_large, ["ours", "reference", "dncnn"]),
}


def prepare(name: str, kind: str, device_name: str, width: int, precision: str, model: str = "") -> tuple[Work, str]:
    """Return a workload and the precision in which it runs; ``model`` is that of ``restore-model``."""
    device = choose_device(device_name)
    chosen = choose_precision(precision, device)
    if kind == "peak":
        return peak(device, chosen), chosen
    if name == "restore-model":
        return restore_model(kind, device, chosen, model), chosen
    return WORK[name][0](kind, device, width, chosen), chosen if kind == "ours" else "fp32"
