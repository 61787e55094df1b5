"""Several uploads at once: their names, and their results in one zip."""

from __future__ import annotations

import secrets
import time
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clearer.core.errors import UserError
from clearer.web.actions import Progress, Result
from clearer.web.notes import Note, NothingUsable, lines_of
from clearer.web.uploads import GONE, held, remove

LONGEST_NAME = 150
"""Bytes of a name in UTF-8, without its suffix; file systems take 255."""
_KEPT = frozenset(" .()+,=@-_")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(1, 10))}


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
    text = unicodedata.normalize("NFC", str(name or "").encode(errors="replace").decode())
    last = text.replace("\\", "/").rpartition("/")[2]
    # Letters, marks and digits of all scripts.
    kept = "".join(c if c in _KEPT or unicodedata.category(c)[0] in "LMN" else "_" for c in last).strip(" .")
    stem, dot, suffix = kept.rpartition(".") if "." in kept else (kept, "", "")
    stem = stem.encode()[:LONGEST_NAME].decode(errors="ignore").strip(" .") or "image"
    if stem.partition(".")[0].casefold() in _RESERVED:  # on Windows
        stem = f"_{stem}"
    return f"{stem}{dot}{suffix[:10].strip(' ')}"


def restore_all(
    uploads: Sequence[Upload],
    folder: Path,
    restore: Callable[[Path, Progress], Result],
    progress: Progress = lambda share, doing: None,
) -> Result:
    """Restore several uploads one after another, and put the results in a zip.

    One that cannot be restored, or is gone meanwhile, is named with the reason, and left out.

    Args:
        uploads: their places.
        folder: of the places; the zip gets a sub-folder there. With it is the result that the page shows, the first.
        restore: restores the upload in a place, see `clearer.web.actions.restore_upload`.
        progress: called with the share done and a word on the work.

    Returns:
        The result of the first that could be restored, its file the zip, with the notes of all.

    Raises:
        UserError: none could be restored, or the zip cannot be written.
    """
    place = folder / f"{secrets.token_hex(16)}-zip"
    # However long the batch takes: the zip is kept for the whole time from its end on, and the uploads with it.
    with held(place, *(upload.place for upload in uploads)):
        return _restored_into(place, uploads, restore, progress)


def _restored_into(
    place: Path, uploads: Sequence[Upload], restore: Callable[[Path, Progress], Result], progress: Progress
) -> Result:
    """Do the work of `restore_all`; the zip is written to a new folder."""
    began = time.perf_counter()
    try:
        place.mkdir(mode=0o700)
        # Images are compressed already.
        with zipfile.ZipFile(place / "restored.zip", "w", zipfile.ZIP_STORED) as archive:
            batch = _Batch(place, archive)
            for k, upload in enumerate(uploads):
                batch.take(upload, restore, lambda share, doing, k=k: progress(  # type: ignore[misc]
                    (k + share) / len(uploads), f"{doing} {k + 1} of {len(uploads)}"
                ))  # fmt: skip
        if batch.shown is None:
            raise NothingUsable(batch.notes)
        count = f"{batch.count} images" if batch.count > 1 else "1 image"
        text = f"{count} restored in {time.perf_counter() - began:.1f} s. {batch.first}: {batch.shown.text}"
        notes = tuple(lines_of(batch.notes, batch.count))
        return replace(batch.shown, file=place / "restored.zip", text=text, notes=notes)
    except OSError as error:
        remove(place)
        raise UserError(f"The results could not be written: {error.strerror}.") from error
    except BaseException:
        remove(place)
        raise


class _Batch:
    """The results of several uploads: all in a zip, the first also as it was written."""

    def __init__(self, place: Path, archive: zipfile.ZipFile) -> None:
        self.place, self.archive = place, archive
        self.shown: Result | None = None
        self.first, self.count = "", 0
        self.notes: list[Note] = []
        self.taken: set[str] = set()

    def take(self, upload: Upload, restore: Callable[[Path, Progress], Result], progress: Progress) -> None:
        """Restore an upload and keep its result."""
        try:
            result = restore(upload.place, progress)
        except UserError as error:
            self.notes.append(Note(upload.name, str(error), left_out=True))
            return
        try:
            self.archive.write(result.file, _unique(Path(upload.name).stem, result.file.suffix, self.taken))
            if self.shown is None:
                moved = result.folder.rename(self.place / "first")
                self.shown, self.first = replace(result, folder=moved), upload.name
            else:
                remove(result.folder)
            self.notes += [Note(upload.name, note) for note in dict.fromkeys(result.notes)]
            self.count += 1
        except FileNotFoundError:  # the upload was taken away meanwhile
            self.notes.append(Note(upload.name, GONE, left_out=True))


def _unique(stem: str, suffix: str, taken: set[str]) -> str:
    """Return a name that no other has, also where case does not count; add it to those taken."""
    name, k = f"{stem}{suffix}", 1
    while name.casefold() in taken:
        k += 1
        name = f"{stem}-{k}{suffix}"
    taken.add(name.casefold())
    return name
