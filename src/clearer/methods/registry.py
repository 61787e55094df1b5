"""The classical methods: one line per method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clearer.core.registry import Registry

if TYPE_CHECKING:  # it imports torch, which a list of names does not need
    from clearer.methods.base import Method

METHODS: Registry[Callable[[], Method]] = Registry(
    "--classical",
    {
        "bm3d": "clearer.methods.bm3d:bm3d",
        "nlm": "clearer.methods.nlm:nlm",
        "tv": "clearer.methods.tv:tv",
        "wavelet": "clearer.methods.wavelet:wavelet",
    },
)
"""Makers of the classical denoisers. All are non-blind, learn nothing and take gray and color images."""
