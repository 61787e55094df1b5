"""BM3D (Dabov et al., TIP 2007), by its authors' library."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from clearer.methods.base import ImageArray, Method, import_library, non_blind_denoiser
from clearer.methods.card import Classical


def bm3d(threads: int = 1) -> Method:
    """Return BM3D with its authors' default settings, profile ``np``, at all noise levels; color takes its RGB form.

    The library's license allows non-commercial use only.

    Args:
        threads: of the library; 0 lets it choose. With more than one its results may differ from call to call in the
            last digits, and where other programs keep the machine busy it is not faster.

    Raises:
        UserError: the library ``bm3d`` is not installed.
    """
    library = import_library("bm3d", BM3D.license)
    profile = library.BM3DProfile()
    profile.num_threads = threads

    def restore(image: ImageArray, sigma: float) -> Any:
        if image.shape[2] == 3:
            return library.bm3d_rgb(image, sigma, profile)
        return library.bm3d(image[..., 0], sigma, profile)[..., None]

    return non_blind_denoiser("BM3D", restore, f"bm3d {version('bm3d')}, profile np, {threads or 'any'} thread(s)")


BM3D = Classical(
    title="BM3D",
    task="denoise",
    about="groups of similar blocks, shrunk together in a transform, then once more by a Wiener filter",
    source="Dabov, Foi, Katkovnik and Egiazarian, TIP 2007",
    make=bm3d,
    reading="Its authors' library, whose license allows non-commercial use only. Its default profile at all levels.",
    checked="nothing: the program is its authors' library",
    libraries=("bm3d",),
    license="its license allows non-commercial use only",
)
