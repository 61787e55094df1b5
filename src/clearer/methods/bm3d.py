"""BM3D (Dabov et al., TIP 2007), by its authors' library."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from clearer.methods.base import ImageArray, Method, import_library, non_blind_denoiser
from clearer.methods.card import Classical


def bm3d() -> Method:
    """Return BM3D with its authors' default settings; color images take its RGB form.

    The library's license allows non-commercial use only.

    Raises:
        UserError: the library ``bm3d`` is not installed.
    """
    library = import_library("bm3d")

    def restore(image: ImageArray, sigma: float) -> Any:
        if image.shape[2] == 3:
            return library.bm3d_rgb(image, sigma)
        return library.bm3d(image[..., 0], sigma)[..., None]

    return non_blind_denoiser("BM3D", restore, f"bm3d {version('bm3d')}")


BM3D = Classical(
    title="BM3D",
    task="denoise",
    source="Dabov, Foi, Katkovnik and Egiazarian, TIP 2007",
    make=bm3d,
    reading="Its authors' library, whose license allows non-commercial use only.",
    libraries=("bm3d",),
)
