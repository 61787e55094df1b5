"""Denoisers that learn nothing: BM3D, non-local means, total variation and wavelet shrinkage.

All are told the noise level and take gray and color images. They come with the extra ``classical``.
What BM3D leaves open is as its authors set it. The other constants were chosen on validation images,
never on test images: ``python benchmarks/studies/classical.py bsds500/val`` (six images of BSDS500's val,
``clearer-gray`` noise of sigma 30, 50 and 70) measures them and their neighbors.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np

from clearer.core.errors import UserError
from clearer.methods.base import ImageArray, Method

NLM_H = 0.6  # over sigma
NLM_PATCH, NLM_REACH = 5, 4  # pixels: side of what is compared, and how far away it is looked for
TV_WEIGHT = 0.8  # over sigma
TV_STOP = 2e-5  # relative change of the cost; with scikit-image's own 2e-4 it often stops too early
WAVELET = "db3"


def bm3d() -> Method:
    """Return BM3D (Dabov et al., TIP 2007), by its authors' program ``bm3d``; color by its RGB form.

    Their license allows non-commercial use only.

    Raises:
        UserError: the library is not installed.
    """
    library = _library("bm3d")

    def restore(image: ImageArray, sigma: float) -> Any:
        if image.shape[2] == 3:
            return library.bm3d_rgb(image, sigma)
        return library.bm3d(image[..., 0], sigma)[..., None]

    return _method("BM3D", restore, f"bm3d {version('bm3d')}")


def nlm(h: float = NLM_H, patch: int = NLM_PATCH, reach: int = NLM_REACH) -> Method:
    """Return non-local means (Buades et al., CVPR 2005), scikit-image's fast form, which is told sigma.

    Args:
        h: decay of the weights over sigma; smaller keeps more noise and more detail.
        patch: side in pixels of the patches that are compared.
        reach: how many pixels away they are looked for.

    Raises:
        UserError: the library is not installed.
    """
    library = _library("skimage.restoration")

    def restore(image: ImageArray, sigma: float) -> Any:
        return library.denoise_nl_means(
            image, patch, reach, h=h * sigma, sigma=sigma, fast_mode=True, channel_axis=-1
        )

    return _method("NLM", restore, f"scikit-image {version('scikit-image')}, h {h:g}, patch {patch}, reach {reach}")


def tv(weight: float = TV_WEIGHT) -> Method:
    """Return total variation (Rudin et al., 1992) by Chambolle's algorithm (JMIV 2004), of scikit-image.

    Args:
        weight: of the total variation over sigma; larger is smoother.

    Raises:
        UserError: the library is not installed.
    """
    library = _library("skimage.restoration")

    def restore(image: ImageArray, sigma: float) -> Any:
        return library.denoise_tv_chambolle(image, weight=weight * sigma, eps=TV_STOP, channel_axis=-1)

    return _method("TV", restore, f"scikit-image {version('scikit-image')}, weight {weight:g}")


def wavelet(name: str = WAVELET) -> Method:
    """Return soft wavelet shrinkage, scikit-image's BayesShrink (Chang et al., TIP 2000), told sigma.

    Args:
        name: of an orthogonal wavelet, as PyWavelets has it.

    Raises:
        UserError: the library is not installed.
    """
    library = _library("skimage.restoration")
    _library("pywt")  # scikit-image needs it for this method alone

    def restore(image: ImageArray, sigma: float) -> Any:
        return library.denoise_wavelet(
            image, sigma=sigma, wavelet=name, method="BayesShrink", mode="soft", channel_axis=-1
        )

    return _method("wavelet", restore, f"scikit-image {version('scikit-image')}, BayesShrink, {name}")


CLASSICAL: dict[str, Callable[[], Method]] = {"bm3d": bm3d, "nlm": nlm, "tv": tv, "wavelet": wavelet}
"""What makes each, by the name that the command line knows it by."""


def _method(name: str, restore: Callable[[ImageArray, float], Any], setup: str) -> Method:
    """Return the method; ``restore`` is given the noise level in units of [0, 1]."""

    def run(image: ImageArray, sigma: float | None) -> ImageArray:
        if sigma is None:
            raise UserError(f"{name}: it takes away noise and has to be told its level")
        restored = restore(np.ascontiguousarray(image), sigma / 255)
        return np.asarray(restored, dtype=np.float32).reshape(image.shape)

    return Method(name, "gaussian", run, setup=setup)


def _library(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"{name.partition('.')[0]}: not installed ({error}); install it with pip install 'clearer[classical]'"
        ) from error
