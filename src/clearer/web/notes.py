"""Notes about several images: what is said of each, in as few lines as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from clearer.core.errors import UserError


class Note(NamedTuple):
    """A sentence about an image; ``left_out``: it says why the image cannot be used."""

    name: str
    text: str
    left_out: bool = False


class NothingUsable(UserError):
    """No image can be used; ``lines`` say why."""

    def __init__(self, notes: Sequence[Note]) -> None:
        # The name of the only image says nothing.
        self.lines = lines_of(notes) if len(notes) > 1 else [note.text for note in notes]
        super().__init__(" ".join(self.lines))


def lines_of(notes: Sequence[Note], count: int = 0) -> list[str]:
    """Return a line for each image, or for several images of which the same is said.

    Args:
        notes: each of one image at most once.
        count: number of images that are not left out; a line for all of them does not list their names.

    >>> lines_of([Note("a", "Dark."), Note("b", "Dark."), Note("b", "Cut."), Note("c", "Empty.", True)])
    ['a, b: Dark.', 'b: Cut.', 'c is left out: Empty.']
    >>> lines_of([Note("a", "Dark."), Note("b", "Dark."), Note("a", "Cut."), Note("a", "Bent.")], 2)
    ['All 2 images: Dark.', 'a: Cut. Bent.']
    """
    named: dict[tuple[str, bool], list[str]] = {}
    for name, text, left_out in notes:
        named.setdefault((text, left_out), []).append(name)
    said: dict[str, list[str]] = {}
    for (text, left_out), names in named.items():
        who = f"All {count} images" if len(names) == count > 1 and not left_out else ", ".join(names)
        if left_out:
            who += f" {'is' if len(names) == 1 else 'are'} left out"
        said.setdefault(who, []).append(text)
    return [f"{who}: {' '.join(texts)}" for who, texts in said.items()]
