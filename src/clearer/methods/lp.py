"""LP (Li et al., CVPR 2016): rain and background layers, each by a Gaussian mixture as the prior of its patches."""

from __future__ import annotations

import os
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from clearer.core.errors import UserError
from clearer.images.pixels import BT601
from clearer.methods.base import ImageArray, Method, import_library
from clearer.methods.card import Classical
from clearer.methods.patch_mixture import Mixture, fitted

PRIOR_VARIABLE = "CLEARER_PATCH_PRIOR"
"""Environment variable that names the prior of natural patches, as tools/make_patch_prior.py writes it."""
SIDE = 8
ALPHA, BETA, GAMMA = 0.05, 0.01, 0.01
OMEGA = 2.0
"""The first weight of the coupling, which the publication does not state: benchmarks/studies/lp_settings.py."""
PATCHES = 1 / SIDE**2
"""The weight of a patch in the coupling beside that of a gradient: each pixel lies in 64 patches. As printed it is 1;
benchmarks/studies/lp_settings.py compares them."""
SAMPLE = 10
"""Images that tables measure this method on: it takes minutes for a megapixel."""
ROUNDS = 5
STEPS = 20
"""Most steps of L-BFGS-B in a round."""
WINDOW, RAIN_COMPONENTS, RAIN_ITERATIONS, LEAST_VARIANCE = 100, 20, 20, 1e-5


class Targets(NamedTuple):
    """What a round draws the two layers to: gradients of the background, and sums of overlapping likely patches."""

    across: Tensor
    down: Tensor
    background: Tensor
    rain: Tensor


def lp() -> Method:
    """Return LP; it needs the prior of natural patches.

    Raises:
        UserError: SciPy is not installed, or the prior is missing or damaged.
    """
    import_library("scipy.optimize")
    file = prior_file()
    prior = natural_patches(file)
    setup = f"{ROUNDS} rounds, omega {OMEGA:g}, {len(prior.weights)} components"
    return Method(
        "LP", "rain", lambda image, _: restored(image, prior), setup=setup, sample=SAMPLE,
        sha256=sha256(file.read_bytes()).hexdigest(),
    )  # fmt: skip


def restored(
    image: ImageArray, prior: Mixture, omega: float = OMEGA, rounds: int = ROUNDS, patches: float = PATCHES
) -> ImageArray:
    """Return a rainy image (H, W, C) in [0, 1] without its rain; chroma stays."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).clamp(0, 1)
    luma = pixels @ torch.tensor(BT601) if pixels.shape[2] == 3 else pixels.mean(2)
    change = background(luma, prior, omega, rounds, patches) - luma
    result: ImageArray = (pixels + change[..., None]).clamp(0, 1).numpy()
    return result


def prior_file() -> Path:
    """Return the file of natural patches that PRIOR_VARIABLE names, or that of the checkout."""
    checkout = Path(str(resources.files("clearer"))).parents[1] / "models" / "lp-natural-patches"
    return Path(os.environ.get(PRIOR_VARIABLE) or checkout / "mixture.safetensors")


def natural_patches(file: Path | None = None) -> Mixture:
    """Load a prior of natural patches, by default that of `prior_file`.

    Raises:
        UserError: it is missing or damaged.
    """
    path = file or prior_file()
    if not path.is_file():
        raise UserError(
            f"{path}: no such prior of natural patches; make it with tools/make_patch_prior.py and set {PRIOR_VARIABLE}"
        )
    try:
        arrays = load_file(path)
        weights, stored = arrays["weights"], arrays["factors"].float()
        rows, columns = torch.triu_indices(SIDE * SIDE, SIDE * SIDE)
        factors = stored.new_zeros(len(weights), SIDE * SIDE, SIDE * SIDE)
        factors[:, columns, rows] = stored
    except (SafetensorError, KeyError, RuntimeError, OSError) as error:
        raise UserError(f"{path}: not a prior of patches ({error}); make it with tools/make_patch_prior.py") from error
    return Mixture(weights, factors @ factors.mT)


@torch.no_grad()
def background(
    rainy: Tensor, prior: Mixture, omega: float = OMEGA, rounds: int = ROUNDS, patches: float = PATCHES
) -> Tensor:
    """Return the background of a rainy image (H, W) in [0, 1].

    Raises:
        UserError: the image is smaller than a patch.
    """
    height, width = rainy.shape
    if min(height, width) < SIDE:
        raise UserError(f"LP: an image of {width}x{height} pixels is too small; it takes {SIDE}x{SIDE} or more")
    rain_prior = _rain_prior(rainy)
    layers = torch.stack([rainy, torch.zeros_like(rainy)])
    for _ in range(rounds):
        clean, rain = layers
        across, down = (_shrunk(gradient, ALPHA / (2 * omega)) for gradient in _gradients(clean))
        variance = GAMMA / (2 * omega)
        likely = [_likely(clean, prior, variance)]
        likely.append(torch.zeros_like(rain) if rain_prior is None else _likely(rain, rain_prior, variance))
        layers = _minimized(rainy, layers, Targets(across, down, *likely), omega, patches)
        omega *= 2
    return layers[0]


def _patches(image: Tensor) -> Tensor:
    """Return the patches at every pixel without their means, (K, SIDE * SIDE)."""
    patches: Tensor = functional.unfold(image[None, None], SIDE)[0].T
    return patches - patches.mean(1, keepdim=True)


def _likely(image: Tensor, prior: Mixture, variance: float) -> Tensor:
    """Return the sum of the most probable patches, each in its place."""
    patches = prior.likeliest(_patches(image), variance)
    return functional.fold(patches.T[None], image.shape, SIDE)[0, 0]


def _rain_prior(rainy: Tensor) -> Mixture | None:
    """Return the mixture of the patches of the window with the least variance; None if all are flat."""
    side = min(WINDOW, *rainy.shape)
    batch = rainy.double()[None, None]
    mean, square = (functional.avg_pool2d(x, side, 1)[0, 0] for x in (batch, batch.square()))
    row, column = divmod(int((square - mean.square()).argmin()), mean.shape[1])
    patches = _patches(rainy[row : row + side, column : column + side])
    patches = patches[patches.square().mean(1) > LEAST_VARIANCE]
    return fitted(patches, RAIN_COMPONENTS, RAIN_ITERATIONS) if len(patches) >= RAIN_COMPONENTS else None


def _gradients(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return circular forward differences."""
    return image.roll(-1, 1) - image, image.roll(-1, 0) - image


