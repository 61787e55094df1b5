"""Hold the answer to an event until the browser has left the stream that is closing.

Gradio sends the results of a visitor's events through one stream. When no event is left, it sends a closing
message, and the page opens a new stream with its next event. An event that arrives after this message was sent and
before the browser has read it finds a stream that counts as open and is then closed: its result never comes, and
the page waits forever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EVENT_ROUTE = "/gradio_api/queue/join"
STREAM_ROUTE = "/gradio_api/queue/data"
PATIENCE = 5.0
"""Seconds that a closing stream is kept for a browser that does not leave it."""
_CLOSING = b'"msg":"close_stream"'  # quotes inside the text of a message are escaped, so it cannot hold this
_MOST_READ = 2**20  # bytes of an event's request; the page's have fewer than 1,000


def ordered(app: App, patience: float = PATIENCE) -> App:
    """Return ``app``, gradio's ASGI application, with each event answered after the end of a closing stream."""
    closing: dict[str, asyncio.Event] = {}

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        visitor = parse_qs(scope["query_string"].decode()).get("session_hash", [""])[0]
        ended, last = asyncio.Event(), list[Message]()

        async def sending(message: Message) -> None:
            if _CLOSING in message.get("body", b""):
                closing[visitor] = ended
            if closing.get(visitor) is ended and not message.get("more_body"):
                last.append(message)  # the browser leaves when it has read the closing message, not before
            else:
                await send(message)

        try:
            await app(scope, receive, sending)
            if last:
                await _left(receive, patience)
                await send(last[0])
        finally:
            ended.set()
            if closing.get(visitor) is ended:
                del closing[visitor]

    async def event(scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def receiving() -> Message:
            message = await receive()
            if len(body) <= _MOST_READ:
                body.extend(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            # The event is queued by now: a stream that is not closing yet will bring its result.
            if message["type"] == "http.response.start" and (ending := closing.get(_visitor(body))):
                await ending.wait()
            await send(message)

        await app(scope, receiving, sending)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/") if scope["type"] == "http" else ""
        await {STREAM_ROUTE: stream, EVENT_ROUTE: event}.get(path, app)(scope, receive, send)

    return route


async def _left(receive: Receive, patience: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while (await receive())["type"] != "http.disconnect":
                pass


def _visitor(body: bytearray) -> str:
    try:
        return str(json.loads(body)["session_hash"])
    except (ValueError, KeyError, TypeError):
        return ""
