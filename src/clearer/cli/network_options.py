"""The options that state what a genotype does not: the form of its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from clearer.cli.verb import option, whole


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options of verbs that take a genotype; models and text forms state these fields themselves."""

    operations: Annotated[
        str | None,
        option(
            "Network", "supplement (default) or released.", metavar="STYLE", complete=lambda: ["supplement", "released"]
        ),
    ] = None
    channels: Annotated[
        int | None, option("Network", "Image channels: 1 (default) or 3.", metavar="N", parser=whole(1))
    ] = None
    width: Annotated[
        int | None, option("Network", "Channels at full resolution (default: 32).", metavar="N", parser=whole(1))
    ] = None
    norm: Annotated[
        str | None,
        option(
            "Network",
            "batch (default), none or bias-free.",
            metavar="NORM",
            complete=lambda: ["batch", "none", "bias-free"],
        ),
    ] = None
    residual: Annotated[bool, option("Network", "Add the input to the output.", "--residual")] = False
    unshuffle: Annotated[
        int | None, option("Network", "Pixel unshuffle factor (default: 1).", metavar="N", parser=whole(1))
    ] = None
    condition: Annotated[
        str | None,
        option(
            "Network",
            "none (default) or level: takes the noise level.",
            metavar="WHAT",
            complete=lambda: ["none", "level"],
        ),
    ] = None
    topology: Annotated[
        str | None,
        option("Network", "streams (default) or unet.", metavar="NAME", complete=lambda: ["streams", "unet"]),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of `clearer.Architecture` that are given."""
        given = {
            "operations": self.operations,
            "channels": self.channels,
            "width": self.width,
            "norm": self.norm,
            "residual": self.residual or None,
            "unshuffle": self.unshuffle,
            "topology": self.topology,
            "condition": self.condition,
        }
        return {key: value for key, value in given.items() if value is not None}
