"""Threads for work on many small matrices, which torch decomposes one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")
Found = TypeVar("Found")


def in_threads(function: Callable[[Part], Found], parts: Sequence[Part]) -> Iterator[Found]:
    """Yield what the function makes of each part, in their order, in as many threads as torch uses.

    Each operation of torch runs in one thread meanwhile. As many results as there are threads are held at once.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(parts), threads):
                yield from pool.map(function, parts[first : first + threads])
    finally:
        torch.set_num_threads(threads)
