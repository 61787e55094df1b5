"""Files as a killed command leaves them: is one whole, and do two hold the same?"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import safe_open

from clearer.core import leftovers
from clearer.training.checkpoints import _digest

VIDEOS = (".mkv", ".mp4")
IMAGES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
TIMES = re.compile(r"second|created|memory|time")
"""Keys of values that no two runs share."""
DURATIONS = re.compile(r"(?:\d[\d.,]* (?:h|min|s|ms)\b ?)+")
"""Durations in words, such as 1 min 3 s."""
_SECONDS_IN_CHECKPOINT = re.compile(r'\["seconds", \{"value": [^}]*\}\]')


def names(folder: Path) -> set[str]:
    """Return the files below a folder by their paths in it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def is_temporary(name: str) -> bool:
    """Return whether a file, or a folder above it, has the name of a temporary one."""
    return any(leftovers.is_temporary(part) for part in Path(name).parts)


def fault(path: Path) -> str | None:
    """Return why a file is not whole, or None."""
    try:
        return _fault(path)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"


def _fault(path: Path) -> str | None:
    kind, data = path.suffix, path.read_bytes()
    if kind == ".json":
        json.loads(data)
    elif kind == ".jsonl":
        for line in data.splitlines():
            json.loads(line)
    elif kind == ".yaml":
        yaml.safe_load(data)
    elif kind == ".safetensors":
        with safe_open(path, "pt") as file:
            facts, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "digest" in facts and facts["digest"] != _digest(facts["structure"], tensors):
            return "its digest differs"
    elif kind in IMAGES:
        from clearer.images.io import read_file

        read_file(path)
    elif kind in VIDEOS:
        if not len(frames(path)):
            return "no frames"
    elif kind == ".onnx":
        import onnx

        onnx.checker.check_model(onnx.load_from_string(data))
    elif kind == ".pt2":
        with zipfile.ZipFile(path) as file:
            return file.testzip()
    elif kind in (".html", ".svg"):
        return None if data.rstrip().endswith((b"</html>", b"</svg>")) else "cut short"
    if kind in (".json", ".jsonl", ".yaml", ".csv", ".md"):
        return None if not data or data.endswith(b"\n") else "cut short"
    return None


def frames(path: Path) -> np.ndarray:
    """Return the decoded frames of a video."""
    import av

    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def same(a: Path, b: Path) -> bool:
    """Return whether two files hold the same, but for what states times."""
    if a.read_bytes() == b.read_bytes():
        return True
    x, y = _settled(a), _settled(b)
    return x is not None and bool(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y)


def _settled(path: Path) -> Any:
    """Return what a file holds without what states times; None if its bytes have to be the same."""
    kind = path.suffix
    if kind == ".json":
        return _without_times(json.loads(path.read_text()))
    if kind == ".jsonl":
        return [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
    if kind == ".csv":
        return [_without_times(row) for row in csv.DictReader(io.StringIO(path.read_text()))]
    if kind in (".html", ".svg"):
        return re.sub(r"\d+", "0", DURATIONS.sub("", path.read_text()))
    if kind == ".safetensors" and path.name.startswith("step-"):
        with safe_open(path, "pt") as file:
            structure = _SECONDS_IN_CHECKPOINT.sub("", (file.metadata() or {})["structure"])
            tensors = {name: file.get_tensor(name).numpy().tobytes() for name in file.keys()}  # noqa: SIM118
        return structure, tensors
    if kind in VIDEOS:
        return frames(path)
    return None


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if not TIMES.search(str(key))}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return value
