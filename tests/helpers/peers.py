"""Public weights and outputs of published systems, which are never shipped: tests that need them are skipped without.

The environment variable CLEARER_SHARED names the folder that holds them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from clearer.network.baselines.base import BaselineNetwork

PEERS = Path(os.environ.get("CLEARER_SHARED", "")) / "peers"

needs_peers = pytest.mark.skipif(
    not (os.environ.get("CLEARER_SHARED") and (PEERS / "golden").is_dir()), reason="the public weights are not here"
)


def public_weights(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a weight file by their public names."""
    with np.load(PEERS / "weights" / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def golden(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a golden file: input and output of the public program."""
    with np.load(PEERS / "golden" / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def count(network: BaselineNetwork) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in network.parameters())
