"""Many images: folders, folder trees, standard input and output, existing outputs, broken files, overlapping work."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.depth import depth_of_file
from clearer.images.io import read_file, read_header
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.output_names import RECORD
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command
from helpers.networks import StandIn, stand_in


def put(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != RECORD)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for k, name in enumerate(("a.png", "b.jpg", "day1/c.png", "day1/.hidden.png", "day2/deep/d.tif")):
        put(tmp_path / "in" / name, k)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def test_a_folder_tree_is_restored_to_a_folder_tree(tree: Path, tmp_path: Path) -> None:
    outcome = restore_path(stand_in(3), tree, tmp_path / "out", RestoreOptions(recursive=True))
    assert below(tmp_path / "out") == ["a.png", "b.jpg", "day1/c.png", "day2/deep/d.tif"]
    assert sorted(outcome.written) == sorted(tmp_path / "out" / name for name in below(tmp_path / "out"))
    assert below(tree)[-1] == "notes.txt"


def test_the_output_may_lie_inside_the_input(tree: Path) -> None:
    for _ in range(2):  # what the first call wrote is not restored by the second
        outcome = restore_path(stand_in(3), tree, tree / "restored", RestoreOptions(recursive=True))
        assert len(outcome.written) == 4


@pytest.mark.parametrize(
    ("pattern", "recursive", "names"),
    [
        ("*.png", False, ["a.png"]),
        ("*.png", True, ["a.png", "day1/c.png"]),
        ("day?/*.png", True, ["day1/c.png"]),
        ("[ab].*", True, ["a.png", "b.jpg"]),
    ],
)
def test_patterns_select_files(tree: Path, tmp_path: Path, pattern: str, recursive: bool, names: list[str]) -> None:
    restore_path(stand_in(3), tree, tmp_path / "out", RestoreOptions(recursive=recursive, pattern=pattern))
    assert below(tmp_path / "out") == names
    with pytest.raises(UserError, match="no images that match"):
        restore_path(stand_in(3), tree, tmp_path / "out", RestoreOptions(pattern="*.gif"))


def test_one_format_for_all_and_names_that_collide(tmp_path: Path) -> None:
    for k, name in enumerate(("a.bmp", "a.png", "a.tif")):
        put(tmp_path / "in" / name, k)
    restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", RestoreOptions(format="png"))
    assert below(tmp_path / "out") == ["a.bmp.png", "a.png", "a.tif.png"]
    for name, source in (("a.png", "a.png"), ("a.bmp.png", "a.bmp"), ("a.tif.png", "a.tif")):
        pair = (Image.open(tmp_path / "out" / name), Image.open(tmp_path / "in" / source))
        assert np.array_equal(*map(np.asarray, pair))


def test_the_content_selects_the_format(tmp_path: Path) -> None:
    put(tmp_path / "in" / "x.png").rename(tmp_path / "in" / "wrong.jpg")
    put(tmp_path / "in" / "y.gif").rename(tmp_path / "in" / "gif.png")
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out")
    assert below(tmp_path / "out") == ["gif.png", "wrong.jpg.png"]
    assert Image.open(tmp_path / "out" / "wrong.jpg.png").format == "PNG"
    assert any("GIF" in note for note in outcome.notes)


def test_existing_outputs_are_skipped_on_request(tree: Path, tmp_path: Path) -> None:
    kept = put(tmp_path / "out" / "a.png", 99).read_bytes()
    steps: list[tuple[int, int]] = []
    outcome = restore_path(
        stand_in(3), tree, tmp_path / "out", RestoreOptions(skip_existing=True), lambda *s: steps.append(s)
    )
    assert (tmp_path / "out" / "a.png").read_bytes() == kept
    assert outcome.skipped == [tmp_path / "out" / "a.png"] and outcome.written == [tmp_path / "out" / "b.jpg"]
    assert steps == [(2, 2)]
    restore_path(stand_in(3), tree, tmp_path / "out")
    assert (tmp_path / "out" / "a.png").read_bytes() != kept


def test_a_broken_file_is_reported_and_the_others_restored(tree: Path, tmp_path: Path) -> None:
    (tree / "aa.png").write_bytes((tree / "a.png").read_bytes()[:40])
    (tree / "empty.jpg").write_bytes(b"")
    (tree / "lost.png").symlink_to(tree / "nowhere")
    steps: list[tuple[int, int]] = []
    outcome = restore_path(stand_in(3), tree, tmp_path / "out", progress=lambda *s: steps.append(s))
    assert below(tmp_path / "out") == ["a.png", "b.jpg"]
    assert sorted(Path(name).name for name, _ in outcome.failed) == ["aa.png", "empty.jpg", "lost.png"]
    assert all(fault.startswith(name) and "\n" not in fault for name, fault in outcome.failed)
    assert sorted(steps) == [(k, 5) for k in range(1, 6)]


def test_a_failed_write_is_reported_and_leaves_nothing(tree: Path, tmp_path: Path, monkeypatch) -> None:
    def full(file: Any, image: Any, quality: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clearer.images.jpeg.write_jpeg", full)
    outcome = restore_path(stand_in(3), tree, tmp_path / "out")
    assert [Path(name).name for name, _ in outcome.failed] == ["b.jpg"] and "disk is full" in outcome.failed[0][1]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png"]
    with pytest.raises(UserError, match="disk is full"):
        restore_path(stand_in(3), tree / "b.jpg", tmp_path / "one")
    assert not below(tmp_path / "one")


# The command line


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = RestorationNetwork(Architecture.parse("P", channels=3, width=4, norm="none", residual=True))
    save_weights(tmp_path / "model.safetensors", network, {})
    return tmp_path / "model.safetensors"


def test_the_exit_status_shows_failures(model: Path, tree: Path, tmp_path: Path) -> None:
    assert command("restore", model, tree, "-o", tmp_path / "good").status == 0
    (tree / "aa.png").write_bytes(b"\x89PNG")
    ended = command("restore", model, tree, "-o", tmp_path / "out", "-r", "--json")
    assert ended.status == 1 and "aa.png" in ended.err and ended.err.startswith("clearer: ")
    found = ended.json
    assert len(found["written"]) == 4 and [Path(f["file"]).name for f in found["failed"]] == ["aa.png"]
    assert command("restore", model, tree / "aa.png", "-o", tmp_path / "one").status == 2
    again = command("restore", model, tree, "-o", tmp_path / "out", "-r", "--skip-existing", "--json")
    assert again.status == 1 and len(again.json["skipped"]) == 4 and not again.json["written"]


@pytest.mark.parametrize(("suffix", "options", "format"), [("png", [], "PNG"), ("tif", ["--format", "webp"], "WEBP")])
def test_standard_input_and_output(
    model: Path, tmp_path: Path, monkeypatch, suffix: str, options: list[str], format: str
) -> None:
    data = put(tmp_path / f"x.{suffix}").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "argv", ["clearer", "restore", str(model), "-", "-o", "-", *options])
    monkeypatch.setattr(sys, "stdout", written)
    from clearer.cli.main import main

    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    found = Image.open(io.BytesIO(written.buffer.getvalue()))  # type: ignore[attr-defined]
    assert found.format == format and found.size == (9, 8)
    command("restore", model, tmp_path / f"x.{suffix}", "-o", tmp_path / f"y.{format.lower()}")
    assert np.array_equal(np.asarray(found), np.asarray(Image.open(tmp_path / f"y.{format.lower()}")))


def test_errors_of_standard_input_are_reported(model: Path, tmp_path: Path, monkeypatch) -> None:
    for data in (b"", b"text", b"\x89PNG\r\n\x1a\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        ended = command("restore", model, "-", "-o", tmp_path / "out.png")
        assert ended.status == 2 and ended.err.startswith("clearer: standard input: ") and ended.err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()
    assert command("restore", model, "-", "-o", tmp_path).status == 2


def test_options_reach_the_images(model: Path, tmp_path: Path) -> None:
    source = put(tmp_path / "x.png")
    strong = ["--strength", "0", "--depth", "16", "--format", "tiff"]
    ended = command("restore", model, source, "-o", tmp_path / "out", *strong, "--json")
    assert json.loads(json.dumps(ended.json))["strength"] == 0
    import tifffile

    assert np.array_equal(tifffile.imread(tmp_path / "out" / "x.tif"), np.asarray(Image.open(source)).astype(int) * 257)


# Overlap


def test_reading_and_writing_overlap_with_the_work() -> None:
    made, written = [], []
    both = threading.Barrier(2, timeout=5)  # passed only if two of the three work at a time

    def items() -> Any:
        for k in range(4):
            made.append((k, threading.current_thread().name))
            if k == 1:
                both.wait()
            yield k

    def write(k: int) -> None:
        if k == 1:
            both.wait()
        written.append((k, threading.current_thread().name))

    with one_behind(write) as behind:
        for k in one_ahead(items()):
            if k == 0:
                both.wait()  # with the thread that makes 1
            behind(k)
            if k == 1:
                both.wait()  # with the thread that writes 1
    assert [k for k, _ in written] == [0, 1, 2, 3]
    assert {name.split("_")[0] for _, name in made} == {"clearer-read"}
    assert {name.split("_")[0] for _, name in written} == {"clearer-write"}


def test_reading_and_writing_are_bounded() -> None:
    made, written, most = itertools.count(), itertools.count(), 0

    def write(_: int) -> None:
        time.sleep(0.002)
        next(written)

    def items() -> Any:
        nonlocal most
        for k in range(20):
            most = max(most, k - int(repr(written)[6:-1]))
            next(made)
            yield k

    with one_behind(write) as behind:
        for k in one_ahead(items()):
            behind(k)
    assert next(made) == next(written) == 20
    assert most <= 4  # one ahead, one at work, two to be written


def test_errors_in_threads_are_raised() -> None:
    def items() -> Any:
        yield 1
        raise KeyError("made")

    with pytest.raises(KeyError, match="made"):
        list(one_ahead(items()))

    def write(k: int) -> None:
        raise KeyError("written")

    with pytest.raises(KeyError, match="written"), one_behind(write) as behind:
        behind(1)


# Soundness


class Unsound(StandIn):
    """Degraded while autocast is on; sound in fp32, or never."""

    def __init__(self, degraded: float, always: bool) -> None:
        super().__init__()
        self.degraded, self.always, self.calls = degraded, always, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.degraded if self.always or torch.is_autocast_enabled("cpu") else x


@pytest.mark.parametrize(
    ("degraded", "words"), [(float("nan"), "not finite"), (float("inf"), "not finite"), (0, "black")]
)
def test_unsound_output_is_recomputed_in_fp32_or_refused(tmp_path: Path, degraded: float, words: str) -> None:
    image = np.full((5, 6), 90, np.uint8)
    network = Unsound(degraded, False)
    restorer = Restorer(network, device="cpu", precision="bf16")  # type: ignore[arg-type]
    assert np.array_equal(restorer.restore(image), image) and network.calls == 2
    assert restorer.precision == "bf16"
    for precision in ("bf16", "fp32"):
        hopeless = Restorer(Unsound(degraded, True), device="cpu", precision=precision)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=f"^image: .*{words}"):
            hopeless.restore(image)
    put(tmp_path / "x.png")
    with pytest.raises(UserError, match=rf"x\.png: .*{words}"):
        restore_path(hopeless, tmp_path / "x.png", tmp_path / "y.png")
    assert not (tmp_path / "y.png").exists()


def test_a_dark_image_may_become_black() -> None:
    restorer = Restorer(Unsound(0, True), device="cpu", precision="fp32")  # type: ignore[arg-type]
    assert not restorer.restore(np.full((5, 6), 3, np.uint8)).any()
    assert not restorer.restore(np.zeros((5, 6), np.uint8)).any()


# Messages, and files left behind


def test_formats_that_cannot_be_written_become_png(tmp_path: Path) -> None:
    put(tmp_path / "in" / "x.gif")
    put(tmp_path / "in" / "y.tga")
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", RestoreOptions(pattern="*"))
    assert below(tmp_path / "out") == ["x.gif.png", "y.tga.png"]
    assert all(Image.open(path).format == "PNG" for path in outcome.written)
    restore_path(stand_in(3), tmp_path / "in" / "x.gif", tmp_path / "out")  # into a folder


def test_videos_that_are_not_restored_are_reported(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.mp4").write_bytes(b"")
    (tmp_path / "in" / "deep").mkdir()
    (tmp_path / "in" / "deep" / "c.mkv").write_bytes(b"")
    for recursive, count in ((False, 1), (True, 2)):
        outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out", RestoreOptions(recursive=recursive))
        assert [note for note in outcome.notes if f"{count} video(s) not restored" in note]
        assert len(outcome.written) == 1
    with pytest.raises(UserError, match="--format is for images"):
        restore_path(stand_in(3), tmp_path / "in" / "b.mp4", tmp_path / "c.mp4", RestoreOptions(format="png"))
    with pytest.raises(UserError, match="--depth is for images"):
        restore_path(stand_in(3), tmp_path / "in" / "b.mp4", tmp_path / "c.mp4", RestoreOptions(depth="16"))


def test_floats_beyond_white_are_reported(tmp_path: Path) -> None:
    for name, most in (("hdr.tif", 1.67), ("plain.tif", 1.01)):
        tifffile.imwrite(tmp_path / name, np.linspace(0, most, 42, dtype=np.float32).reshape(6, 7))
        outcome = restore_path(stand_in(), tmp_path / name, tmp_path / "out.tif")
        assert ("reach from 0 to 1.67" in " ".join(outcome.notes)) is (name == "hdr.tif")


def test_pages_that_cannot_be_written_are_refused_before_restoring(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    network = Unsound(1, True)
    with pytest.raises(UserError, match="has 3 pages"):
        restore_path(Restorer(network, device="cpu"), tmp_path / "a.tif", tmp_path / "b.png")  # type: ignore[arg-type]
    assert network.calls == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
def test_a_full_standard_output_is_reported_in_one_line(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    call = [sys.executable, "-m", "clearer", "restore", "denoise-gray", str(tmp_path / "a.png"), "-o", "-"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2 and "No space left" in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_terminated_restore_leaves_no_partial_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((900, 1200), np.uint8))
    program = f"""
