"""Optuna's estimator over the forms of networks: its forms, what it learns, its repeatability, its journal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.search.macro_space import Form, form_at, is_form
from clearer.search.tpe import CHOICES, Estimator, Told, write_journal

optuna = pytest.importorskip("optuna")


def forms(count: int, seed: int = 0) -> list[Form]:
    points = torch.rand((count, 7), generator=torch.Generator().manual_seed(seed))
    return [form_at(point) for point in points.tolist()]


def told(count: int) -> list[Told]:
    """Return trainings where an unshuffle of 2 is worth 1 dB, and nothing else counts."""
    return [Told(form, 25.0 + (form.unshuffle == 2)) for form in forms(count)]


def asked(estimator: Estimator, count: int) -> list[Form]:
    return [estimator.ask() for _ in range(count)]


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 20), st.integers(0, 1000))
def test_all_that_it_asks_for_is_of_the_space_and_the_same_again(count: int, seed: int) -> None:
    found = asked(Estimator(told(count), seed), 4)
    assert all(is_form(form) and form.more == 0 for form in found)
    assert all(getattr(form, name) in values for form in found for name, values in CHOICES.items())
    assert found == asked(Estimator(told(count), seed), 4)


@pytest.mark.parametrize("seed", [2**32 - 1, 2**32, 2**63 - 2**16 - 1])
def test_every_seed_of_a_recipe_is_taken(seed: int) -> None:
    assert asked(Estimator(told(3), seed), 1) == asked(Estimator(told(3), seed % 2**32), 1)


def test_every_form_that_can_be_drawn_can_be_asked_for() -> None:
    for form in forms(200):
        assert is_form(form)
        assert all(getattr(form, name) in values for name, values in CHOICES.items())


def test_it_asks_for_what_was_better_and_avoids_what_diverged() -> None:
    def share(known: list[Told]) -> float:
        found = [form for seed in range(40) for form in asked(Estimator(known, seed), 2)]
        return sum(form.unshuffle == 2 for form in found) / len(found)

    assert share([]) < 0.5 < 0.6 < share(told(18))
    diverged = [Told(each.form, None if each.form.unshuffle == 2 else 25.0) for each in told(18)]
    assert share(diverged) <= 0.2


def test_what_is_asked_for_together_differs_and_can_be_rejected() -> None:
    assert len(set(asked(Estimator(told(18), 0), 6))) > 3
    estimator = Estimator(told(18), 0)
    estimator.ask()
    estimator.reject()
    assert is_form(estimator.ask())


@pytest.mark.parametrize("place", ["absolute", "relative"])
def test_the_journal_holds_all_that_it_was_told(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of Optuna, which a process left that was killed, keeps nobody waiting."""
    monkeypatch.chdir(tmp_path)
    file = (tmp_path if place == "absolute" else Path()) / "run" / "optuna.journal"
    file.parent.mkdir()
    file.with_name("optuna.journal.lock").symlink_to(file)
    known = [*told(9), Told(forms(1, seed=5)[0], None)]
    for count in (5, 10):  # a later call replaces it
        write_journal(known[:count], file)
    assert capsys.readouterr().err == ""
    file.with_name("optuna.journal.lock").unlink()
    study = optuna.load_study(
        study_name="clearer",
        storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file))),
    )
    assert [trial.value for trial in study.trials] == [each.psnr for each in known]
    assert study.trials[0].params == {name: getattr(known[0].form, name) for name in CHOICES}
    assert study.trials[9].state.name == "PRUNED" and study.best_value == 26.0
    assert [entry.name for entry in file.parent.iterdir()] == ["optuna.journal"]


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"optuna is not installed; run pip install 'clearer\[optuna\]'"):
        Estimator([], 0)
