"""The commands of clearer, whose searches and trainings replay each step as a CUDA graph: for a rented device.

    python benchmarks/graph_runs.py reproduce table1 --data bsds500 --scale full --jobs 3 -o runs/table1

It takes what `clearer` takes, and its results are those of clearer but for rounding; a run may be resumed by either.
Graphs are written for searches by SGD and Adam, the paper's, and for trainings by Muon without batch norm from weights
of their own, as most recipes have; others are refused when their first step is due. The short trainings of a search
within a budget take plain steps. Give `--jobs`: small networks leave a GPU idle, so several runs at a time end sooner,
best under CUDA MPS.
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
from graph_step import GraphStep, give_moments, take_moments  # type: ignore[import-not-found, unused-ignore]

from clearer.cli.main import main as clearer
from clearer.experiments import runner
from clearer.search import bilevel
from clearer.training import trainer
from clearer.training.optimizers import learning_rate, set_learning_rate


class GraphTraining(trainer.WeightTraining):
    """A training whose steps are graphs, from initial weights of its own."""

    graph: GraphStep | None = None

    def step(self, index: int) -> dict[str, Tensor]:
        """See `WeightTraining`."""
        if self.settings.start is not None:
            raise SystemExit("graphs are written for trainings from initial weights, without train.start")
        graph = self._graph()
        rate = learning_rate(self.settings.optimizer, index // self.steps_per_epoch, self.epochs)
        set_learning_rate(self.optimizer, rate)  # the metrics state it
        return {"loss": graph(rate, index), "grad_norm": graph.norm}

    def training_state(self) -> dict[str, Any]:
        """See `WeightTraining`; the state is one that a plain training can take."""
        if self.graph is not None:
            give_moments(self.optimizer, self.graph.moments())
        return super().training_state()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """See `WeightTraining`; also that of a plain training."""
        super().load_training_state(state)
        take_moments(self.optimizer, self._graph().moments())

    def _graph(self) -> GraphStep:
        if self.graph is None:
            draws = {"sampler": self.sampler.state_dict(), "levels": self.levels.state_dict()}
            self.graph = GraphStep(self)
            self.sampler.load_state_dict(draws["sampler"])  # it has drawn a batch
            self.levels.load_state_dict(draws["levels"])
        return self.graph


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
