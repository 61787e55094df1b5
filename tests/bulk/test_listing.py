"""Folders elsewhere: what is taken from them, by which address, and that nothing is left out without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.bulk.folder import BulkFolder
from helpers.command import clearer as command

fsspec = pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402
from fsspec.utils import infer_storage_options  # noqa: E402


class Hosted(MemoryFileSystem):
    """Storage as that of FTP: addresses have a host, which is no part of the paths in it."""

    protocol = "hosted"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    closed: tuple[str, ...] = ()

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + infer_storage_options(path)["path"].strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path):
        return {key: value for key, value in infer_storage_options(path).items() if key in ("host", "username")}

    def ls(self, path, detail=True, **kwargs):
        if self._strip_protocol(path) in self.closed:
            raise PermissionError("not for you")
        return super().ls(path, detail=detail, **kwargs)


@pytest.fixture
def hosted(desk):
    fsspec.register_implementation("hosted", Hosted, clobber=True)
    Hosted.store.clear()
    yield Hosted()
    Hosted.store.clear()


def restored(*arguments: object):
    """Restore with one worker and records in the folder ``records``."""
    return command("restore", "model.safetensors", *arguments, "--state", "records", "--workers", 1, "--json")


def write_kinds(folder: Path, image: bytes) -> None:
    """Write images of several kinds, a text and a video."""
    from io import BytesIO

    from PIL import Image

    folder.mkdir()
    (folder / "ok.png").write_bytes(image)
    for name, kind in (("gif1.gif", "GIF"), ("j2k.jp2", "JPEG2000"), ("tga.tga", "TGA")):
        Image.open(BytesIO(image)).save(folder / name, kind)
    (folder / "notes.txt").write_text("no image")
    (folder / "film.mp4").write_bytes(b"no film")
    (folder / ".hidden.png").write_bytes(image)


@pytest.mark.parametrize("inside", [False, True])
def test_kinds_of_images_are_known_by_their_names_wherever_the_command_runs(desk, monkeypatch, inside):
    write_kinds(desk / "gf", Path("photos/camera.png").read_bytes())
    model, out, records = (desk / name for name in ("model.safetensors", "out", "records"))
    if inside:
        monkeypatch.chdir("gf")
    ended = command("restore", model, f"file://{desk}/gf", "-o", out, "--state", records, "--json")
    assert (ended.status, ended.json["restored"]) == (0, 4), ended.err
    videos, rest = ended.json["notes"][:2]
    assert "1 video(s) not restored" in videos and "1 file(s) not restored" in rest and rest.endswith("1 .txt")
    assert f"clearer: note: {rest}" in ended.err


def test_a_folder_here_says_the_same_with_workers(desk):
    write_kinds(desk / "gf", Path("photos/camera.png").read_bytes())
    plain = command("restore", "model.safetensors", "gf", "-o", "plain", "--json")
    ended = command("restore", "model.safetensors", "gf", "-o", "out", "--workers", 1, "--json")
    said = [note for note in plain.json["notes"] if "not restored" in note]
    assert len(said) == 2 and ended.json["notes"][:2] == said
    ended = command("restore", "model.safetensors", "gf", "-o", "some", "--pattern", "*.gif", "--workers", 1, "--json")
    assert not any("not restored" in note for note in ended.json["notes"])


def test_sub_folders_that_are_left_out_are_named(memory, desk):
    plain = command("restore", "model.safetensors", "photos", "-o", "plain", "--json")
    ended = command("restore", "model.safetensors", "photos", "-o", "out", "--workers", 1, "--json")
    note = "photos: sub-folders with images not restored (night); --recursive takes them, too"
    assert note in plain.json["notes"] and note in ended.json["notes"] and note in ended.err
    ended = command("restore", "model.safetensors", "photos", "-o", "all", "--workers", 1, "--recursive", "--json")
    assert not any("sub-folders" in one for one in ended.json["notes"])
    image = Path("photos/camera.png").read_bytes()
    for name in ("a.png", "night/b.png", ".hidden/c.png", "out/d.png"):
        memory.pipe_file(f"/in/{name}", image)
    ended = restored("memory://in", "-o", "memory://in/out")
    note = "memory://in: sub-folders not looked into (night); --recursive takes them, too"
    assert ended.json["restored"] == 1 and note in ended.json["notes"]


def test_signs_of_web_addresses_are_part_of_names_elsewhere(memory, desk):
    image = Path("photos/camera.png").read_bytes()
    for name in ("h#1.png", "q?1.png", "x[1].png"):
        memory.pipe_file(f"/in/{name}", image)
    ended = restored("memory://in", "-o", "memory://out")
    assert (ended.status, ended.json["restored"]) == (0, 3), ended.err
    assert sorted(memory.find("/out")) == ["/out/h#1.png", "/out/q?1.png", "/out/x[1].png"]
    assert command("restore", "model.safetensors", "memory://in/h#1.png", "-o", "memory://one/q?2.png").status == 0
    assert memory.find("/one") == ["/one/q?2.png"]


@pytest.mark.parametrize("out", ["sub/dir/out", "memory://b/sub/out"])
def test_a_name_that_leads_out_of_the_output_fails(memory, desk, out):
    image = Path("photos/camera.png").read_bytes()
    for name in ("ok.png", "../../../../evil.png", "a/../../evil.png", "a/fine.png"):
        memory.pipe_file(f"/b/in/{name}", image)
    ended = restored("memory://b/in", "-o", out, "--recursive")
    assert (ended.status, ended.json["restored"]) == (1, 2), ended.err
    assert ended.json["failed"] == 2 and "would lead out of the output folder" in ended.err
    written = [path for path in desk.rglob("*.png") if "photos" not in path.parts]
    written += [Path(name) for name in memory.store if not name.startswith("/b/in/")]
    assert sorted(path.name for path in written) == ["fine.png", "ok.png"]


def test_files_at_a_host_keep_its_address(hosted, desk):
    image = Path("photos/camera.png").read_bytes()
    for name in ("a.png", "sub/b.png", "closed/c.png", "sub/q?1.png"):
        hosted.pipe_file(f"/photos/{name}", image)
    Hosted.closed = ("/photos/closed",)
    ended = restored("hosted://me@lab/photos/", "-o", "hosted://me@lab/out", "--recursive")
    assert (ended.status, ended.json["restored"], ended.json["failed"]) == (1, 2, 2), ended.err
    assert "closed: cannot be listed" in ended.err and "q?***: no address" in ended.err
    assert sorted(hosted.find("/out")) == ["/out/a.png", "/out/sub/b.png"]
    listed = [entry.input for _, entry in _entries(Path("records"))]
    assert listed == ["hosted://me@lab/photos/a.png", "hosted://me@lab/photos/sub/b.png"]


def _entries(state: Path):
    from clearer.bulk.plan import BulkPlan

    folder = BulkFolder(state)
    plan = BulkPlan.read(folder.plan_file)
    return [entry for shard in range(plan.shards) for entry in folder.entries(plan, shard)]


@pytest.mark.parametrize("source", ["nest", "file://{D}/nest"])
def test_an_output_inside_the_source_is_no_input(desk, source):
    image = Path("photos/camera.png").read_bytes()
    for name in ("a.png", "sub/b.png", ".hidden/c.png"):
        (desk / "nest" / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / "nest" / name).write_bytes(image)
    (desk / "nest/sub/up").symlink_to("..")
    call = (source.replace("{D}", str(desk)), "-o", f"file://{desk}/nest/restored", "--recursive")
    assert restored(*call).json["restored"] == 2
    again = restored(*call)
    assert (again.status, again.json["restored"], again.json["already"], again.json["files"]) == (0, 0, 2, 2), again.err


def test_a_root_is_a_folder(memory, desk):
    memory.pipe_file("/a.png", Path("photos/camera.png").read_bytes())
    assert restored("memory://", "-o", "here").json["restored"] == 1
    memory.store.clear()
    assert restored("photos", "-o", "memory://", "--state", "more").json["restored"] == 5
    assert sorted(memory.store)[0] == "/astronaut.png"
