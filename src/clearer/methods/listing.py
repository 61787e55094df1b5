"""The list of all methods: classical ones, baselines, and pretrained models of clearer."""

from __future__ import annotations

from typing import TypedDict, cast

from clearer.methods.card import EXTRA
from clearer.methods.registry import METHODS
from clearer.network.baselines.base import BaselineNetwork
from clearer.network.baselines.build import cost_of
from clearer.network.baselines.form import BaselineForm
from clearer.network.baselines.registry import BASELINES
from clearer.zoo.catalog import models


class MethodEntry(TypedDict):
    """A method in the list.

    ``about``: what it is, in a phrase. ``kind``: ``classical`` or ``learned``. ``ours``: whether it is a pretrained
    model of clearer, not a baseline. ``needs``: what it needs beside the package, empty for nothing. ``install``: what
    is missing here and how to get it, None for nothing. ``license``: who may use it, where not everybody may.
    """

    name: str
    title: str
    about: str
    task: str
    kind: str
    ours: bool
    needs: str
    install: str | None
    parameters: int | None
    macs_per_pixel: float | None
    source: str
    reading: str
    checked: str
    license: str


def list_methods() -> list[MethodEntry]:
    """Return all methods: classical ones, baselines, then the pretrained models, in the order of their registries.

    Raises:
        UserError: a model's file is damaged.
    """
    return [*_classical(), *_baselines(), *_ours()]


def _classical() -> list[MethodEntry]:
    return [
        {
            "name": name, "title": card.title, "about": card.about,
            "task": card.task, "kind": "classical", "ours": False,
            "needs": f"clearer[{EXTRA}]" if card.libraries else "",
            "install": card.install(),
            "parameters": None, "macs_per_pixel": None, "source": card.source, "reading": card.reading,
            "checked": card.checked, "license": card.license,
        }
        for name, card in METHODS.all().items()
    ]  # fmt: skip


def _baselines() -> list[MethodEntry]:
    found: list[MethodEntry] = []
    for name in BASELINES:
        card = cast(type[BaselineNetwork], BASELINES.get(name)).card
        parameters, macs_per_pixel = cost_of(BaselineForm(name))
        found.append({
            "name": name, "title": card.title, "about": card.about,
            "task": card.task, "kind": "learned", "ours": False,
            "needs": f"clearer train baselines/{name}", "install": None, "parameters": parameters,
            "macs_per_pixel": macs_per_pixel, "source": card.source, "reading": card.reading, "checked": card.checked,
            "license": "",
        })  # fmt: skip
    return found


def _ours() -> list[MethodEntry]:
    return [
        {
            "name": model["name"], "title": model["name"], "about": model["description"],
            "task": model["task"], "kind": "learned", "ours": True,
            "needs": "", "install": None, "parameters": model["parameters"], "macs_per_pixel": model["macs_per_pixel"],
            "source": "clearer", "reading": "", "checked": "", "license": "",
        }
        for model in models()
        if model["for_use"]
    ]  # fmt: skip
