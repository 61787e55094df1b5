"""The page's server: receiving uploads, the addresses it answers, and the process itself."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from clearer.core.errors import UserError
from clearer.web import gate
from clearer.web.addresses import is_local
from clearer.web.offered import offered
from clearer.web.server import application, serve
from clearer.web.uploads import UPLOAD, Limits
from helpers.networks import write_identity
from helpers.photos import photograph
from helpers.uploads import encoded

LIMITS = Limits(megapixels=0.01, files=3)
TYPE = "multipart/form-data; boundary=edge"


def body(*files: bytes, name: str = "a.png") -> bytes:
    head = f'Content-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: image/png'
    return b"".join(b"--edge\r\n%s\r\n\r\n%s\r\n" % (head.encode(), file) for file in files) + b"--edge--\r\n"


def received(data: bytes, folder: Path, content_type: str = TYPE, step: int = 1000) -> list[Path]:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return asyncio.run(gate.receive(content_type, stream(), folder, LIMITS))


# uploads


NAMES = ("a.png", "../../../etc/passwd", "/etc/passwd", "a/b\\c", "..", "x" * 3000, "\x00", "")


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("name", NAMES)
def test_an_upload_is_kept_under_a_name_of_ours(tmp_path, name, step):
    data = bytes(range(256)) * 4 + b"\r\n--edg\r\n"
    (path,) = received(body(data, name=name), tmp_path, step=step)
    assert path.read_bytes() == data
    assert path.name == UPLOAD and re.fullmatch("[0-9a-f]{32}", path.parent.name) and path.parent.parent == tmp_path
    assert [p.name for p in path.parent.iterdir()] == [UPLOAD]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_several_files_are_kept_apart_in_their_order(tmp_path, step):
    files = [bytes([k]) * (1 + 300 * k) for k in range(LIMITS.files)]
    paths = received(body(*files), tmp_path, step=step)
    assert [path.read_bytes() for path in paths] == files
    assert len({path.parent for path in paths}) == len(files) == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("data", "content_type", "text"),
    [
        (body(b"x" * (LIMITS.bytes + 1)), TYPE, "too large"),
        (body(b"x", b"y" * (LIMITS.bytes + 1)), TYPE, "too large"),
        (body(b"w", b"x", b"y", b"z"), TYPE, "Too many files: this page takes up to 3 at a time"),
        (body(b"x", b"y")[:-20], TYPE, "cut short"),
        (body(), TYPE, "cut short|could not be read"),
        (b"", TYPE, "cut short"),
        (body(b"x" * 100)[:-20], TYPE, "cut short"),
        (b"nonsense", TYPE, "could not be read"),
        (body(b"x"), "multipart/form-data", "boundary"),
        (body(b"x"), "application/json", "multipart"),
        (body(b"x"), "", "multipart"),
    ],
)
def test_bad_uploads_are_refused_and_leave_nothing(tmp_path, data, content_type, text):
    with pytest.raises(UserError, match=text):
        received(data, tmp_path, content_type, step=2**16)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=9)), max_size=4),
    options=st.one_of(st.just("boundary=edge"), st.text(st.characters(codec="latin-1"), max_size=40)),
)
def test_mutated_uploads_are_kept_or_refused(tmp_path, changes, options):
    data = bytearray(body(b"image" * 9))
    for at, new in changes:
        data[at : at + len(new)] = new
    with contextlib.suppress(UserError):
        for path in received(bytes(data), tmp_path, f"multipart/form-data; {options}"):
            path.unlink()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_unfinished_uploads_are_nobodys_image_and_are_bounded_together(tmp_path):
    arriving, seen = gate.Arriving(LIMITS), []

    async def stream(data: bytes) -> AsyncIterator[bytes]:
        yield data[:-30]
        seen.extend(path.name for path in tmp_path.iterdir())
        yield data[-30:]

    def arrive(data: bytes) -> list[Path]:
        return asyncio.run(gate.receive(TYPE, stream(data), tmp_path, LIMITS, arriving))

    (path,) = arrive(body(b"x" * 99))
    assert seen == [f".{path.parent.name}"] and arriving.bytes == 0
    arriving.add(arriving.most - 50)
    with pytest.raises(UserError, match="at once"):
        arrive(body(b"x" * 99))
    assert arriving.bytes == arriving.most - 50 and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_no_part(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def close(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def write(self, data: object) -> int:
            return self.close()  # type: ignore[return-value, func-returns-value]

    monkeypatch.setattr(Path, "open", lambda path, mode: path.touch() or Full())
    with pytest.raises(OSError, match="No space"):
        received(body(b"x" * 99, b"y"), tmp_path)
    assert list(tmp_path.iterdir()) == []


# what passes


async def _behind(scope, receive, send) -> None:
    await PlainTextResponse("passed", headers={"content-security-policy": "none at all"})(scope, receive, send)


JOIN = "/gradio_api/queue/join"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("FOLDER/0123456789abcdef0123456789abcdef/upload", 200),
        ("http://127.0.0.1:1/x.png", 403),
        ("https://example.org/x.png", 403),
        ("/etc/passwd", 403),
        ("FOLDER/0123456789abcdef0123456789abcdef/../.lock", 403),
        (7, 403),
    ],
)
def test_a_call_names_files_of_the_page_alone(tmp_path, path, status):
    if isinstance(path, str):
        path = path.replace("FOLDER", str(tmp_path))
    call = {"data": [[{"meta": {"_type": "gradio.FileData"}, "path": path}], 0], "fn_index": 1}
    answer = client(tmp_path).post(JOIN, json=call)
    assert answer.status_code == status, answer.text


def test_a_call_passes_whole_or_is_refused(tmp_path):
    async def echo(scope, receive, send) -> None:
        text = await Request(scope, receive, send).body()
        await PlainTextResponse(text)(scope, receive, send)

    page = TestClient(gate.gated(echo, tmp_path, LIMITS, local=True), base_url="http://127.0.0.1:7860")
    assert page.post(JOIN, json={"data": ["é"]}).json() == {"data": ["é"]}
    assert page.post(JOIN, content=b"{").status_code == 400
    assert page.post(JOIN, content=b"[" * 100_000).status_code == 400
    assert page.post(JOIN, content=b" " * (2**20 + 1)).status_code == 413


def client(folder: Path, local: bool = True) -> TestClient:
    return TestClient(gate.gated(_behind, folder, LIMITS, local=local), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/config", 200),
        ("GET", "/assets/a.js", 200),
        ("GET", "/gradio_api/file=FOLDER/0123456789abcdef0123456789abcdef/upload", 200),
        ("GET", "/gradio_api/file=FOLDER/0123456789abcdef0123456789abcdef/0a-result/restored.png", 200),
        ("GET", "/gradio_api/file=FOLDER/.lock", 404),
        ("GET", "/gradio_api/file=FOLDER/0123456789abcdef0123456789abcdef/%2e%2e/.lock", 404),
        ("GET", "/gradio_api/file=FOLDER/0123456789abcdef0123456789abcdef/.x", 404),
        ("GET", "/gradio_api/file=/etc/passwd", 404),
        ("GET", "/assets/%2e%2e/%2e%2e/config", 404),
        ("GET", "/gradio_api/queue/data?session_hash=a", 200),
        ("POST", "/gradio_api/queue/join?", 200),
        ("GET", "/gradio_api/file=http://127.0.0.1:22/", 404),
        ("GET", "/gradio_api/proxy=https://example.hf.space/x", 404),
        ("GET", "/gradio_api/runs", 404),
        ("GET", "/monitoring", 404),
        ("GET", "/gradio_api/deep_link", 404),
        ("POST", "/gradio_api/run/predict", 404),
        ("POST", "/gradio_api/process_recording", 404),
        ("POST", "/gradio_api/vibe-edit", 404),
        ("POST", "/gradio_api/component_server", 404),
        ("POST", "/login", 404),
        ("PUT", "/config", 404),
        ("GET", "/openapi.json", 404),
    ],
)
def test_only_what_the_page_calls_passes(tmp_path, method, path, status):
    answer = client(tmp_path).request(method, path.replace("FOLDER", str(tmp_path)))
    assert answer.status_code == status
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1 and "default-src 'self'" in policy[0] and "http" not in policy[0]


def test_other_pages_and_other_names_are_refused(tmp_path):
    page = client(tmp_path)
    assert page.get("/", headers={"host": "evil.example"}).status_code == 421
    assert page.get("/", headers={"host": "localhost:7860"}).status_code == 200
    assert client(tmp_path, local=False).get("/", headers={"host": "box.lan"}).status_code == 200
    join = "/gradio_api/queue/join"
    assert page.post(join, headers={"origin": "http://evil.example"}).status_code == 403
    assert page.post(join, headers={"origin": "null"}).status_code == 403
    assert page.post(join, headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


def test_uploads_are_answered_with_their_path_and_counted(tmp_path):
    page = client(tmp_path)
    for _ in range(5):
        answer = page.post(gate.UPLOAD_ROUTE, files={"files": ("../../x.png", b"image")})
        assert answer.status_code == 200 and Path(answer.json()[0]).read_bytes() == b"image"
    assert len(list(tmp_path.iterdir())) == LIMITS.files
    for data, status, text in ((b"x" * (LIMITS.bytes + 1), 413, "1 MiB"), (b"x" * 2**22, 413, "1 MiB")):
        answer = page.post(gate.UPLOAD_ROUTE, files={"files": ("x.png", data)})
        assert answer.status_code == status and text in answer.text
    assert page.post(gate.UPLOAD_ROUTE, content=b"x").status_code == 400
    assert len(list(tmp_path.iterdir())) == LIMITS.files


# the page itself, and the process


@pytest.mark.slow
def test_the_page_loads_only_its_own_files_and_contacts_no_other_host(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    model = write_identity(tmp_path / "tiny.safetensors")
    app = application(offered([str(model)], tmp_path / "runs"), tmp_path, LIMITS, device="cpu")
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    with TestClient(app, base_url="http://127.0.0.1") as page:
        text = page.get("/").text
        config = page.get("/config").json()
        css = page.get("/theme.css").text
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text)
    assert not config["analytics_enabled"] and not config["run_history"] and config["footer_links"] == []
    assert "system-ui" in css and re.findall(r"url\([\"']?(?!data:|[\"'])[^)]*", css) == []
    names = {c["props"].get("elem_id") for c in config["components"]}
    assert {"drop", "model", "sigma", "restore", "download", "both", "map", "close"} <= names
    assert {c["id"] for c in config["components"] if c["type"] == "dropdown"}


def test_addresses_that_cannot_be_served_are_reported(tmp_path):
    assert is_local("127.0.0.1") and is_local("::1") and is_local("localhost") and not is_local("0.0.0.0")
    for host, port in (("203.0.113.7", 0), ("no such host", 0)):
        with pytest.raises(UserError, match="choose another --port or --host"):
            serve({}, host, port)


@pytest.mark.slow
def test_the_verb_serves_and_leaves_nothing_when_it_is_ended(tmp_path):
    write_identity(tmp_path / "tiny.safetensors")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    verb = [sys.executable, "-m", "clearer", "web", "--model", "tiny.safetensors", "--port", "0", "--device", "cpu"]
    places = {**os.environ, "TMPDIR": str(temporary), "GRADIO_TEMP_DIR": str(tmp_path / "not-here")}
    started = subprocess.Popen(
        verb, cwd=tmp_path, env=places, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert started.stdout is not None
        lines = [started.stdout.readline(), started.stdout.readline()]
        url = re.search(r"http://127\.0\.0\.1:\d+", lines[1])
        assert url and "tiny" in lines[0], lines
        with urllib.request.urlopen(url.group(), timeout=30) as answer:
            assert b"clearer" in answer.read()
        assert len(list(temporary.iterdir())) == 1
        started.send_signal(signal.SIGTERM)
        _, err = started.communicate(timeout=30)
    finally:
        started.kill()
    assert started.returncode == 128 + signal.SIGTERM, err
    assert list(temporary.iterdir()) == [] and not (tmp_path / "not-here").exists()


def test_an_uploaded_image_is_an_image(tmp_path):
    data = encoded(photograph("camera.png")[..., 0])
    answer = client(tmp_path).post(gate.UPLOAD_ROUTE, files={"files": ("camera.png", data)})
    assert Path(answer.json()[0]).read_bytes() == data
