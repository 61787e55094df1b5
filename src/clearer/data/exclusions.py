"""Lists of images that are neither trained on nor validated on (`data.exclude`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.items import Item

ROBUSTNESS = Path(__file__).parent / "lists" / "robustness.txt"
"""The images of the protocol ``robustness``, one path a line: ``FOLDER/NAME``."""

SHIPPED = {"robustness": ROBUSTNESS}
"""Lists that `data.exclude` names without a path."""


def read_list(path: str | Path) -> list[str]:
    """Return the lines of a list of images, without comments (``#``) and empty lines.

    Raises:
        UserError: the file cannot be read as text.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.exclude: {path} cannot be read as text ({error}); name a text file") from error
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def without_excluded(
    parts: Sequence[list[Item]], exclude: str | Sequence[str] | None, say: Callable[[str], None]
) -> list[list[Item]]:
    """Return the parts of a dataset without the images that lists name.

    Images are compared by file name without folder and suffix: a copy in another format is left out as well.

    Args:
        parts: the images of each part.
        exclude: text files with one image a line, or names of `SHIPPED`.
        say: called with a line that states how many images each list leaves out.

    Raises:
        UserError: a list cannot be read, a file of the user's names none of the images, or no image of a part is left.
    """
    kept = [list(part) for part in parts]
    for place in [exclude] if isinstance(exclude, str) else exclude or []:
        names = {Path(line).stem for line in read_list(SHIPPED.get(place, place))}
        before = sum(map(len, kept))
        kept = [[item for item in part if Path(item.name).stem not in names] for part in kept]
        left_out = before - sum(map(len, kept))
        named = any(Path(item.name).stem in names for part in parts for item in part)  # maybe on a list before, too
        if not named and place not in SHIPPED:
            raise UserError(f"data.exclude: {place} names none of the images; name their files, one a line")
        if any(whole and not part for whole, part in zip(parts, kept, strict=True)):
            raise UserError(f"data.exclude: {place} names all images of a part; add other images or change the list")
        say(f"data.exclude: {left_out} of {before} images are on the list {place} and left out")
    return kept
