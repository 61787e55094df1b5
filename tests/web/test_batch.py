"""Several uploads at once: the callbacks of the page, and the zip of the results."""

from __future__ import annotations

import os
import re
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clearer.core.errors import UserError
from clearer.inference.restorer import Restorer, load
from clearer.web import callbacks
from clearer.web.actions import Result, restore_upload
from clearer.web.batch import Upload, cleaned, restore_all
from clearer.web.callbacks import DOWNLOAD, INVITATION, Callbacks, Choices
from clearer.web.uploads import UPLOAD, Limits, remove_old
from helpers.networks import write_identity
from helpers.photos import photograph
from helpers.uploads import encoded, tiff, uploaded

LIMITS = Limits(megapixels=1)
REQUEST: Any = SimpleNamespace(session_hash="visitor")
CHOICES = Choices("gray", 0, 0, 0, False, "luma", 1, "4×")
PHOTOS = {name: photograph(name, 48)[:, :, 0] for name in ("camera.png", "moon.png")}


def still(*_: object) -> None:
    """Take progress."""


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return load(write_identity(tmp_path_factory.mktemp("gray") / "gray.safetensors"), "cpu")


def dropped(folder: Path, *files: tuple[str, bytes]) -> list[dict[str, str]]:
    """Return what gradio reports of uploads."""
    return [{"path": str(uploaded(folder, data) / UPLOAD), "orig_name": name} for name, data in files]


def calls_of(restorer: Restorer, folder: Path) -> Callbacks:
    return Callbacks(lambda name: restorer, folder, LIMITS, {})


def names(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.rglob(UPLOAD)}


