"""The version of the package, stated here alone: pyproject.toml reads it from this file."""

__version__ = "0.2.0.dev0"
