"""The way to train on noisy images alone that fits a kind of noise."""

from __future__ import annotations

from typing import Literal

Kind = Literal["clean", "independent", "lines", "correlated", "blocky"]
Method = Literal[
    "none", "neighbor2neighbor", "neighbor2neighbor+sure", "structured-blind-spots", "subsampled-teacher", "dejpeg"
]
Direction = Literal["rows", "columns"]

METHODS: dict[Kind, Method] = {
    "clean": "none",
    "independent": "neighbor2neighbor+sure",
    "lines": "structured-blind-spots",
    "correlated": "subsampled-teacher",
    "blocky": "dejpeg",
}


def recommendation(kind: Kind, direction: Direction | None, without_sure: bool = False) -> str:
    """Return how to restore images with such noise, in a sentence or two.

    Args:
        kind: see `clearer.noise.profile.NoiseProfile`.
        direction: of the lines, if the kind is ``lines``.
        without_sure: whether SURE is not trusted, if the kind is ``independent``.
    """
    alone = "clearer fit --noisy FOLDER"
    return {
        "clean": "There is little to remove: a denoiser would hardly change these images.",
        "independent": "Train on the noisy images alone with Neighbor2Neighbor"
        f"{'' if without_sure else ' and SURE'}: {alone}.",
        "lines": f"Train on the noisy images alone with blind spots along {direction}: {alone}.",
        "correlated": "Train on the noisy images alone with a teacher on subsampled images, since neighbors share "
        f"noise: {alone}. With repeated exposures of each scene, Noise2Noise does better.",
        "blocky": "Remove the compression with a model trained for JPEG; training on these images alone cannot.",
    }[kind]