import clearer.inference.large_tiff as large, os, signal, sys
large.LARGE = 10
write = large.write_by_rows
def announced(file, data, plan, pages, bands):
    def then(image):
        for band in bands(image):
            os.kill(os.getpid(), signal.SIGTERM)
            yield band
    write(file, data, plan, pages, then)
large.write_by_rows = announced
from clearer.cli.main import main
sys.argv = ["clearer", "restore", "denoise-gray", {str(tmp_path / "a.tif")!r}, "-o", {str(tmp_path / "b.tif")!r}]
main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 128 + 15 and "stopped" in ended.stderr, ended.stderr
    assert below(tmp_path) == ["a.tif"]


def test_folders_with_a_dot_and_long_names(tmp_path: Path) -> None:
    name = "n" * 240 + ".png"
    put(tmp_path / name)
    outcome = restore_path(stand_in(3), tmp_path / name, f"{tmp_path / 'out.v2'}/")
    assert outcome.written == [tmp_path / "out.v2" / name] and below(tmp_path / "out.v2") == [name]


def test_links_to_folders_are_followed_and_never_in_circles(tree: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "e.png")
    (tree / "linked").symlink_to(tmp_path / "elsewhere")
    (tree / "day1" / "up").symlink_to(tree)
    (tmp_path / "elsewhere" / "back").symlink_to(tree / "day1")
    (tree / "self").symlink_to("self")
    restore_path(stand_in(3), tree, tmp_path / "out", RestoreOptions(recursive=True))
    expected = ["a.png", "b.jpg", "day1/c.png", "day2/deep/d.tif", "linked/back/c.png", "linked/e.png"]
    assert below(tmp_path / "out") == expected