def test_all_are_restored_and_offered_as_one_zip(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    files = dropped(
        tmp_path,
        ("../scans/a.png", encoded(PHOTOS["camera.png"])),
        ("b.tif", tiff(PHOTOS["moon.png"].astype(np.uint16) * 257)),
        ("A.PNG", encoded(PHOTOS["moon.png"])),
    )
    text, pair, *_ = calls.upload(files, 0, 0, 0, REQUEST)
    assert "3 images. The first, a.png: 48 × 48, gray." in text and "all 3 are restored" in text
    assert Path(pair["value"][0]).parent.name == Path(files[0]["path"]).parent.name
    shares: list[float] = []
    text, _, _, offer, *_ = calls.restore(CHOICES, REQUEST, lambda share, doing: shares.append(share))  # type: ignore[arg-type]
    assert re.search(r"3 images restored in [\d.]+ s\. a\.png: 48 × 48, restored", text)
    assert shares == sorted(shares) and shares[-1] <= 1
    assert offer["label"] == DOWNLOAD[1] and offer["value"].endswith("restored.zip")
    with zipfile.ZipFile(offer["value"]) as archive:
        assert archive.namelist() == ["a.png", "b.tif", "A-2.png"] and archive.testzip() is None
        archive.extractall(tmp_path / "out")
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert np.array_equal(np.asarray(image), PHOTOS["camera.png"])  # the model is the identity
    with Image.open(tmp_path / "out" / "b.tif") as image:
        assert np.array_equal(np.asarray(image), PHOTOS["moon.png"].astype(np.uint16) * 257)
    calls.restore(CHOICES, REQUEST, still)  # type: ignore[arg-type]
    assert len(list(tmp_path.rglob("restored.zip"))) == 1  # the new one replaces the old
    calls.forget(REQUEST)
    assert names(tmp_path) == set()


def test_what_cannot_be_read_is_named_and_left_out(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    files = dropped(
        tmp_path, ("<b>.txt", b"text"), ("one.png", encoded(PHOTOS["camera.png"])), ("none", b""),
    )  # fmt: skip
    text, *_ = calls.upload(files, 0, 0, 0, REQUEST)
    assert "1 images" not in text and "48 × 48" in text
    assert "_b_.txt is left out: This is not an image" in text and "none is left out: The file is empty" in text
    assert names(tmp_path) == {Path(files[1]["path"]).parent.name}
    text, _, _, offer, *_ = calls.restore(CHOICES, REQUEST, still)  # type: ignore[arg-type]
    assert "restored in" in text and "none is left out" in text  # said again
    assert offer["label"] == DOWNLOAD[0] and offer["value"].endswith("restored.png")
    unusable = dropped(tmp_path, ("a", b"x"), ("b", b""))
    text, *_ = calls.upload(unusable, 0, 0, 0, REQUEST)
    assert "problem" in text and "a is left out" in text and "b is left out" in text and names(tmp_path) == set()
    more = dropped(tmp_path, ("one.png", encoded(PHOTOS["camera.png"])))
    text, *_ = calls.upload([*unusable, *more], 0, 0, 0, REQUEST)
    assert "48 × 48" in text and "a is left out: This is not an image" in text  # the reason stays


def test_files_may_be_added_and_taken_away(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    first, second, third = (dropped(tmp_path, (name, encoded(PHOTOS["camera.png"])))[0] for name in "abc")
    calls.upload([first], 0, 0, 0, REQUEST)
    text, *_ = calls.upload([first, second, third], 0, 0, 0, REQUEST)
    assert "3 images. The first, a:" in text
    text, *_ = calls.upload([second, third], 0, 0, 0, REQUEST)
    assert "2 images. The first, b:" in text and Path(first["path"]).parent.name not in names(tmp_path)
    text, *_ = calls.upload([], 0, 0, 0, REQUEST)
    assert text == INVITATION and names(tmp_path) == set()


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path, gray: Restorer) -> None:
    uploads = [Upload(uploaded(tmp_path, encoded(PHOTOS["camera.png"])), name) for name in ("a.png", "b.png", "c.png")]

    def restore(place: Path, progress: Any) -> Result:
        if place == uploads[0].place:
            raise UserError("The image could not be restored: no reason.")
        return restore_upload(place, gray, LIMITS, progress=progress)

    result = restore_all(uploads, tmp_path, restore)
    assert result.text.startswith("2 images restored") and result.notes[0].startswith("a.png is left out: The")
    assert result.folder.parent == result.file.parent and (result.folder / "before-seen.png").exists()
    assert all([path.name for path in upload.place.iterdir()] == [UPLOAD] for upload in uploads)
    with zipfile.ZipFile(result.file) as archive:
        assert archive.namelist() == ["b.png", "c.png"]

    def fail(place: Path, progress: Any) -> Result:
        raise UserError("no")

    with pytest.raises(UserError, match=r"^a\.png, b\.png, c\.png are left out: no$"):
        restore_all(uploads, tmp_path, fail)
    assert len(list(tmp_path.glob("*-zip"))) == 1  # that of the first call


def test_a_first_image_that_cannot_be_shown_does_not_take_the_others_away(
    tmp_path: Path, gray: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = calls_of(gray, tmp_path)
    show = callbacks.show_upload

    def shown(place: Path, limits: Limits, added: Any) -> Any:
        if place.name == Path(files[0]["path"]).parent.name:
            raise UserError("It cannot be shown.")
        return show(place, limits, added)

    monkeypatch.setattr(callbacks, "show_upload", shown)
    files = dropped(tmp_path, *((name, encoded(PHOTOS["camera.png"])) for name in ("a.png", "b.png")))
    text, _, button, *_ = calls.upload(files, 0, 0, 0, REQUEST)
    assert "a.png is left out: It cannot be shown." in text and "48 × 48" in text and button["interactive"]
    assert [upload.name for upload in calls.visits["visitor"].uploads] == ["b.png"]


def test_notes_of_each_image_are_said(tmp_path: Path, gray: Restorer) -> None:
    uploads = [Upload(uploaded(tmp_path, encoded(PHOTOS["camera.png"])), f"{k}.png") for k in range(4)]
    lost = [("XMP is lost.", "Dark."), ("XMP is lost.",), ("XMP is lost.", "Cut.", "Bent.")]
    notes = {upload.place: of for upload, of in zip(uploads, lost, strict=False)}

    def restore(place: Path, progress: Any) -> Result:
        if place not in notes:
            raise UserError("No reason.")
        return replace(restore_upload(place, gray, LIMITS, progress=progress), notes=notes[place])

    result = restore_all(uploads, tmp_path, restore)
    assert result.notes == (
        "All 3 images: XMP is lost.", "0.png: Dark.", "2.png: Cut. Bent.", "3.png is left out: No reason.",
    )  # fmt: skip
    assert "XMP" not in result.text and "0.png: 48 × 48, restored" in result.text


def test_the_status_has_a_line_for_each_image(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    good = [(f"{k}.png", encoded(PHOTOS["camera.png"])) for k in range(2)]
    files = dropped(tmp_path, *good, ("<i>.txt", b"text"), ("b.txt", b"more"), ("c", b""))
    text, *_ = calls.upload(files, 0, 0, 0, REQUEST)
    assert re.match(r'<p class="line">2 images\. [^<]* Press Restore: all 2 are restored\.</p><ul class="notes">', text)
    lines = re.findall(r"<li>(.*?)</li>", text)
    assert len(lines) == 2 and lines[0].startswith("_i_.txt, b.txt are left out: This is not an image")
    assert lines[1].startswith("c is left out: The file is empty")
    text, *_ = calls.restore(CHOICES, REQUEST, still)  # type: ignore[arg-type]
    assert re.findall(r"<li>(.*?)</li>", text)[-2:] == lines  # said again
    text, *_ = calls.upload(files[2:], 0, 0, 0, REQUEST)
    assert text == f'<div class="problem" role="alert">{"".join(f"<p>{line}</p>" for line in lines)}</div>'
    text, *_ = calls.upload(files[4:], 0, 0, 0, REQUEST)
    assert re.search(r'role="alert"><p>The file is empty', text)


def test_what_happens_meanwhile_loses_no_result(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    files = dropped(tmp_path, *[(name, encoded(PHOTOS["camera.png"])) for name in ("a.png", "b.png", "c.png")])
    calls.upload(files, 0, 0, 0, REQUEST)
    said = []

    def meddle(share: float, doing: str) -> None:
        if doing == "Restoring 3 of 3" and not said:
            said.append(doing)
            calls.degrade(9, 0, 0, REQUEST)  # forgets results of the first
            shutil.rmtree(Path(files[1]["path"]).parent)

    text, pair, _, offer, *_ = calls.restore(CHOICES, REQUEST, meddle)  # type: ignore[arg-type]
    assert said and "3 images restored" in text and Path(pair["value"][0]).exists()
    with zipfile.ZipFile(offer["value"]) as archive:
        assert len(archive.namelist()) == 3
    # One that is gone is left out, the first too, and the others are restored.
    shutil.rmtree(Path(files[0]["path"]).parent)
    text, *_ = calls.restore(CHOICES, REQUEST, still)  # type: ignore[arg-type]
    assert "1 image restored" in text and "a.png, b.png are left out: The image is no longer" in text
    text, pair, button, *_ = calls.degrade(9, 0, 0, REQUEST)
    assert button["interactive"] and Path(pair["value"][0]).parent == Path(files[2]["path"]).parent
    calls.forget(REQUEST)
    assert list(tmp_path.iterdir()) == []


def test_a_visitor_who_leaves_while_images_are_read_leaves_nothing(
    tmp_path: Path, gray: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = calls_of(gray, tmp_path)
    files = dropped(tmp_path, *[(name, encoded(PHOTOS["camera.png"])) for name in ("a.png", "b.png")])
    read = callbacks.read_upload

    def leave(place: Path, limits: Limits) -> Any:
        calls.forget(REQUEST)
        return read(place, limits)

    monkeypatch.setattr(callbacks, "read_upload", leave)
    calls.upload(files, 0, 0, 0, REQUEST)
    assert list(tmp_path.iterdir()) == [] and calls.visits == {}


def test_a_file_counts_once_and_too_many_are_refused(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    files = dropped(tmp_path, ("a.png", encoded(PHOTOS["camera.png"])))
    text, *_ = calls.upload(files * LIMITS.files, 0, 0, 0, REQUEST)
    assert "48 × 48" in text and len(calls.visits["visitor"].uploads) == 1
    text, *_ = calls.upload(files * (LIMITS.files + 1), 0, 0, 0, REQUEST)
    assert "Too many files: this page takes up to 16 at a time" in text and names(tmp_path) == set()


def test_an_upload_of_another_place_is_refused(tmp_path: Path, gray: Restorer) -> None:
    calls = calls_of(gray, tmp_path)
    (good,) = dropped(tmp_path, ("a.png", encoded(PHOTOS["camera.png"])))
    (other,) = dropped(tmp_path, ("c.png", encoded(PHOTOS["camera.png"])))
    hostile = (
        "/etc/passwd",
        f"{tmp_path}/../{UPLOAD}",
        f"{tmp_path}/x/{UPLOAD}",
        f"/tmp/{Path(other['path']).parent.name}/{UPLOAD}",
    )
    for path in hostile:
        text, *_ = calls.upload([good, {"path": path, "orig_name": "b.png"}], 0, 0, 0, REQUEST)
        assert "48 × 48" in text and "b.png is left out" in text
        text, *_ = calls_of(gray, tmp_path).upload({"path": path, "orig_name": "b.png"}, 0, 0, 0, REQUEST)
        assert "problem" in text
    assert names(tmp_path) == {Path(one["path"]).parent.name for one in (good, other)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("चित्र.png", "चित्र.png"),
        ("รูปที่.tif", "รูปที่.tif"),
        ("e\u0301.png", "é.png"),
        ("CON.png", "_CON.png"),
        ("\ud800.png", "_.png"),
        ("...", "image"),
    ],
)
def test_names_stay_as_far_as_they_can(name: str, expected: str) -> None:
    assert cleaned(name) == expected


@given(st.text())
def test_names_are_those_of_files_in_one_folder(name: str) -> None:
    found = cleaned(name)
    assert 0 < len(found.encode()) <= 195 and found not in (".", "..") and not set(found) & set('/\\:*?"<>|\x00\n')
    assert not found.startswith(".") and cleaned(found) == found


@pytest.mark.parametrize("count", [1, 2])
def test_a_sweep_takes_nothing_of_work_that_takes_longer_than_files_are_kept(
    tmp_path: Path, gray: Restorer, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    calls = calls_of(gray, tmp_path)
    files = [(f"{k}.png", encoded(PHOTOS["moon.png"], "png")) for k in range(count)]
    calls.upload(dropped(tmp_path, *files), 0, 0, 0, REQUEST)

    def after_an_hour(*arguments: Any) -> Result:
        found = restore_upload(*arguments)
        for place in tmp_path.iterdir():
            os.utime(place, (time.time() - 3700,) * 2)
        remove_old(tmp_path, LIMITS)
        return found

    monkeypatch.setattr(callbacks, "restore_upload", after_an_hour)
    calls.restore(CHOICES, REQUEST, still)
    remove_old(tmp_path, LIMITS)
    visit = calls.visits["visitor"]
    assert len(visit.uploads) == count and all((upload.place / UPLOAD).exists() for upload in visit.uploads)
    assert visit.result is not None and visit.result.is_dir()
    if count > 1:
        assert visit.archive is not None
        with zipfile.ZipFile(visit.archive / "restored.zip") as archive:
            assert archive.namelist() == ["0.png", "1.png"]
    remove_old(tmp_path, LIMITS, time.time() + 3700)
    assert list(tmp_path.iterdir()) == []
