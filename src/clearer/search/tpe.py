"""Forms of networks that Optuna's tree-structured Parzen estimator asks for, by the PSNR of those trained before.

Bergstra et al., "Algorithms for hyper-parameter optimization" (NeurIPS 2011).
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearer.core.errors import UserError
from clearer.search.macro_space import DRAWN_DEPTHS, GROWTHS, PATTERNS, PROFILES, SCALES, UNSHUFFLES, Form, is_form

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

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
        journal: file of Optuna that it keeps, in place of one of an earlier call; any program of Optuna opens it.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, told: Sequence[Told], seed: int, journal: Path | None = None) -> None:
        optuna = checked_optuna()
        self._space: dict[str, BaseDistribution] = {
            name: optuna.distributions.CategoricalDistribution(values) for name, values in CHOICES.items()
        }
        with _quiet():
            # Two networks that are asked for before one is trained should differ: those asked for count as bad.
            sampler = optuna.samplers.TPESampler(
                seed=seed + len(told), multivariate=True, constant_liar=True, n_startup_trials=0
            )
            storage = None if journal is None else _new_journal(journal)
            self._study: Study = optuna.create_study(
                storage=storage, sampler=sampler, study_name="clearer", direction="maximize"
            )
            for each in told:
                self._study.add_trial(self._known(each))
        self._asked: Trial | None = None

    def _known(self, told: Told) -> Any:
        from optuna.trial import TrialState, create_trial

        # A trial that was pruned without a value counts as the worst; one that failed would be ignored.
        state = TrialState.PRUNED if told.psnr is None else TrialState.COMPLETE
        params = {name: getattr(told.form, name) for name in CHOICES}
        return create_trial(state=state, value=told.psnr, params=params, distributions=self._space)

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


def _new_journal(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.unlink(missing_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


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
