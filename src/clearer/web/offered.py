"""The models that the page offers, a line about each, and their loading."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.inference.choice import default_model
from clearer.inference.restorer import Restorer, load
from clearer.runs.layout import RunFolder
from clearer.zoo.locate import find_models, located, name_and_source
from clearer.zoo.names import is_for_use
from clearer.zoo.purpose import about
from clearer.zoo.weight_metadata import read_architecture

RUNS = Path("runs")
log = logging.getLogger("clearer")


@dataclass(frozen=True)
class Model:
    """A model on offer.

    Args:
        name: its name on the page.
        source: what `clearer.load` takes.
        about: a line on its purpose.
        takes_level: whether it takes a noise level.
    """

    name: str
    source: str
    about: str
    takes_level: bool = False


def offered(wanted: Iterable[str] = (), runs: Path = RUNS) -> dict[str, Model]:
    """Return the models on offer by name: those of the command line, finished runs, and pretrained models for use.

    After those of the command line comes the pretrained model for photographs: the first is the page's default.

    Args:
        wanted: each a weight file, a run folder or a pretrained model, or ``NAME=`` followed by one.
        runs: a folder of run folders; it may be missing. Unfinished runs and runs in ``wanted`` are skipped.

    Unreadable weights of a run or a pretrained model are reported (logger ``clearer``) and left out.

    Raises:
        UserError: one of ``wanted`` is not a model, or two have the same name.
    """
    found: dict[str, Model] = {}
    for text in wanted:
        name, source = name_and_source(text)
        if name in found:
            raise UserError(f"--model: {name!r} names two models; write --model NAME={source} with another name")
        found[name] = _model(name, source)
    known = {Path(model.source).resolve() for model in found.values()}
    pretrained = {name: file for name, file in find_models().items() if is_for_use(name)}
    photographs = default_model(pretrained)
    if photographs is not None and photographs not in found:
        found[photographs] = _model(photographs, pretrained[photographs].path)
    for run in sorted(runs.iterdir()) if runs.is_dir() else []:
        folder = RunFolder(run)
        finished = folder.train.finished and folder.weights.is_file()
        if finished and not {run.resolve(), folder.weights.resolve()} & known and run.name not in found:
            found |= _if_readable(run.name, run)
    for name, file in pretrained.items():  # those of the paper's studies are offered where they are asked for
        if name not in found:
            found |= _if_readable(name, file.path)
    return found


def loader(models: dict[str, Model], device: str, precision: str) -> Callable[[str], Restorer]:
    """Return a function that maps a model's name to its restorer, loaded at the first call and kept.

    The function raises UserError if the name is not on offer, and the errors of `clearer.load`.
    """
    loaded: dict[str, Restorer] = {}
    one_at_a_time = threading.Lock()

    def restorer(name: str) -> Restorer:
        if name not in models:
            raise UserError(f"model: {name!r} is not on offer; choose one of {', '.join(models)}")
        with one_at_a_time:
            if name not in loaded:
                loaded[name] = load(models[name].source, device, precision)
            return loaded[name]

    return restorer


def _if_readable(name: str, source: Path) -> dict[str, Model]:
    """Return a model by its name; nothing, and a line in the log, if its weights cannot be read."""
    try:
        return {name: _model(name, source)}
    except UserError as error:
        log.warning("%s: not offered: %s", name, error)
        return {}


def _model(name: str, source: str | Path) -> Model:
    architecture, card = read_architecture(located(source))
    return Model(name, str(source), about(architecture, card), architecture.takes_level)