def _shrunk(values: Tensor, threshold: float) -> Tensor:
    return functional.softshrink(values, threshold)


def _minimized(rainy: Tensor, layers: Tensor, targets: Targets, omega: float, patches: float) -> Tensor:
    """Return both layers (2, H, W) that minimize the quadratic function of a round, between 0 and the rainy image."""
    minimize = import_library("scipy.optimize").minimize
    shape = layers.shape
    rainy, targets = rainy.double(), Targets(*(target.double() for target in targets))
    top = np.tile(rainy.numpy().ravel(), 2)

    def value_and_slope(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        value, slope = objective(torch.from_numpy(flat).view(shape), rainy, targets, omega, patches)
        return float(value), slope.numpy().ravel()

    bounds = np.stack([np.zeros_like(top), top], 1)
    start = layers.double().numpy().ravel()
    found = minimize(
        value_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS, "maxcor": 5}
    )
    return torch.from_numpy(found.x).view(shape).float()


def objective(
    layers: Tensor, rainy: Tensor, targets: Targets, omega: float, patches: float = PATCHES
) -> tuple[Tensor, Tensor]:
    """Return the function of a round, up to a constant, and its gradient.

    Args:
        layers: (2, H, W), background and rain.
        rainy: (H, W).
        targets: see `Targets`.
        omega: the weight of the coupling.
        patches: the weight of a patch in it.
    """
    share = omega * patches
    clean, rain = layers
    rest = rainy - clean - rain
    across, down = (g - t for g, t in zip(_gradients(clean), targets[:2], strict=True))
    value = rest.square().sum() + BETA * rain.square().sum() + omega * (across.square().sum() + down.square().sum())
    slope = torch.stack([-2 * rest, -2 * rest + 2 * BETA * rain])
    slope[0] += 2 * omega * (across.roll(1, 1) - across + down.roll(1, 0) - down)
    for k, target in enumerate(targets[2:]):
        inner = _inner(layers[k])
        value = value + share * ((layers[k] * inner).sum() - 2 * (layers[k] * target).sum())
        slope[k] += 2 * share * (inner - target)
    return value, slope


def _inner(image: Tensor) -> Tensor:
    """Return the sum of all patches without their means, each in its place."""
    ones = torch.ones(1, 1, SIDE, SIDE, dtype=image.dtype)
    means = functional.avg_pool2d(image[None, None], SIDE, 1)
    counts = functional.conv_transpose2d(torch.ones_like(means), ones)
    return image * counts[0, 0] - functional.conv_transpose2d(means, ones)[0, 0]


LP = Classical(
    title="LP",
    task="derain",
    about="mixtures of Gaussians as priors of the patches of image and rain",
    source="Li, Tan, Guo, Lu and Brown, CVPR 2016",
    make=lp,
    reading="5 rounds, one of two published numbers. The coupling of patches is divided by 64, the number of patches "
    "that cover a pixel, and with it the weight of their prior, gamma: with the coupling as printed, at its best, it "
    "scores 0.1 dB less on training images. The first weight of the "
    "coupling is not stated: 2, the best of six on training images. The prior of natural patches has 50 components, "
    "where the authors' has 200, fitted to BSDS500's training images; it is in the repository, not in the package. "
    "Ours are 20 steps at most in the minimization of a round and 20 in the fit of the rain patches.",
    checked="parts alone (mixture, gradients); its authors' solver is not public",
    libraries=("scipy",),
    ready=natural_patches,
)
