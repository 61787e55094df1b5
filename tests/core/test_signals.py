"""Signals that ask a process to stop become one exception, which nothing on the way takes for its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearer.core import signals
from clearer.core.errors import Interrupted
from clearer.core.signals import PARENT_HOLDS_INPUT, terminable

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")


@pytest.fixture(autouse=True)
def no_signal_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No signal was sent, and none is ignored, as Ctrl-C is in the background of a script."""
    monkeypatch.setattr(signals, "_latest", -signals.REPEATED)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in signals.stops()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    child = """
import os, signal, sys, time
from clearer.core.signals import end_with_parent
signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1], "w").close(), os._exit(0)))
end_with_parent()
print("ready", flush=True)
time.sleep(60)
"""
    parent = """
import os, subprocess, sys, time
run = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
run.stdout.readline()
print("ready", flush=True)
time.sleep(60)
"""
    ended = tmp_path / "ended"
    call = [sys.executable, "-c", parent, child, str(ended)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, env={**os.environ, PARENT_HOLDS_INPUT: "1"}) as running:
        assert running.stdout is not None and running.stdout.readline()
        assert not ended.exists()
        running.kill()
    until = time.monotonic() + 60
    while not ended.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert ended.exists()
