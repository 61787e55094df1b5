"""The learned baselines by the names of ``baseline`` in a recipe. To add one, add a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.core.registry import Registry

if TYPE_CHECKING:  # it imports torch, which a list of names does not need
    from torch import nn

BASELINES: Registry[type[nn.Module]] = Registry(
    "baseline",
    {
        "ddn": "clearer.methods.ddn:DDN",
        "durn-p": "clearer.methods.durn_p:DuRNP",
        "jorder": "clearer.methods.jorder:Jorder",
        "jorder-released": "clearer.methods.jorder_released:JorderReleased",
        "memnet": "clearer.methods.memnet:MemNet",
        "n3net": "clearer.methods.n3net:N3Net",
        "nlrn": "clearer.methods.nlrn:NLRN",
        "prenet": "clearer.methods.prenet:PReNet",
        "red": "clearer.methods.red:RED",
        "rescan": "clearer.methods.rescan:RESCAN",
        "scan": "clearer.methods.scan:SCAN",
    },
)
"""Each is a `clearer.network.baselines.base.BaselineNetwork`."""
