"""Total-variation denoising (Rudin et al., 1992), by scikit-image."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from clearer.methods.base import ImageArray, Method, import_library, non_blind_denoiser
from clearer.methods.card import Classical

WEIGHT = 0.8  # over sigma; chosen on validation images by benchmarks/studies/classical.py
STOP = 2e-5  # relative change of the cost; scikit-image's default of 2e-4 often stops too early


def tv(weight: float = WEIGHT) -> Method:
    """Return total variation by Chambolle's algorithm (JMIV 2004).

    Args:
        weight: weight of the total variation over sigma; a larger value smooths more.

    Raises:
        UserError: scikit-image is not installed.
    """
    library = import_library("skimage.restoration")

    def restore(image: ImageArray, sigma: float) -> Any:
        return library.denoise_tv_chambolle(image, weight=weight * sigma, eps=STOP, channel_axis=-1)

    return non_blind_denoiser("TV", restore, f"scikit-image {version('scikit-image')}, weight {weight:g}")


TV = Classical(
    title="TV",
    task="denoise",
    about="the least total variation near the noisy image",
    source="Rudin, Osher and Fatemi, Physica D 1992",
    make=tv,
    reading="Chambolle's algorithm (JMIV 2004), by scikit-image.",
    checked="nothing: the program is scikit-image's",
    libraries=("skimage",),
)
