"""What the models that come with the program are: name, use, cost, results."""

from __future__ import annotations

from typing import Any

from clearer.network.cost import macs_per_pixel, parameters
from clearer.zoo.locate import shipped_models
from clearer.zoo.weights import read_architecture


def models() -> list[dict[str, Any]]:
    """Return the shipped models, by name: what `clearer.load` takes, and what the weight file says of itself.

    Each has ``name``, ``task``, ``description``, ``architecture`` (as `clearer.Architecture.to_dict`),
    ``parameters``, ``macs_per_pixel``, ``bytes``, ``file``, and ``results``: for each protocol and set
    of images the PSNR in dB, the SSIM, and those of the degraded input.

    >>> "denoise-gray" in {model["name"] for model in models()}
    True
    """
    found = []
    for name, path in shipped_models().items():
        architecture, card = read_architecture(path)
        found.append(
            {
                "name": name,
                "task": card.task or "",
                "description": card.description or "",
                "architecture": architecture.to_dict(),
                "parameters": parameters(architecture),
                "macs_per_pixel": macs_per_pixel(architecture),
                "bytes": path.stat().st_size,
                "file": str(path),
                "results": [result.to_dict() for result in card.results],
            }
        )
    return found
