"""Files elsewhere, through fsspec: its memory and its local file system."""

from __future__ import annotations

import functools
import http.server
import socket
import socketserver
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.bulk.folder import BulkFolder
from clearer.core.addresses import true_fault
from helpers.command import clearer as command

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory(memory):
    """The photographs of the desk in memory, as memory://photos."""
    for path in Path("photos").rglob("*.png"):
        memory.pipe(f"/{path.as_posix()}", path.read_bytes())
    return memory


def test_a_folder_in_memory_is_restored_into_memory(memory, desk):
    assert command("restore", "model.safetensors", "photos", "-o", "plain", "--recursive").status == 0
    call = (
        "restore",
        "model.safetensors",
        "memory://photos",
        "-o",
        "memory://out",
        "-r",
        "--state",
        "records",
        "--json",
    )
    ended = command(*call)
    assert (ended.status, ended.json["restored"]) == (0, 7), ended.err
    for path in Path("plain").rglob("*.png"):
        assert memory.cat(f"/out/{path.relative_to('plain').as_posix()}") == path.read_bytes()
    assert all(name.endswith(".png") and ".tmp" not in name for name in memory.find("/out"))
    assert command(*call).json["already"] == 7
    record = next(BulkFolder(Path("records")).records())
    assert record.input.startswith("memory://") and record.output.startswith("memory://out/")


def test_one_file_and_a_list_go_between_here_and_there(memory, desk):
    assert command("restore", "model.safetensors", "memory://photos/camera.png", "-o", "here.png").status == 0
    assert command("restore", "model.safetensors", "photos/camera.png", "-o", "memory://there.png").status == 0
    assert memory.cat("/there.png") == Path("here.png").read_bytes()
    address = f"file://{desk}/photos/coffee.png"
    Path("list.csv").write_text(f"{address},memory://out/coffee.tif\nmemory://photos/none.png,out/none.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv", "--state", "records", "--json")
    assert (ended.status, ended.json["restored"], ended.json["failed"]) == (1, 1, 1)
    assert ended.err.count("memory://photos/none.png: no such file") == 1
    with memory.open("/out/coffee.tif") as file:
        assert np.asarray(Image.open(file)).shape == (40, 40)


def test_one_file_goes_into_a_folder_elsewhere_without_the_record_of_names(memory, desk):
    for name in ("camera", "coffee"):  # which entry of a folder comes first depends on the names
        call = ("restore", "model.safetensors", f"photos/{name}.png", "-o", "memory://one/", "--format", "tiff")
        assert command(*call).status == 0
    assert sorted(Path(name).suffix for name in memory.find("/one")) == [".tif", ".tif"]


def test_one_file_elsewhere_is_named_as_the_user_did(memory, desk):
    call = ("restore", "model.safetensors", "memory://photos/camera.png", "-o", "memory://named/v1.2/", "--json")
    ended = command(*call)
    assert (
        ended.json["written"]
        == ["memory://named/v1.2/camera.png"]
        == [f"memory:/{name}" for name in memory.find("/named")]
    )
    assert [fit["file"] for fit in ended.json["fits"]] == ["memory://photos/camera.png"]
    assert ".tmp" not in ended.out + ended.err


@pytest.mark.parametrize("out", ["memory://keep/camera.png", "memory://keep/"])
def test_one_file_elsewhere_is_skipped_if_it_exists(memory, desk, out):
    call = ("restore", "model.safetensors", "photos/camera.png", "-o", out, "--skip-existing", "--json")
    memory.pipe("/keep/camera.png", b"mine")
    ended = command(*call)
    assert ended.status == 0 and list(ended.json["skipped"]), ended.err
    assert memory.cat("/keep/camera.png") == b"mine" and memory.find("/keep") == ["/keep/camera.png"]
    memory.rm("/keep/camera.png")
    assert not command(*call).json["skipped"] and len(memory.cat("/keep/camera.png")) > 100


