"""The gate in front of gradio: which requests reach it, and how uploads are received.

Gradio serves far more than this page needs: it fetches addresses for its callers, takes recordings,
and puts the client's file names into paths. The gate passes only the requests that the page makes, and
only from the page's own origin. It writes uploads itself (`receive`) and tells the browser to load
nothing from elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse

from clearer.core.errors import UserError
from clearer.web.addresses import LOCAL_HOSTS
from clearer.web.uploads import UPLOAD, Limits, new_place, remove, remove_old

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UPLOAD_ROUTE = "/gradio_api/upload"
PROGRESS_ROUTE = "/gradio_api/upload_progress"
_FILE = "/gradio_api/file="  # followed by a path, or by an address that gradio would fetch
# As observed from the page.
_READ = re.compile(
    r"/(?:|config|manifest\.json|theme\.css|favicon\.ico|robots\.txt|(?:assets|static)/.+"
    r"|gradio_api/(?:info|upload_progress|theme\.css|startup-events|app_id|heartbeat/[^/]+|queue/data))"
)
_CALL = re.compile(r"/gradio_api/(?:queue/join|cancel|reset)/?")
MOST_UPLOADS_AT_ONCE = 4
LARGEST_CALL = 2**20
# Gradio's page holds scripts and styles in its text, and builds some functions from strings.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


def gated(app: App, folder: Path, limits: Limits, *, local: bool) -> App:
    """Return ``app``, gradio's ASGI application, behind the gate.

    Args:
        app: answers the requests that pass.
        folder: where uploads go, see `clearer.web.uploads`.
        limits: limits of uploads.
        local: pass only requests addressed to this machine, so that no DNS entry leads another page's
            scripts here.
    """
    uploads, arriving = [0], Arriving(limits)
    inside = re.compile(re.escape(f"{folder}/") + r"[0-9a-f]{32}(?:-zip)?(?:/[\w-][\w.-]*){1,2}")
    kept = re.compile(re.escape(_FILE) + inside.pattern)

    async def gate(scope: Scope, receive_message: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive_message, send)
            return
        if scope["type"] != "http":
            return  # websockets: gradio needs none
        send = _with_headers(send)
        request = Request(scope, receive_message, send)
        refusal = _refusal(request, local, kept)
        path = scope["path"]
        if refusal is not None:
            await refusal(scope, receive_message, send)
        elif path == PROGRESS_ROUTE:
            # The gate counts no bytes; the page waits for the end of the upload anyway.
            done = PlainTextResponse('data: {"msg": "done"}\n\n', media_type="text/event-stream")
            await done(scope, receive_message, send)
        elif request.method == "POST" and path != UPLOAD_ROUTE:
            body = await _call_of(request, inside)
            if isinstance(body, bytes):
                await app(scope, _again(body, receive_message), send)
            else:
                await body(scope, receive_message, send)
        elif path != UPLOAD_ROUTE:
            await app(scope, receive_message, send)
        elif uploads[0] >= MOST_UPLOADS_AT_ONCE:
            busy = PlainTextResponse("Too many uploads at once: try again in a moment.", 503)
            await busy(scope, receive_message, send)
        else:
            uploads[0] += 1
            try:
                response = await _answer_upload(request, folder, limits, arriving)
            finally:
                uploads[0] -= 1
            await response(scope, receive_message, send)

    return gate


class Arriving:
    """The bytes of all uploads that are arriving: together at most those of the images that are kept at a time."""

    def __init__(self, limits: Limits) -> None:
        self.most, self.bytes = limits.files * limits.bytes, 0

    def add(self, count: int) -> None:
        """Count bytes that arrive, or with a negative number those that no longer do."""
        self.bytes += count
        if count > 0 and self.bytes > self.most:
            raise UserError("Too much is being uploaded at once: try again in a moment.")


async def receive(
    content_type: str, body: AsyncIterator[bytes], folder: Path, limits: Limits, arriving: Arriving | None = None
) -> list[Path]:
    """Write each file of a multipart body to a ``folder/RANDOM/upload`` as it arrives; return their paths.

    The headers of the parts, and with them the client's file names, are not read.

    Raises:
        UserError: there is none, there are more than the limit, one is larger than the limit, or the body is cut
            short; nothing is left then.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 256:
        raise UserError("An upload is multipart/form-data with a boundary.")
    parts = _Parts(folder, limits, arriving or Arriving(limits))
    try:
        parser = MultipartParser(
            boundary, {"on_part_begin": parts.begin, "on_part_data": parts.write, "on_end": parts.end}
        )
        async for chunk in body:
            parser.write(chunk)
        parser.finalize()
        return parts.complete()
    except FormParserError as error:
        parts.remove()
        raise UserError("The upload could not be read: send it again.") from error
    except BaseException:
        parts.remove()
        raise
    finally:
        parts.arriving.add(-parts.total)


