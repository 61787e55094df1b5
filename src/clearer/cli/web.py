"""Verb that serves the web page: web."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from clearer.cli.options import Device, Precision
from clearer.cli.verb import option, real, verb, whole
from clearer.core.console import console_for_people, say


@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """Options of web."""

    model: Annotated[
        list[str] | None,
        option(
            "Server",
            "Weight file or run to offer; repeatable. Pretrained models and finished runs of runs/ are always offered.",
            metavar="[NAME=]PATH",
        ),
    ] = None
    host: Annotated[
        str, option("Server", "Address to serve; any but 127.0.0.1 lets other machines in.", metavar="ADDRESS")
    ] = "127.0.0.1"
    port: Annotated[int, option("Server", "Port; 0 takes a free one.", metavar="N", parser=whole(0, 65535))] = 7860
    max_megapixels: Annotated[
        float, option("Server", "Largest image accepted, in megapixels.", metavar="X", parser=real(0.01, 178))
    ] = 24
    max_files: Annotated[
        int,
        option("Server", "Images kept at a time; the least recently used is removed.", metavar="N", parser=whole(1)),
    ] = 16
    device: Device = "auto"
    precision: Precision = "auto"


@verb("web", "clearer web", "clearer web --model mine=runs/mine --port 8000")
def web(options: WebOptions) -> None:
    """Serve a page that restores images in the browser.

    No other machine can reach the page, unless --host says otherwise. Ctrl-C ends it and removes all uploads.
    """
    from clearer.web.addresses import is_local
    from clearer.web.offered import offered
    from clearer.web.server import serve
    from clearer.web.uploads import Limits

    console = console_for_people(False)
    models = offered(options.model or ())

    def ready(url: str) -> None:
        say(f"{len(models)} model(s): {', '.join(models)}", console)
        if not is_local(options.host):
            say("anyone who reaches this machine can use the page: it asks for no password", console)
        say(f"open {url} (Ctrl-C ends it)", console)

    limits = Limits(megapixels=options.max_megapixels, files=options.max_files)
    serve(models, options.host, options.port, limits, device=options.device, precision=options.precision, ready=ready)
    say("ended; all uploads are removed", console)