def test_faults_elsewhere_end_in_one_line(memory, desk):
    for place, says in (
        ("memory://photos/none.png", "no such file"),
        ("nosuch://photos/none.png", "nosuch"),
        ("memory://empty", "no images to restore"),
        ("memory://photos", "memory://photos: no images that match *.tif in this folder"),
    ):
        pattern = ("--pattern", "*.tif") if "*.tif" in says else ()
        out = "out/a.png" if place.endswith("png") else "out"
        ended = command("restore", "model.safetensors", place, "-o", out, *pattern)
        assert ended.status == 2 and says in ended.err and ended.err.count("\n") == 1, ended.err
    Path("photos/camera.png").write_bytes(b"\x89PNG cut")
    ended = command("restore", "model.safetensors", f"file://{desk}/photos/camera.png", "-o", "out.png")
    assert ended.status == 2 and ended.err.startswith(f"clearer: file://{desk}/photos/camera.png: "), ended.err


def test_a_refused_connection_is_no_missing_file(desk):
    pytest.importorskip("aiohttp")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = command("restore", "model.safetensors", f"http://127.0.0.1:{port}/a.png", "-o", "a.png")
    assert ended.status == 2 and "no such file" not in ended.err and "cannot be read (" in ended.err
    assert ended.err.count("\n") == 1 and str(port) in ended.err


@pytest.mark.parametrize("place", ["a.png", "photos/"])
def test_a_dropped_connection_is_no_missing_file_and_no_empty_folder(desk, place):
    pytest.importorskip("aiohttp")

    class Drop(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1 << 16)  # and no answer

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drop) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}/{place}"
            ended = command("restore", "model.safetensors", address, "-o", "a.png" if place.endswith("png") else "out")
        finally:
            server.shutdown()
            thread.join()
    assert ended.status == 2 and ended.err.count("\n") == 1, ended.err
    says = "cannot be read (" if place.endswith("png") else "cannot be listed ("
    assert f"{address}: {says}" in ended.err and "disconnected" in ended.err.lower(), ended.err


@pytest.mark.parametrize("status", [404, 410, 503])
def test_only_a_server_that_answers_so_has_no_such_file(status):
    answer = OSError("no answer") if status == 503 else type("Answer", (Exception,), {"status": status})()
    missing = FileNotFoundError("http://host/a.png")
    missing.__cause__ = FileNotFoundError("http://host/a.png")
    missing.__cause__.__cause__ = answer
    assert true_fault(missing) is (answer if status == 503 else missing)
    assert true_fault(missing.__cause__.__cause__) is answer
    down = FileNotFoundError()
    down.__cause__ = type("Answer", (Exception,), {"status": 503})()
    assert true_fault(down) is down.__cause__


def test_no_fault_shows_a_password(memory, desk):
    for address in ("ftp://user:SECRET@127.0.0.1:9/a.png", "nosuch://lab/a.png?sig=SECRET"):
        for call in ((address, "-o", "out.png"), ("photos/camera.png", "-o", address)):
            ended = command("restore", "model.safetensors", *call)
            assert ended.status == 2 and "SECRET" not in ended.err and "***" in ended.err, ended.err
    Path("list.csv").write_text("nosuch://KEY:SECRET@lab/a.png,out/none.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv", "--state", "records", "--json")
    assert ended.json["failed"] == 1 and "SECRET" not in ended.err and "***" in ended.err, ended.err


def rivals(memory):
    """Give memory://photos a file whose content calls for the name of another, and others that look like it."""
    memory.pipe("/photos/x.jpg", Path("photos/camera.png").read_bytes())
    memory.pipe("/photos/x.jpg.png", Path("photos/coffee.png").read_bytes())
    memory.pipe("/photos/camera.png.png", Path("photos/rocket.png").read_bytes())
    memory.pipe("/photos/y.jpg", Path("photos/camera.png").read_bytes())