def test_other_kinds_are_restored_and_the_rest_is_counted(tmp_path: Path) -> None:
    for k, name in enumerate(("a.png", "b.gif", "c.tga", "d.pcx", "e.png")):
        put(tmp_path / "in" / name, k)
    (tmp_path / "in" / "e.png").rename(tmp_path / "in" / "e")  # without a suffix
    for name in ("notes.txt", "more.TXT", "README", "broken.gif", ".hidden"):
        (tmp_path / "in" / name).write_text("no image")
    outcome = restore_path(stand_in(3), tmp_path / "in", tmp_path / "out")
    assert below(tmp_path / "out") == ["a.png", "b.gif.png", "c.tga.png", "d.pcx.png", "e.png"]
    (note,) = [note for note in outcome.notes if "not restored" in note]
    assert note.endswith(
        "in: 4 file(s) not restored, which are no images that can be read: 1 without a suffix, 1 .gif, 2 .txt"
    )


@pytest.mark.parametrize("name", ["pipe.png", "pipe.tif", "pipe"])
def test_a_pipe_is_refused_and_never_waited_for(tree: Path, tmp_path: Path, name: str) -> None:
    os.mkfifo(tree / name)
    said = "a device or a pipe"
    outcome = restore_path(stand_in(3), tree, tmp_path / "out", RestoreOptions(check=False))
    assert outcome.written and len(outcome.failed) == (1 if "." in name else 0)
    assert all(said in fault for _, fault in outcome.failed)
    for read in (
        lambda path: restore_path(stand_in(1), path, tmp_path / "x.png"),
        read_file,
        read_header,
        depth_of_file,
    ):
        with pytest.raises(UserError, match=said):
            read(tree / name)


