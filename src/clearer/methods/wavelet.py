"""Soft wavelet shrinkage by BayesShrink (Chang et al., TIP 2000), by scikit-image."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from clearer.methods.base import ImageArray, Method, import_library, non_blind_denoiser
from clearer.methods.card import Classical

WAVELET = "db3"  # chosen on validation images by benchmarks/studies/classical.py


def wavelet(name: str = WAVELET) -> Method:
    """Return non-blind wavelet shrinkage.

    Args:
        name: name of an orthogonal wavelet in PyWavelets.

    Raises:
        UserError: scikit-image or PyWavelets is not installed.
    """
    library = import_library("skimage.restoration")
    import_library("pywt")  # scikit-image needs it for this method alone

    def restore(image: ImageArray, sigma: float) -> Any:
        return library.denoise_wavelet(
            image, sigma=sigma, wavelet=name, method="BayesShrink", mode="soft", channel_axis=-1
        )

    return non_blind_denoiser("wavelet", restore, f"scikit-image {version('scikit-image')}, BayesShrink, {name}")


WAVELET_SHRINKAGE = Classical(
    title="wavelet",
    task="denoise",
    about="soft thresholds for wavelet coefficients",
    source="Chang, Yu and Vetterli, TIP 2000",
    make=wavelet,
    reading="BayesShrink with soft thresholds, by scikit-image.",
    checked="nothing: the program is scikit-image's",
    libraries=("skimage", "pywt"),
)
