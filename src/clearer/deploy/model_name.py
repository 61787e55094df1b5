"""The name of a model without a card that states one."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = (".safetensors", ".onnx", ".pt2")


def model_name(model: str | Path) -> str:
    """Return the name of a pretrained model, of a weight file or of a run folder.

    Dots are part of it, but for the suffix of a file.

    >>> model_name("runs/v1.2"), model_name("nets/fine.v2.safetensors"), model_name("denoise-gray")
    ('v1.2', 'fine.v2', 'denoise-gray')
    """
    path = Path(model)
    name = path.name if path.name not in ("", "..") else path.resolve().name  # of "." and ".."
    suffix = Path(name).suffix
    return (name.removesuffix(suffix) if suffix.lower() in _SUFFIXES else name) or "model"