@pytest.mark.parametrize("through_link", [False, True])
def test_a_pipe_or_a_device_is_never_replaced(tree: Path, tmp_path: Path, through_link: bool) -> None:
    source, pipe = next(tree.glob("*.png")), tmp_path / "pipe.png"
    os.mkfifo(pipe)
    target = tmp_path / "link.png" if through_link else pipe
    if through_link:
        target.symlink_to(pipe)
    with pytest.raises(UserError, match="a device or a pipe"):
        restore_path(stand_in(1), source, target, RestoreOptions(check=False))
    assert pipe.is_fifo()


def test_sub_folders_that_are_left_out_are_said(tree: Path, tmp_path: Path) -> None:
    # day2 has images further down only: no walk through all folders for a note.
    note = f"{tree}: sub-folders with images not restored (day1); --recursive takes them, too"
    assert note in restore_path(stand_in(3), tree, tmp_path / "out").notes
    assert note not in restore_path(stand_in(3), tree, tmp_path / "all", RestoreOptions(recursive=True)).notes
    put(tree / "out" / "x.png")
    assert note in restore_path(stand_in(3), tree, tree / "out").notes  # and not the output's own
    for name in ("a.png", "b.jpg"):
        (tree / name).unlink()
    with pytest.raises(UserError, match=r"no images directly in this folder; --recursive takes its sub-folders \(day1"):
        restore_path(stand_in(3), tree, tmp_path / "none")


@pytest.mark.parametrize("name", ["o.jpg", "o.mp4", "o.TIF"])
def test_a_folder_does_not_become_a_folder_with_the_name_of_a_file(tree: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: would become a folder, as .*in is one; leave the suffix out"):
        restore_path(stand_in(3), tree, tmp_path / name)
    assert not (tmp_path / name).exists()
    restore_path(stand_in(3), tree, f"{tmp_path / name}/")
    assert (tmp_path / name / "a.png").is_file()
    assert restore_path(stand_in(3), tree, tmp_path / name).written  # it is one now
