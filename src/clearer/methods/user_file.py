"""Methods that a user's Python file defines."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import logging
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.methods.base import Method

log = logging.getLogger("clearer")

FORMER_MODULE = "clearer.reproduction.methods"
"""Where `Method` was in version 0.1: files written for it still run."""


@contextlib.contextmanager
def _former_module() -> Iterator[None]:
    """Let a file import `FORMER_MODULE`; it gets `clearer.methods.base`."""
    parent = FORMER_MODULE.rpartition(".")[0]
    names = {parent: types.ModuleType(parent), FORMER_MODULE: sys.modules[Method.__module__]}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def methods_from_file(path: str | Path) -> list[Method]:
    """Run a Python file and return its ``METHODS``, a list of `Method`.

    Methods without a ``sha256`` get the file's digest.

    Raises:
        UserError: the file is missing, fails, or its METHODS is not a list of methods.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; name a Python file that defines METHODS, a list of Method")
    content = path.read_bytes()
    if FORMER_MODULE.encode() in content:
        log.warning("%s: %s is now called %s", path, FORMER_MODULE, Method.__module__)
    digest = hashlib.sha256(content).hexdigest()
    name = f"methods_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file; its name must end in .py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses of the file look there
    try:
        with _former_module():
            spec.loader.exec_module(module)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{path}: fails with {what}; correct the file") from error
    found: Any = getattr(module, "METHODS", None)
    if not isinstance(found, list | tuple) or not found or not all(isinstance(method, Method) for method in found):
        raise UserError(
            f"{path}: METHODS is not a list of Method; define METHODS = [Method(name, degradation, restore)], "
            "with Method from clearer.methods.base"
        )
    return [method if method.sha256 else dataclasses.replace(method, sha256=digest) for method in found]
