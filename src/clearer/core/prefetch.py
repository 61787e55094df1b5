"""Read the next item and write the previous one in threads, while the caller works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_END = object()


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items; while the caller works on one, a thread makes the next one, and no more.

    An exception in the thread is raised when its item is due.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "clearer-read") as thread:
        waiting: Future[T | object] = thread.submit(next, source, _END)
        while True:
            item = waiting.result()
            if item is _END:
                return
            waiting = thread.submit(next, source, _END)
            yield item  # type: ignore[misc]


@contextmanager
def one_behind(write: Callable[[T], None]) -> Iterator[Callable[[T], None]]:
    """Yield a function that gives an item to ``write`` in a thread, and waits for the one before it.

    At most two items wait to be written. An exception in ``write`` is raised by the next call, or at the end.
    """
    behind: list[Future[None]] = []

    def put(item: T) -> None:
        if behind:
            behind.pop().result()
        behind.append(thread.submit(write, item))

    with ThreadPoolExecutor(1, "clearer-write") as thread:
        yield put
        if behind:
            behind.pop().result()
