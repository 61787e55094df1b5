"""The classical methods: one line per method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.core.registry import Registry

if TYPE_CHECKING:
    from clearer.methods.card import Classical

METHODS: Registry[Classical] = Registry(
    "--classical",
    {
        "bm3d": "clearer.methods.bm3d:BM3D",
        "dsc": "clearer.methods.dsc:DSC",
        "lp": "clearer.methods.lp:LP",
        "nlm": "clearer.methods.nlm:NLM",
        "tv": "clearer.methods.tv:TV",
        "wavelet": "clearer.methods.wavelet:WAVELET_SHRINKAGE",
        "wnnm": "clearer.methods.wnnm:WNNM",
    },
)
"""Classical methods, which learn nothing from training images. The denoisers are non-blind."""
