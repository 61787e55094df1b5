"""Find, train and ship small multi-scale image-restoration networks (CLEARER, NeurIPS 2020).

The names of ``__all__`` are the public face. Each is imported when it is first used, so that
``import clearer`` and ``clearer --help`` need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearer.architecture import Architecture, SearchSpace
    from clearer.catalogue import models
    from clearer.description import describe
    from clearer.errors import UserError
    from clearer.fitting import fit
    from clearer.inference.export import export
    from clearer.inference.restorer import Restorer, load
    from clearer.measure import evaluate
    from clearer.network.restoration import RestorationNetwork
    from clearer.network.supernet import Supernet
    from clearer.recipe import Recipe, load_recipe
    from clearer.reproduction.verdict import verdict

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Recipe",
    "RestorationNetwork",
    "Restorer",
    "SearchSpace",
    "Supernet",
    "UserError",
    "__version__",
    "describe",
    "evaluate",
    "export",
    "fit",
    "load",
    "load_recipe",
    "models",
    "verdict",
]

# No module may bear the name of a function here: importing it would put the module in the function's place.
_HOMES = {
    "Architecture": "clearer.architecture",
    "Recipe": "clearer.recipe",
    "RestorationNetwork": "clearer.network.restoration",
    "Restorer": "clearer.inference.restorer",
    "SearchSpace": "clearer.architecture",
    "Supernet": "clearer.network.supernet",
    "UserError": "clearer.errors",
    "describe": "clearer.description",
    "evaluate": "clearer.measure",
    "export": "clearer.inference.export",
    "fit": "clearer.fitting",
    "load": "clearer.inference.restorer",
    "load_recipe": "clearer.recipe",
    "models": "clearer.catalogue",
    "verdict": "clearer.reproduction.verdict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
