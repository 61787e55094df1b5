"""The web page, visited as a browser does: an upload, a restore, a download; killed at any moment of these."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from kill.process import Ended, finish, start
from kill.trial import Subject

SESSION = "0123456789"
_BROKEN = (OSError, http.client.HTTPException, urllib.error.URLError, ValueError, KeyError)
"""What a visitor sees when the server is gone."""


class Page(Subject):
    """`clearer web`; its visitor writes what was downloaded to ``out`` and then ends the server by Ctrl-C."""

    def _run(self, **how: Any) -> Ended:
        (self.desk / "log" / "out").unlink(missing_ok=True)
        number = start(self.command.arguments, self.desk, self.command.prepare)
        gone = threading.Event()
        visitor = threading.Thread(target=self._visit, args=(number, gone))
        visitor.start()
        try:
            return finish(number, self.desk, **how)
        finally:
            gone.set()
            visitor.join()

    def _visit(self, number: int, gone: threading.Event) -> None:
        try:
            url = self._address(gone)
            if url is None:
                return
            result = download(url, self.desk / "mixed" / "a.png")
            self.out.mkdir(exist_ok=True)
            (self.out / "result.png").write_bytes(result)
        except _BROKEN as error:
            if not gone.wait(5):  # the server lives, so the visit itself failed
                (self.desk / "log" / "err").open("a").write(f"visitor: {error!r}\n")
        if not gone.is_set():
            os.kill(number, signal.SIGINT)

    def _address(self, gone: threading.Event) -> str | None:
        while not gone.wait(0.02):
            log = self.desk / "log" / "out"
            found = re.search(r"open (http://\S+)", log.read_text()) if log.exists() else None
            if found:
                return found[1]
        return None


def download(url: str, image: Path) -> bytes:
    """Upload an image to the page, restore it with the settings that the page shows, and return the result."""
    config = json.loads(_answer(f"{url}/config"))
    parts = {part["id"]: part for part in config["components"]}
    place = json.loads(_answer(f"{url}/gradio_api/upload", *_multipart(image)))[0]
    file = {"path": place, "orig_name": image.name, "meta": {"_type": "gradio.FileData"}}
    uploading, restoring = _dependency(config, parts, "drop", "upload"), _dependency(config, parts, "restore", "click")
    values = [parts[k]["props"].get("value") for k in uploading["inputs"]]
    _call(url, uploading["id"], [file, *values[1:]])
    found = _call(url, restoring["id"], [parts[k]["props"].get("value") for k in restoring["inputs"]])
    results = [
        output
        for k, output in zip(restoring["outputs"], found, strict=True)
        if parts[k]["props"].get("elem_id") == "download"
    ]
    return _answer(f"{url}/gradio_api/file={results[0]['value']['path']}")


def _dependency(config: Any, parts: Any, name: str, event: str) -> Any:
    for dependency in config["dependencies"]:
        for part, kind in dependency["targets"]:
            if kind == event and part is not None and parts[part]["props"].get("elem_id") == name:
                return dependency
    raise KeyError(name)


def _call(url: str, dependency: int, values: list[Any]) -> list[Any]:
    """Call a function of the page and wait for what it returns."""
    body = json.dumps({"data": values, "fn_index": dependency, "session_hash": SESSION}).encode()
    event = json.loads(_answer(f"{url}/gradio_api/queue/join", body, "application/json"))["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/queue/data?session_hash={SESSION}", timeout=120) as stream:
        for line in stream:
            message = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if message.get("msg") == "process_completed" and message.get("event_id") == event:
                if not message["success"]:
                    raise ValueError(str(message["output"]))
                return list(message["output"]["data"])
    raise ValueError("the answer ended early")


def _multipart(image: Path) -> tuple[bytes, str]:
    head = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    return head + image.read_bytes() + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def _answer(url: str, body: bytes | None = None, kind: str = "") -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": kind} if body else {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        data: bytes = answer.read()  # raises IncompleteRead if it is cut short
        return data
