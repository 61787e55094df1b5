"""The reference of the Python package: its public names, each with a directive for mkdocstrings."""

from __future__ import annotations

import clearer

GROUPS = {
    "Restore": ("load", "Restorer", "models"),
    "Train and measure": ("fit", "evaluate", "describe", "export", "verdict"),
    "Recipes": ("load_recipe", "Recipe"),
    "Networks": ("Architecture", "SearchSpace", "RestorationNetwork", "Supernet"),
    "Errors": ("UserError",),
}


def text() -> str:
    """Return the page; every public name of the package stands on it."""
    names = {name for group in GROUPS.values() for name in group}
    if missing := set(clearer.__all__) - names - {"__version__"}:
        raise ValueError(f"tools/site/python_page.py: no group has {sorted(missing)}")
    parts = ["# Python", "`import clearer` gives these names. Everything else may change without notice."]
    for heading, group in GROUPS.items():
        parts += [f"## {heading}", *(f"::: clearer.{name}" for name in group)]
    return "\n\n".join(parts) + "\n"
