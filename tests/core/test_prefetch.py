"""Reading ahead and writing behind: the order, exceptions, and threads that an interrupt hides from the executor."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from clearer.core.prefetch import one_ahead, one_behind


class Interrupt(BaseException):
    """What a signal raises."""


@pytest.fixture
def interrupted_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal arrives when a thread runs and the executor has not yet noted it."""
    start = threading.Thread.start

    def start_and_raise(thread: threading.Thread) -> None:
        start(thread)
        time.sleep(0.05)  # the thread is in the middle of its first call
        raise Interrupt

    monkeypatch.setattr(threading.Thread, "start", start_and_raise)


def test_items_come_in_order_and_no_more_than_one_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for k in range(5):
            made.append(k)
            yield k

    for k in one_ahead(items()):
        time.sleep(0.01)
        assert made == list(range(min(k + 2, 5)))
    written: list[int] = []
    with one_behind(written.append) as put:
        for k in range(5):
            put(k)
    assert written == list(range(5))


def test_exceptions_of_the_thread_are_raised_here() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    found = one_ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)
    with pytest.raises(ZeroDivisionError), one_behind(lambda x: 1 / x) as put:
        put(0)


def test_no_thread_reads_on_after_an_interrupt(interrupted_start: None) -> None:
    reading, ended = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        reading.set()
        time.sleep(0.2)
        ended.set()
        yield 1
        pytest.fail("read on")

    with pytest.raises(Interrupt):
        next(one_ahead(items()))
    assert reading.is_set() and ended.is_set()  # so the file can be closed now


def test_no_thread_writes_on_after_an_interrupt(interrupted_start: None) -> None:
    begun, ended = threading.Event(), threading.Event()

    def write(item: int) -> None:
        begun.set()
        time.sleep(0.2)
        ended.set()

    with pytest.raises(Interrupt), one_behind(write) as put:
        put(1)
    assert begun.is_set() and ended.is_set()
