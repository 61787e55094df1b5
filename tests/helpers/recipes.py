"""Recipe settings that make a run take a second or two."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "precision": "fp32",
    "network.width": 4,
    "network.scales": 2,
    "network.modules_per_cell": 2,
    "search.epochs": 3,
    "search.steps_per_epoch": 3,
    "search.warmup_epochs": 1,
    "search.batch": 2,
    "search.patch": 16,
    "train.epochs": 4,
    "train.steps_per_epoch": 3,
    "train.batch": 2,
    "train.patch": 16,
    "train.validate_every": 2,
    "checkpoint_minutes": 1e-6,
    "evaluate.samples": 1,
}
"""Overrides for any recipe of one channel; a checkpoint is written after every step."""
