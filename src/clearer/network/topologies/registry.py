"""The registry of topologies, by the names of ``network.topology``. To add one, add a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.core.registry import Registry

if TYPE_CHECKING:
    from clearer.network.topologies.base import Topology

STREAMS = "streams"
"""The paper's."""
TOPOLOGIES: Registry[type[Topology]] = Registry(
    "network.topology",
    {
        STREAMS: "clearer.network.topologies.streams:Streams",
        "unet": "clearer.network.topologies.unet:UNet",
    },
)
