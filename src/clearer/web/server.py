"""Serve the page from one process at one address; at the end, remove all files."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clearer.core.errors import Interrupted, UserError
from clearer.core.leftovers import temporary_folder
from clearer.core.signals import terminable
from clearer.web.addresses import is_local
from clearer.web.offered import Model, loader
from clearer.web.uploads import Limits, remove_old

if TYPE_CHECKING:  # they import gradio and its server, which the extra installs
    from clearer.web.callbacks import Visit
    from clearer.web.gate import App

_SWEEP_SECONDS = 60


def application(
    models: dict[str, Model],
    folder: Path,
    limits: Limits,
    *,
    device: str = "auto",
    precision: str = "auto",
    local: bool = True,
    visits: dict[str, Visit] | None = None,
) -> App:
    """Return the page as an ASGI application.

    Args:
        models: the models on offer.
        folder: for uploads and results, see `clearer.web.uploads`.
        limits: limits of uploads.
        device, precision: see `clearer.load`.
        local: answer only requests addressed to this machine.
        visits: filled and emptied as visitors come and go.

    Raises:
        UserError: the extra ``web`` is not installed.
    """
    # gradio reads these when it is imported.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        import gradio as gr
        from fastapi import FastAPI

        from clearer.web.gate import gated
        from clearer.web.page import page, style, theme
        from clearer.web.streams import ordered
    except ImportError as error:
        library = (error.name or "gradio").partition(".")[0]
        raise UserError(f"web: {library} is not installed; run pip install 'clearer[web]'") from error

    blocks = page(models, loader(models, device, precision), folder, limits, {} if visits is None else visits)
    app: App = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None), blocks, path="/",
        footer_links=[], run_history=False, show_error=False, max_file_size=limits.bytes, ssr_mode=False,
        enable_monitoring=False, pwa=False, mcp_server=False, theme=theme(), css=style(),
    )  # fmt: skip
    return gated(ordered(app), folder, limits, local=local)


def serve(
    models: dict[str, Model],
    host: str = "127.0.0.1",
    port: int = 7860,
    limits: Limits | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Args:
        models: the models on offer, see `clearer.web.offered.offered`.
        host: the address to bind; any but 127.0.0.1 lets other machines in.
        port: the port to bind; 0 takes a free one.
        limits: limits of uploads; the default is `Limits`'s.
        device, precision: see `clearer.load`.
        ready: called with the page's address once it is served.

    Raises:
        UserError: the address cannot be bound, or the extra ``web`` is not installed.
        Interrupted: SIGTERM came; all uploads are removed.
    """
    limits = limits or Limits()
    with (
        _bound(host, port) as listening,
        terminable("stopped; all uploads are removed"),
        temporary_folder("web") as folder,
    ):
        visits: dict[str, Visit] = {}
        app = application(
            models, folder, limits, device=device, precision=precision, local=is_local(host), visits=visits
        )
        import uvicorn

        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2, ws="none")
        server = uvicorn.Server(config)
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        with _swept(folder, limits, visits):
            try:
                server.run(sockets=[listening])
            except Interrupted as stopped:
                if stopped.signal != signal.SIGINT:
                    raise
            except KeyboardInterrupt:
                return


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UserError(f"{host}:{port}: cannot be bound ({error}); choose another --port or --host") from error
    with listening:
        yield listening


@contextmanager
def _swept(folder: Path, limits: Limits, visits: dict[str, Visit]) -> Iterator[None]:
    """Remove expired uploads once a minute while the block runs."""
    ended = threading.Event()

    def sweep() -> None:
        while not ended.wait(_SWEEP_SECONDS):
            remove_old(folder, limits)
            for who, visit in list(visits.items()):
                if not any(upload.place.exists() for upload in visit.uploads):
                    visits.pop(who, None)

    thread = threading.Thread(target=sweep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
