"""Measure whether a larger model of ours as a teacher helps a smaller one: the same training with and without it.

    python benchmarks/studies/distillation.py denoise-color-fast denoise-color --train bsds500/train bsds500/test \\
        --validation bsds500/val --only-validation docs/val_without_bsd68.txt --steps 1500 \\
        -o docs/results/distillation.json

The first name is a model and its recipe: training goes on from its weights, on one thread, at a rate that falls to
zero. Its targets are the clean patches, moved toward the teacher's results by each share of ``--shares``: 0 is a
training without a teacher, 1 knows no clean patches. All trainings of a seed see the same patches, noise and levels.
A teacher that takes the noise level is told the true one. Rows that the file of results has already are kept, if its
other settings are the same: call it again to go on, or to add seeds.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from brief_training import begun, going_on, options, trained_by
from torch import Tensor, nn

from clearer.core.files import write_json
from clearer.inference.latency_table import device_name
from clearer.losses.base import Batch
from clearer.training import trainer
from clearer.zoo.locate import located
from clearer.zoo.weights import load_weights


class Distillation(trainer.WeightTraining):
    """A training whose targets lie between the clean patches and a teacher's results."""

    def __init__(self, teacher: nn.Module, takes_level: bool, share: float, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.teacher, self.takes_level, self.share = teacher, takes_level, share

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the loss of a batch. The noise levels are drawn before the targets move."""
        restore = self.levels.restore(self.network, batch)
        if self.share == 0:
            return self.loss(restore, batch)
        degraded, clean = batch.degraded, batch.clean
        assert clean is not None
        level = (degraded - clean).square().mean((1, 2, 3)).sqrt() if self.takes_level else None
        with torch.no_grad():
            taught = self.context.restore(self.teacher, degraded, level)
        return self.loss(restore, replace(batch, clean=clean.lerp(taught, self.share)))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("teacher")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=0.0005, help="largest learning rate")
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.5, 1])
    parser.add_argument("--seeds", type=int, default=1)
    given = begun(parser)
    teacher, _ = load_weights(located(given.teacher))
    teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings = {key: value for key, value in vars(given).items() if key not in ("out", "command", "shares", "seeds")}
    rows = kept(given.out, settings)
    done = {(row["share"], row["seed"]) for row in rows}
    for seed, share in product(range(given.seeds), given.shares):
        if (share, seed) in done:
            continue
        job = partial(Distillation, teacher, teacher.architecture.takes_level, share)
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"share": share, "seed": seed, **trained_by(job, going_on(given, seed), Path(folder) / "run")})
        print(rows[-1], flush=True)
        processor = device_name(torch.device("cpu"))
        write_json(given.out, {"command": given.command, "processor": processor, "settings": settings, "rows": rows})


def kept(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a file of results with these settings; none if there is no such file."""
    if not path.is_file():
        return []
    before = json.loads(path.read_text())
    if before["settings"] != settings:
        raise SystemExit(f"{path}: made with other settings; name another file")
    return list(before["rows"])


if __name__ == "__main__":
    main()
