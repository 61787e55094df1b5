"""Non-local means (Buades et al., CVPR 2005), by scikit-image."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from clearer.methods.base import ImageArray, Method, import_library, non_blind_denoiser
from clearer.methods.card import Classical

# Chosen on validation images by benchmarks/studies/classical.py, as all constants of the classical methods.
H = 0.6  # over sigma
PATCH, REACH = 5, 4  # pixels


def nlm(h: float = H, patch: int = PATCH, reach: int = REACH) -> Method:
    """Return non-local means in scikit-image's fast, non-blind form.

    Args:
        h: decay of the weights over sigma; a smaller value keeps more noise and more detail.
        patch: side in pixels of the patches that are compared.
        reach: largest distance in pixels at which patches are compared.

    Raises:
        UserError: scikit-image is not installed.
    """
    library = import_library("skimage.restoration")

    def restore(image: ImageArray, sigma: float) -> Any:
        return library.denoise_nl_means(image, patch, reach, h=h * sigma, sigma=sigma, fast_mode=True, channel_axis=-1)

    setup = f"scikit-image {version('scikit-image')}, h {h:g}, patch {patch}, reach {reach}"
    return non_blind_denoiser("NLM", restore, setup)


NLM = Classical(
    title="NLM",
    task="denoise",
    about="means of pixels with similar surroundings",
    source="Buades, Coll and Morel, CVPR 2005",
    make=nlm,
    reading="scikit-image's fast, non-blind form.",
    checked="nothing: the program is scikit-image's",
    libraries=("skimage",),
)
