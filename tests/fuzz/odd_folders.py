"""Folders as users have them: names of all kinds, links, files that are no images, pairs that do not fit."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

NAMES = (
    b"a.png", b"A.PNG", b"a.b.png", b" .png", b"a\nb.png", b"caf\xe9.png", "é.png".encode(), "e\u0301.png".encode(),
    b"\x1b[31mred.png", b"-o.png", b"x" * 250 + b".png", b"a_noisy.png", b"a_clean.png", b"b-gt.png", b"b-lq.png",
    b"1.tif",
    b"01.tif", b"a.jpeg", b"a.jpg", b"noext", b".hidden.png", b"#a.png", b"a%20b.png", b"$HOME.png", b"a'b\".png",
    b"x.txt",
    b"x.mp4", b"x.npy", b".png", b"..png", b"a.png.tmp", b"._a.png", b"Thumbs.db", b"\xe2\x80\xaegnp.png", b"con.png",
    b"a*.png",
)  # fmt: skip
FOLDERS = (
    "",
    "",
    "clean",
    "noisy",
    "train",
    "val",
    "test",
    "gt",
    "input",
    "target",
    "Sub",
    "train/clean",
    "train/noisy",
)


def write_odd_folder(case: Path, data: bytes, chance: random.Random) -> set[str]:
    """Write a folder ``in`` whose files hold ``data`` or nothing sensible; return its files as paths below ``case``."""
    top = case / "in"
    top.mkdir()
    for folder in chance.sample(FOLDERS, chance.choice((1, 1, 2, 3))):
        (top / folder).mkdir(parents=True, exist_ok=True)
        for name in chance.sample(NAMES, chance.choice((1, 2, 5))):
            place = os.path.join(os.fsencode(top / folder), name)  # noqa: PTH118
            with contextlib.suppress(OSError):  # a name that this file system does not take, or one that exists
                _make(place, data, chance)
    return {os.path.relpath(path, case) for path in top.rglob("*") if not path.is_dir()}


def _make(place: bytes, data: bytes, chance: random.Random) -> None:
    kind = chance.random()
    if kind < 0.1:
        os.mkdir(place)  # noqa: PTH102
    elif kind < 0.15:
        os.mkfifo(place)
    elif kind < 0.3:
        targets = (b".", b"..", b"nothing", place, b"/dev/null", b"/dev/zero", b"a.png")
        Path(os.fsdecode(place)).symlink_to(os.fsdecode(chance.choice(targets)))
    else:
        with open(place, "xb") as file:  # noqa: PTH123
            file.write(chance.choice((data, data, b"", b"text")))
