"""Read the next item and write the previous one in threads, while the caller works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


class _Guarded:
    """A function for a thread that does nothing more once it is closed; closing waits for the call under way.

    An executor waits for its threads, but not for one that an interrupt kept it from noting: while the interrupted
    caller closes its files, that thread would still work on them.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call, self._lock, self._closed = call, threading.Lock(), False

    def __call__(self, *args: Any) -> Any:
        with self._lock:
            return _END if self._closed else self._call(*args)

    def close(self) -> None:
        with self._lock:
            self._closed = True


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items; while the caller works on one, a thread makes the next one, and no more.

    An exception in the thread is raised when its item is due.
    """
    source = iter(items)
    with closing(_Guarded(lambda: next(source, _END))) as step, ThreadPoolExecutor(1, "clearer-read") as thread:
        waiting: Future[T | object] = thread.submit(step)
        while True:
            item = waiting.result()
            if item is _END:
                return
            waiting = thread.submit(step)
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
        behind.append(thread.submit(step, item))

    with closing(_Guarded(write)) as step, ThreadPoolExecutor(1, "clearer-write") as thread:
        yield put
        if behind:
            behind.pop().result()
