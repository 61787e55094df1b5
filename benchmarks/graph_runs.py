"""The commands of clearer, whose searches and trainings replay every step as a CUDA graph: for a rented device.

    python benchmarks/graph_runs.py reproduce table1 --data bsds500 --scale full --jobs 3 -o runs/table1

It takes what `clearer` takes, and its results are those of clearer but for rounding. Give `--jobs`: small networks
leave a GPU idle, so several runs at a time end sooner, best under CUDA MPS. Runs cannot be resumed within a stage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from graph_search import GraphSearch  # type: ignore[import-not-found, unused-ignore]
from graph_step import GraphStep  # type: ignore[import-not-found, unused-ignore]

from clearer.cli.main import main as clearer
from clearer.experiments import runner
from clearer.search import bilevel
from clearer.training import trainer
from clearer.training.optimizers import learning_rate, set_learning_rate


class GraphTraining(trainer.WeightTraining):
    """A training whose steps are graphs. It cannot be resumed."""

    graph: GraphStep | None = None

    def step(self, index: int) -> dict[str, Tensor]:
        """See `WeightTraining`."""
        if self.settings.start is not None:
            raise SystemExit("graphs are written for trainings from initial weights, without train.start")
        if self.graph is None:
            self.graph = GraphStep(self)
            self.sampler.load_state_dict(self.first_draws["sampler"])  # it has drawn a batch
            self.levels.load_state_dict(self.first_draws["levels"])
        rate = learning_rate(self.settings.optimizer, index // self.steps_per_epoch, self.epochs)
        set_learning_rate(self.optimizer, rate)  # the metrics state it
        return {"loss": self.graph(rate, index), "grad_norm": self.graph.norm}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refuse: a checkpoint lacks the moments."""
        raise SystemExit(f"{self.context.folder}: a training by graphs cannot go on; remove the folder to begin again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what clearer takes: a verb and its options")
    parser.parse_args()
    torch.backends.cudnn.benchmark = True  # all batches have one shape
    bilevel.SearchJob, trainer.WeightTraining = GraphSearch, GraphTraining  # type: ignore[misc]
    runner.COMMAND = (sys.executable, str(Path(__file__).resolve()))
    clearer()


if __name__ == "__main__":
    main()
