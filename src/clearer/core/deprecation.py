"""Former names of the Python interface: each still works, and warns with the present one."""

from __future__ import annotations

import warnings

from clearer.core.callers import level_of_user

REMOVAL = "0.3"
"""The release that has none of the former names any more."""

FORMER_NAMES = {
    "Architecture.letters": "Architecture.choices",
    "Supernet.derive()": "Supernet.discretize()",
    "Supernet.logits": "Supernet.alpha",
    "Supernet.probabilities": "Supernet.mixing_weights",
    "licence=": "license=",
}
"""Former names and present ones. A test uses each."""


def warn_of_former(name: str) -> None:
    """Warn of a name of `FORMER_NAMES`, at the user's line."""
    warnings.warn(f"{name} is now called {FORMER_NAMES[name]}", DeprecationWarning, stacklevel=level_of_user())
