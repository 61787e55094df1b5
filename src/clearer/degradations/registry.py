"""The degradations that a recipe may name in ``data.degradation.kind``, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearer.core.config import ChosenBy, field_names
from clearer.core.registry import Registry
from clearer.degradations.base import Degradation

DEGRADATIONS: Registry[type[Degradation]] = Registry(
    "data.degradation.kind",
    {
        "gaussian": "clearer.degradations.gaussian:Gaussian",
        "rain": "clearer.degradations.rain:Rain",
        "jpeg": "clearer.degradations.jpeg:Jpeg",
        "camera": "clearer.degradations.camera.kind:Camera",
        "correlated": "clearer.degradations.correlated:Correlated",
        "poisson-gaussian": "clearer.degradations.poisson_gaussian:PoissonGaussian",
        "speckle": "clearer.degradations.speckle:Speckle",
        "mixture": "clearer.degradations.mixture:Mixture",
        "chain": "clearer.degradations.chain:Chain",
        "resize": "clearer.degradations.resize:Resize",
        "blur": "clearer.degradations.blur:Blur",
        "none": "clearer.degradations.none:NoDegradation",
    },
)

BY_KIND = ChosenBy("kind", DEGRADATIONS, default="none")
"""The key ``kind`` of a mapping of settings chooses its class."""

FORMER_KEYS = ("sigma", "clip8", "rain", "share")
"""Version 0.1 stored the settings of all its kinds: these, those of rain under ``rain``."""


def degradation_from_dict(stated: Mapping[str, Any]) -> Degradation:
    """Return the degradation that a model card states, also one of version 0.1.

    Raises:
        UserError: the kind or a setting is unknown, or a value is out of range.

    >>> degradation_from_dict({"kind": "gaussian", "sigma": [0, 75]}).describe()
    'Gaussian noise of sigma 0 to 75 gray levels, not clipped'
    """
    found: Degradation = BY_KIND.build(in_present_form(stated), "degradation")
    return found


def in_present_form(stated: Mapping[str, Any], *, from_file: bool = False) -> dict[str, Any]:
    """Return settings as they are stored now, from those of version 0.1.

    Version 0.1 had the settings of all its kinds in one mapping. Those of other kinds are left out if they were
    stored by the program, which stated them all, or stand in a recipe file (``from_file``).

    >>> in_present_form({"kind": "none", "sigma": 0.0, "clip8": False})
    {'kind': 'none'}
    >>> in_present_form({"kind": "rain", "rain": {"angle": [0, 5]}, "share": 0.2})
    {'kind': 'rain', 'angle': [0, 5], 'share': 0.2}
    """
    settings = dict(stated)
    kind = settings.get("kind", "none")
    if kind not in DEGRADATIONS:
        return settings
    was_stored = "sigma" in settings and "clip8" in settings
    own = settings.get(kind)
    if isinstance(own, Mapping):
        del settings[kind]
        settings = {"kind": kind, **own, **settings}
    known = field_names(DEGRADATIONS.get(kind))
    lenient = from_file or was_stored
    return {k: v for k, v in settings.items() if k in known or not (lenient and k in FORMER_KEYS)}
