"""Search for, train and ship small image-restoration networks (CLEARER, NeurIPS 2020).

``__all__`` lists the public names. Each is imported when it is first used, so that ``import clearer`` and
``clearer --help`` import no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clearer.core.version import __version__

if TYPE_CHECKING:
    from clearer.core.errors import UserError
    from clearer.deploy.onnx import export
    from clearer.experiments.verdict import verdict
    from clearer.inference.restorer import Restorer, load
    from clearer.network.architecture import Architecture, SearchSpace
    from clearer.network.network import RestorationNetwork
    from clearer.network.supernet import Supernet
    from clearer.pipeline.describe import describe
    from clearer.pipeline.evaluate import evaluate
    from clearer.pipeline.fit import fit
    from clearer.recipe.load import load_recipe
    from clearer.recipe.schema import Recipe
    from clearer.zoo.catalog import models

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

# No file or folder of the root may have one of these names: importing it would put the module in the function's place.
_HOMES = {
    "Architecture": "clearer.network.architecture",
    "Recipe": "clearer.recipe.schema",
    "RestorationNetwork": "clearer.network.network",
    "Restorer": "clearer.inference.restorer",
    "SearchSpace": "clearer.network.architecture",
    "Supernet": "clearer.network.supernet",
    "UserError": "clearer.core.errors",
    "describe": "clearer.pipeline.describe",
    "evaluate": "clearer.pipeline.evaluate",
    "export": "clearer.deploy.onnx",
    "fit": "clearer.pipeline.fit",
    "load": "clearer.inference.restorer",
    "load_recipe": "clearer.recipe.load",
    "models": "clearer.zoo.catalog",
    "verdict": "clearer.experiments.verdict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
