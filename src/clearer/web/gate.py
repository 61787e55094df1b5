"""The gate in front of gradio: which requests reach it, and how uploads are received.

Gradio serves far more than this page needs: it fetches addresses for its callers, takes recordings,
and puts the client's file names into paths. The gate passes only the requests that the page makes, and
only from the page's own origin. It writes uploads itself (`receive`) and tells the browser to load
nothing from elsewhere.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
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
    uploads = [0]
    kept = re.compile(re.escape(f"{_FILE}{folder}/") + r"[0-9a-f]{32}(?:/[\w-][\w.-]*){1,2}")

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
        elif path != UPLOAD_ROUTE:
            await app(scope, receive_message, send)
        elif uploads[0] >= MOST_UPLOADS_AT_ONCE:
            busy = PlainTextResponse("Too many uploads at once: try again in a moment.", 503)
            await busy(scope, receive_message, send)
        else:
            uploads[0] += 1
            try:
                response = await _answer_upload(request, folder, limits)
            finally:
                uploads[0] -= 1
            await response(scope, receive_message, send)

    return gate


async def receive(content_type: str, body: AsyncIterator[bytes], folder: Path, limits: Limits) -> list[Path]:
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
    parts = _Parts(folder, limits)
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


class _Parts:
    """The files of a multipart body, each in a place of its own."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.places: list[Path] = []
        self.file: BinaryIO | None = None
        self.size, self.ended = 0, False

    def begin(self) -> None:
        self._close()
        if len(self.places) == self.limits.files:
            raise UserError(
                f"Too many files: this page takes up to {self.limits.files} at a time. Send fewer, or use clearer "
                "restore FOLDER."
            )
        self.places.append(new_place(self.folder))
        self.file, self.size = (self.places[-1] / UPLOAD).open("wb"), 0

    def write(self, data: bytes, start: int, stop: int) -> None:
        assert self.file is not None  # data of a part come after its beginning
        self.size += stop - start
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
        return [place / UPLOAD for place in self.places]

    def remove(self) -> None:
        self._close()
        for place in self.places:
            remove(place)

    def _close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


async def _answer_upload(request: Request, folder: Path, limits: Limits) -> JSONResponse | PlainTextResponse:
    announced = request.headers.get("content-length", "")
    try:
        if announced.isdecimal() and int(announced) > limits.files * (limits.bytes + 2**16):
            raise UserError(f"The files are too large: this page takes up to {limits.bytes / 2**20:.0f} MiB each.")
        paths = await receive(request.headers.get("content-type", ""), request.stream(), folder, limits)
    except UserError as error:
        return PlainTextResponse(str(error), 413 if "too large" in str(error) else 400)
    except ClientDisconnect:
        return PlainTextResponse("The upload was cut short.", 400)
    remove_old(folder, limits)
    return JSONResponse([str(path) for path in paths])


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