class _Parts:
    """The files of a multipart body, each in a place of its own, whose name begins with a dot until all are there."""

    def __init__(self, folder: Path, limits: Limits, arriving: Arriving) -> None:
        self.folder, self.limits, self.arriving = folder, limits, arriving
        self.places: list[Path] = []
        self.file: BinaryIO | None = None
        self.size, self.total, self.ended = 0, 0, False

    def begin(self) -> None:
        self._close()
        if len(self.places) == self.limits.files:
            raise UserError(
                f"Too many files: this page takes up to {self.limits.files} at a time. Send fewer, or use clearer "
                "restore FOLDER."
            )
        self.places.append(new_place(self.folder, "."))
        self.file, self.size = (self.places[-1] / UPLOAD).open("wb"), 0

    def write(self, data: bytes, start: int, stop: int) -> None:
        assert self.file is not None  # data of a part come after its beginning
        self.size, self.total = self.size + stop - start, self.total + stop - start
        self.arriving.add(stop - start)
        if self.size > self.limits.bytes:
            raise UserError(
                f"The file is too large: this page takes up to {self.limits.bytes / 2**20:.0f} MiB. Make it smaller."
            )
        self.file.write(data[start:stop])

    def end(self) -> None:
        self.ended = True

    def complete(self) -> list[Path]:
        """Return the paths of all files, if the body was whole."""
        self._close()
        if not (self.places and self.ended):
            raise UserError("The upload was cut short: send it again.")
        for k, place in enumerate(self.places):
            self.places[k] = place.rename(place.with_name(place.name.removeprefix(".")))
        return [place / UPLOAD for place in self.places]

    def remove(self) -> None:
        with contextlib.suppress(OSError):  # of a full disk, which `write` has said
            self._close()
        for place in self.places:
            remove(place)

    def _close(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            file.close()


async def _answer_upload(
    request: Request, folder: Path, limits: Limits, arriving: Arriving
) -> JSONResponse | PlainTextResponse:
    announced = request.headers.get("content-length", "")
    try:
        if announced.isdecimal() and int(announced) > limits.files * (limits.bytes + 2**16):
            raise UserError(f"The files are too large: this page takes up to {limits.bytes / 2**20:.0f} MiB each.")
        paths = await receive(request.headers.get("content-type", ""), request.stream(), folder, limits, arriving)
    except UserError as error:
        return PlainTextResponse(str(error), 413 if "too large" in str(error) else 400)
    except ClientDisconnect:
        return PlainTextResponse("The upload was cut short.", 400)
    except OSError as error:
        return PlainTextResponse(f"The upload could not be kept ({error.strerror}): tell who serves this page.", 507)
    remove_old(folder, limits)
    return JSONResponse([str(path) for path in paths])


async def _call_of(request: Request, inside: re.Pattern[str]) -> bytes | PlainTextResponse:
    """Return the body of a call, or the refusal of one that names a file not of this page.

    Gradio would fetch an address, and copy a file, before a callback sees it.
    """
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_CALL:
                return PlainTextResponse("This call is too large.", 413)
        named = list(_paths(json.loads(body))) if body.strip() else []
    except ClientDisconnect:
        return PlainTextResponse("The call was cut short.", 400)
    except (ValueError, RecursionError):
        return PlainTextResponse("This call is no JSON.", 400)
    if not all(isinstance(path, str) and inside.fullmatch(path) and ".." not in path for path in named):
        return PlainTextResponse("This file was not uploaded here: upload it again.", 403)
    return body


def _paths(value: Any) -> Iterator[Any]:
    """Yield what the files in a call are called."""
    if isinstance(value, dict):
        if "path" in value:
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _paths(one)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a channel that gives a body that was read, then what the client sends after it."""
    given = False

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _refusal(request: Request, local: bool, kept: re.Pattern[str]) -> PlainTextResponse | None:
    host = request.headers.get("host", "")
    if local and re.sub(r":\d+$", "", host) not in LOCAL_HOSTS:
        return PlainTextResponse("This page is served to this machine only: open it as http://127.0.0.1.", 421)
    path = request.scope["path"]
    if request.method in ("GET", "HEAD") and (_READ.fullmatch(path) or kept.fullmatch(path)) and ".." not in path:
        return None
    if request.method == "POST" and (path == UPLOAD_ROUTE or _CALL.fullmatch(path)):
        origin = request.headers.get("origin")
        if origin is None or origin.partition("://")[2] == host:
            return None
        return PlainTextResponse("Only this page itself may call it.", 403)
    return PlainTextResponse("Not here.", 404)


def _with_headers(send: Send) -> Send:
    """Add the page's headers to a response, replacing those of the same name."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(key, value) for key, value in message.get("headers", ()) if key.decode().lower() not in _HEADERS]
            ours = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
            message = {**message, "headers": [*kept, *ours]}
        with contextlib.suppress(ConnectionError):
            await send(message)

    return sending
