"""Forms of networks that Optuna's tree-structured Parzen estimator asks for, by the PSNR of those trained before.

Bergstra et al., "Algorithms for hyper-parameter optimization" (NeurIPS 2011).
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clearer.core.errors import UserError
from clearer.core.files import written_whole
from clearer.search.macro_space import DRAWN_DEPTHS, GROWTHS, PATTERNS, PROFILES, SCALES, UNSHUFFLES, Form, is_form

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

CHOICES: dict[str, tuple[Any, ...]] = {
    "topology": tuple(PATTERNS),
    "scales": SCALES,
    "unshuffle": UNSHUFFLES,
    "growth": GROWTHS,
    "depth": DRAWN_DEPTHS,
    "profile": PROFILES,
    "pattern": tuple(dict.fromkeys(pattern for patterns in PATTERNS.values() for pattern in patterns)),
}
"""What a form chooses, with `Form`'s names."""
SEEDS = 2**32
"""Number of seeds that numpy takes, from 0; those of recipes are of 63 bits."""


@dataclasses.dataclass(frozen=True)
class Told:
    """A form that was trained, and its validation PSNR in dB; None where the training diverged."""

    form: Form
    psnr: float | None


class Estimator:
    """What to train next, by what was trained before; the same for the same ``told`` and ``seed``.

    Args:
        told: all that is known, in an order that does not depend on who trained what.
        seed: of its random numbers.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, told: Sequence[Told], seed: int) -> None:
        optuna = checked_optuna()
        self._space = _space()
        with _quiet():
            # Two networks that are asked for before one is trained should differ: those asked for count as bad.
            sampler = optuna.samplers.TPESampler(
                seed=(seed + len(told)) % SEEDS, multivariate=True, constant_liar=True, n_startup_trials=0
            )
            self._study: Study = optuna.create_study(sampler=sampler, direction="maximize")
            self._study.add_trials(_trials(told))
        self._asked: Trial | None = None

    def ask(self) -> Form:
        """Return the next form to train; see `reject`."""
        while True:
            with _quiet():
                self._asked = self._study.ask(self._space)
            form = Form(**self._asked.params)
            if is_form(form):
                return form
            self.reject()

    def reject(self) -> None:
        """Take back what was asked for last: it is no network to train.

        It counts as bad for this estimator. Were it ignored, the next ones would be the same.
        """
        from optuna.trial import TrialState

        assert self._asked is not None  # by the contract
        with _quiet():
            self._study.tell(self._asked, state=TrialState.PRUNED)


def checked_optuna() -> Any:
    """Return the module.

    Raises:
        UserError: it is not installed.
    """
    try:
        with _quiet():
            import optuna
            import optuna.storages.journal
    except ImportError:
        raise UserError("--sampler tpe: optuna is not installed; run pip install 'clearer[optuna]'") from None
    return optuna


class _Alone:
    """No lock of a journal, whose file nobody else knows yet. One of Optuna's, left by a crash, would be waited for."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def write_journal(told: Sequence[Told], path: Path) -> None:
    """Write a journal file of Optuna with the study ``clearer``: all that is known, for Optuna's own programs.

    Raises:
        UserError: Optuna is not installed.
        OSError: the file cannot be written.
    """
    optuna = checked_optuna()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    with written_whole(path) as temporary, _quiet():
        storage = JournalStorage(JournalFileBackend(str(temporary), lock_obj=cast(Any, _Alone())))
        optuna.create_study(storage=storage, study_name="clearer", direction="maximize").add_trials(_trials(told))


def _space() -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution

    return {name: CategoricalDistribution(values) for name, values in CHOICES.items()}


def _trials(told: Sequence[Told]) -> list[FrozenTrial]:
    from optuna.trial import TrialState, create_trial

    space = _space()
    return [
        create_trial(
            # A trial that was pruned without a value counts as the worst; one that failed would be ignored.
            state=TrialState.PRUNED if each.psnr is None else TrialState.COMPLETE,
            value=each.psnr,
            params={name: getattr(each.form, name) for name in CHOICES},
            distributions=space,
        )
        for each in told
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from printing that it made a study, and which of its options may change."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
