"""An event that arrives while the stream of the last ones closes is answered when the browser has left it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from clearer.web.streams import EVENT_ROUTE, STREAM_ROUTE, ordered

CLOSE = b'data: {"msg":"close_stream","event_id":null}\n\n'
COMPLETED = b'data: {"msg":"process_completed","event_id":"1","output":"\\"msg\\":\\"close_stream\\""}\n\n'


def http(path: str, visitor: str = "") -> dict[str, Any]:
    query = f"session_hash={visitor}".encode() if visitor else b""
    return {"type": "http", "path": path, "query_string": query}


def queue(*bodies: bytes) -> Callable[..., Awaitable[None]]:
    """An application that streams ``bodies`` and answers every event once it is read."""

    async def app(scope, receive, send) -> None:
        if scope["path"] == EVENT_ROUTE:
            await receive()
            bodies_sent: tuple[bytes, ...] = (b"{}",)
        else:
            bodies_sent = bodies
        await send({"type": "http.response.start", "status": 200})
        for body in bodies_sent:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


class Browser:
    """What happened to a visitor, in order; the stream is left when `leave` is set."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app, self.seen, self.leave = app, list[str](), asyncio.Event()

    async def stream(self, visitor: str) -> None:
        async def receive() -> dict[str, Any]:
            await self.leave.wait()
            self.seen.append("left")
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                self.seen.append("part" if message["more_body"] else "end")

        await self.app(http(STREAM_ROUTE, visitor), receive, send)

    async def event(self, visitor: str) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps({"session_hash": visitor}).encode()}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.seen.append(f"answered {visitor}")

        await self.app(http(EVENT_ROUTE), receive, send)


def visits(*bodies: bytes, patience: float = 60, leaves: bool = True) -> list[str]:
    async def visit() -> list[str]:
        browser = Browser(ordered(queue(*bodies), patience))
        stream = asyncio.create_task(browser.stream("anna"))
        await asyncio.sleep(0)
        events = [asyncio.create_task(browser.event(visitor)) for visitor in ("anna", "bert")]
        for _ in range(9):
            await asyncio.sleep(0)
        if leaves:
            browser.leave.set()
        await asyncio.gather(stream, *events)
        return browser.seen

    return asyncio.run(visit())


def test_only_the_event_of_this_visitor_waits_until_the_browser_has_left_the_closing_stream():
    assert visits(COMPLETED, CLOSE) == ["part", "part", "answered bert", "left", "end", "answered anna"]


def test_an_event_is_answered_at_once_beside_a_stream_that_is_not_closing():
    assert visits(COMPLETED) == ["part", "end", "answered anna", "answered bert"]


def test_a_browser_that_does_not_leave_is_not_waited_for_without_end():
    assert visits(CLOSE, patience=0.01, leaves=False) == ["part", "answered bert", "end", "answered anna"]


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, http("/"), http("/gradio_api/queue/join/")])
def test_everything_else_passes(scope):
    passed = []

    async def app(scope, receive, send) -> None:
        passed.append(scope)

    asyncio.run(ordered(app)(scope, None, None))
    assert passed == [scope]