def test_a_suffix_by_content_takes_no_output_of_another_file(memory, desk):
    rivals(memory)
    call = ("restore", "model.safetensors", "memory://photos", "-o", "memory://out", "--state", "records", "--json")
    ended = command(*call)
    assert (ended.status, ended.json["restored"], ended.json["failed"]) == (1, 8, 1), ended.err
    assert "/x.jpg: its content does not fit its suffix, and x.jpg.png may be the output of another file" in ended.err
    assert {Path(name).name for name in memory.find("/out")} == {
        "astronaut.png", "camera.png", "camera.png.png", "chelsea.png", "coffee.png", "rocket.png", "x.jpg.png",
        "y.jpg.png",
    }  # fmt: skip
    assert memory.cat("/out/x.jpg.png") == memory.cat("/out/coffee.png")
    Path("list.csv").write_text("memory://photos/x.jpg\nmemory://photos/coffee.png,photos/x.jpg.png\n")
    ended = command("restore", "model.safetensors", "--manifest", "list.csv", "-o", "here", "--workers", 1, "--json")
    assert (ended.json["restored"], ended.json["failed"]) == (1, 1), ended.err
    # A format that is named leaves nothing to the content.
    ended = command(*call[:3], "-o", "memory://tiffs", "--format", "tiff", "--state", "more", "--json")
    assert (ended.status, ended.json["restored"]) == (0, 9), ended.err


def test_a_folder_here_is_named_by_content_before_it_goes_elsewhere(memory, desk):
    call = ("restore", "model.safetensors", "photos", "-o", "memory://out", "--state", "records", "--json")
    Path("photos/x.jpg").write_bytes(Path("photos/camera.png").read_bytes())
    assert command(*call).json["restored"] == 6
    assert memory.exists("/out/x.jpg.png")
    Path("photos/x.jpg.png").write_bytes(Path("photos/coffee.png").read_bytes())
    ended = command(*call)
    assert ended.status == 2 and "these have one output: photos/x.jpg -> memory://out/x.jpg.png" in ended.err


def test_an_output_that_a_later_list_wrote_under_a_suffix_is_not_done(memory, desk):
    memory.pipe("/p/x.jpg", Path("photos/camera.png").read_bytes())  # it becomes x.jpg.png
    memory.pipe("/p/one.png", Path("photos/coffee.png").read_bytes())
    Path("first.csv").write_text("memory://p/one.png,memory://out/p/x.jpg.png\n")
    Path("second.csv").write_text("memory://p/x.jpg\n")
    state = ("--state", "records", "--workers", 1, "--json")
    first = ("restore", "model.safetensors", "--manifest", "first.csv", *state)
    assert command(*first).json["restored"] == 1
    coffee = memory.cat("/out/p/x.jpg.png")
    second = command("restore", "model.safetensors", "--manifest", "second.csv", "-o", "memory://out", *state)
    assert second.json["restored"] == 1 and memory.cat("/out/p/x.jpg.png") != coffee
    assert command(*first).json["restored"] == 1 and memory.cat("/out/p/x.jpg.png") == coffee


def test_an_image_of_a_web_page_is_restored(desk, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    served = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(Path("photos").absolute()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = next(Path("photos").rglob("*.png")).relative_to("photos").as_posix()
    try:
        address = f"http://127.0.0.1:{server.server_port}/{name}"
        Path("addresses.csv").write_text(f"input,output\n{address},web.png\n")
        ended = command("restore", "model.safetensors", "--manifest", "addresses.csv", "--workers", "1", "--json")
    finally:
        server.shutdown()
        server.server_close()
    assert (ended.status, ended.json["restored"]) == (0, 1), ended.err
    assert command("restore", "model.safetensors", f"photos/{name}", "-o", "here.png").status == 0
    assert np.array_equal(np.asarray(Image.open("web.png")), np.asarray(Image.open("here.png")))
