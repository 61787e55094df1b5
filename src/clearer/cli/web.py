"""The verb that serves the page: parse, call and print."""

from __future__ import annotations

from typing import Annotated

import typer

from clearer.cli.options import Device, Precision
from clearer.core.console import console_for_people, say


def add_verbs(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command()(web)


def web(
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATH", help="A weight file or run folder; repeatable. Runs in runs/ are added."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to serve; any but 127.0.0.1 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
    max_megapixels: Annotated[float, typer.Option(min=0.01, max=178, help="The largest image that is taken.")] = 24,
    max_files: Annotated[int, typer.Option(min=1, help="Images kept at a time; the longest unused goes.")] = 16,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Serve a page to restore images in the browser, on this machine alone unless told otherwise."""
    from clearer.web.offered import offered
    from clearer.web.server import is_local, serve
    from clearer.web.uploads import Limits

    console = console_for_people(False)
    models = offered(model or ())

    def ready(url: str) -> None:
        say(f"{len(models)} model(s): {', '.join(models)}", console)
        if not is_local(host):
            say("anyone who reaches this machine can use the page: it asks for no password", console)
        say(f"open {url} (Ctrl-C ends it)", console)

    limits = Limits(megapixels=max_megapixels, files=max_files)
    serve(models, host, port, limits, device=device, precision=precision, ready=ready)
    say("ended; all uploads are removed", console)
