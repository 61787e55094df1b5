"""Find frames that a damaged file lost without a word: where its packets leave bytes and times uncovered."""

from __future__ import annotations

from array import array
from itertools import pairwise
from statistics import median
from typing import Any

_LONGEST_HEADER = 512
"""Bytes between packets that belong to the container."""


class Coverage:
    """The places of packets in a file.

    Containers such as Matroska go on behind a damaged part, and what was in it is missing. A gap in time alone may be
    meant, and bytes alone may be empty space.

    Args:
        index: of the stream whose frames are counted.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.starts, self.sizes = array("q"), array("q")  # of all packets
        self.frames = array("q")  # decoding time, first and last byte of packets of the stream

    def add(self, packet: Any) -> None:
        """Note a packet."""
        if packet.pos is None or packet.pos < 0:
            return
        self.starts.append(packet.pos)
        self.sizes.append(packet.size)
        if packet.stream.index == self.index and packet.dts is not None:
            self.frames.extend((packet.dts, packet.pos, packet.pos + packet.size))

    def missing(self) -> int:
        """Return the number of frames that fit into gaps of which bytes are uncovered too."""
        times, starts, ends = self.frames[::3], self.frames[1::3], self.frames[2::3]
        steps = [after - before for before, after in pairwise(times) if after > before]
        usual = median(steps) if steps else 1
        found = 0
        for k, (before, after) in enumerate(pairwise(times)):
            if after - before > 1.75 * usual and self._uncovered(ends[k], starts[k + 1]) > _LONGEST_HEADER:
                found += round((after - before) / usual) - 1
        return found

    def _uncovered(self, start: int, stop: int) -> int:
        inside = sum(size for place, size in zip(self.starts, self.sizes, strict=True) if start <= place < stop)
        return stop - start - inside
