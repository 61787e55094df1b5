"""Digest of a classical method's code: measurements of another version of it are not kept."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "clearer.methods."
COMMON = {f"{PACKAGE}{name}" for name in ("base", "card")}
"""Modules that all methods share; they do not count, and neither does what methods take from outside this folder."""


def code_digest(module: str) -> str:
    """Return a digest of a module and of those beside it that it imports; comments, docstrings and cards do not count.

    It is empty where the source is not at hand.
    """
    try:
        programs = [_program(name) for name in sorted(_imported(module, set()))]
    except (OSError, ModuleNotFoundError, ValueError):  # ValueError: a module made without a file
        return ""
    return hashlib.sha256("\n".join(map(ast.unparse, programs)).encode()).hexdigest()


def _imported(module: str, seen: set[str]) -> set[str]:
    """Return the names of a module and of all of this folder that it needs."""
    seen.add(module)
    for name in _needs(_program(module)):
        if name not in seen:
            _imported(name, seen)
    return seen


def _needs(program: ast.Module) -> Iterator[str]:
    for node in ast.walk(program):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        if module and module.startswith(PACKAGE) and module not in COMMON:
            yield module


def _program(module: str) -> ast.Module:
    """Return the parsed source of a module, without what documents it: strings, and the card of its method."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    program = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in ast.walk(program):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _documents(line)] or [ast.Pass()]  # type: ignore[attr-defined]
    return program


def _documents(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        return isinstance(node.value.func, ast.Name) and node.value.func.id == "Classical"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
