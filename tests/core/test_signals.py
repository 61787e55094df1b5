"""Signals that ask a process to stop become one exception, which nothing on the way takes for its own."""

from __future__ import annotations

import os
import signal

import pytest

from clearer.core import signals
from clearer.core.errors import Interrupted
from clearer.core.signals import terminable

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")


@pytest.fixture(autouse=True)
def no_signal_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_latest", -signals.REPEATED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_each_signal_passes_handlers_of_exceptions(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in signals.stops()]
    with pytest.raises(Interrupted, match="stopped here") as stopped, terminable("outside"), terminable("stopped here"):
        try:
            os.kill(os.getpid(), number)
        except Exception:
            pytest.fail("taken for another error")
    assert stopped.value.signal == number
    assert [signal.getsignal(one) for one in signals.stops()] == before


def test_a_repeated_signal_does_not_interrupt_what_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    undone = []
    with pytest.raises(Interrupted), terminable("stopped"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            undone.append(True)
    assert undone
    monkeypatch.setattr(signals, "REPEATED", 0)
    with pytest.raises(Interrupted), terminable("stopped"):
        os.kill(os.getpid(), signal.SIGTERM)


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable("stopped"):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
