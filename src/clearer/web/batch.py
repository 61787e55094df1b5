"""Several uploads at once: their names, and their results in one zip."""

from __future__ import annotations

import re
import secrets
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.web.actions import Progress, Result
from clearer.web.uploads import GONE, remove

LONGEST_NAME = 100


@dataclass(frozen=True)
class Upload:
    """An upload: its folder (see `clearer.web.uploads`), and its name as the visitor knows it.

    The name stands in texts and in the zip alone; it is part of no path of this machine.
    """

    place: Path
    name: str


def cleaned(name: object) -> str:
    """Return the last part of a client's file name without what a file system or a text could take amiss.

    >>> cleaned("../a b.png"), cleaned("C:\\\\fakepath\\\\é<1>.tif"), cleaned("..")
    ('a b.png', 'é_1_.tif', 'image')
    """
    last = re.split(r"[/\\]", str(name or ""))[-1]
    kept = re.sub(r"[^\w .()+,=@-]", "_", last).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    return f"{stem[:LONGEST_NAME]}{dot}{suffix[:10]}" if dot else kept[:LONGEST_NAME] or "image"


def restore_all(
    uploads: Sequence[Upload],
    restore: Callable[[Path, Progress], Result],
    progress: Progress = lambda share, doing: None,
) -> Result:
    """Restore several uploads one after another, and put the results in a zip.

    One that cannot be restored is named with the reason, and left out.

    Args:
        uploads: the first is the one that the page shows.
        restore: restores the upload in a folder, see `clearer.web.actions.restore_upload`.
        progress: called with the share done and a word on the work.

    Returns:
        The result of the first that could be restored, its file the zip.

    Raises:
        UserError: none could be restored.
    """
    began, count = time.perf_counter(), len(uploads)
    done: list[tuple[Upload, Result]] = []
    failed: list[str] = []
    for k, upload in enumerate(uploads):

        def tell(share: float, doing: str, k: int = k) -> None:
            progress((k + share) / count, f"{doing} {k + 1} of {count}")

        try:
            done.append((upload, restore(upload.place, tell)))
        except UserError as error:
            failed.append(left_out(upload.name, error))
    if not done:
        raise UserError(" ".join(failed))
    first, shown = done[0]
    file = _zipped(first.place, [(upload.name, result.file) for upload, result in done])
    for upload, result in done[1:]:  # the page shows the first alone
        remove(upload.place / result.folder.name)
    seconds = time.perf_counter() - began
    text = f"{len(done)} images restored in {seconds:.1f} s. {first.name}: {shown.text}"
    return Result(shown.folder, file, " ".join([text, *failed]), shown.level)


def left_out(name: str, error: UserError) -> str:
    """Return a sentence about an upload that cannot be used."""
    return f"{name} is left out: {error}"


def _zipped(place: Path, files: Iterable[tuple[str, Path]]) -> Path:
    """Write restored files into a zip beside the first result; return the zip."""
    folder = place / f"{secrets.token_hex(8)}-zip"
    taken: set[str] = set()
    try:
        folder.mkdir()
        # Images are compressed already.
        with zipfile.ZipFile(folder / "restored.zip", "w", zipfile.ZIP_STORED) as archive:
            for name, file in files:
                archive.write(file, _unique(Path(name).stem, file.suffix, taken))
    except FileNotFoundError:  # other uploads have displaced this one meanwhile
        remove(folder)
        raise UserError(GONE) from None
    except OSError as error:
        remove(folder)
        raise UserError(f"The results could not be written: {error.strerror}.") from error
    return folder / "restored.zip"


def _unique(stem: str, suffix: str, taken: set[str]) -> str:
    """Return a name that no other has, also where case does not count; add it to those taken."""
    name, k = f"{stem}{suffix}", 1
    while name.lower() in taken:
        k += 1
        name = f"{stem}-{k}{suffix}"
    taken.add(name.lower())
    return name
