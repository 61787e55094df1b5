"""The structure of the package, read from its source: folders, imports, sizes, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import clearer

PACKAGE = Path(clearer.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

FOLDERS = (
    "core", "images", "noise", "degradations", "losses", "network", "recipe", "runs", "data", "zoo", "evaluation",
    "training", "inference", "bulk", "search", "deploy", "methods", "report", "napari", "web", "pipeline",
    "experiments", "cli",
)  # fmt: skip
"""A file imports only files of its own folder and of the folders before it."""

LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 350, 80, 10


def module_name(path: Path) -> str:
    """Return the dotted name of a file, ``clearer.core.files`` for ``core/files.py``."""
    parts = ("clearer", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(module: str) -> dict[str, int]:
    """Return the modules of the package that a module imports, each with the first line that does.

    Imports inside functions and under TYPE_CHECKING count. A registry's ``"module:attribute"`` does not.
    """
    found: dict[str, int] = {}
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}:{node.lineno}: relative import; name the module in full"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in below]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "clearer":
                found.setdefault(name, node.lineno)
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node, by Tarjan's algorithm.

    >>> circles({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    [['b', 'c']]
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        path.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in number:
                visit(other)
            if other in path:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            at = path.index(node)
            component = path[at:]
            del path[at:]
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(edges):
        if node not in number:
            visit(node)
    return sorted(found)


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function, also nested ones and methods, with its address."""
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node


def folder(module: str) -> str:
    """Return the folder of a module; of a file in the package root, an empty string."""
    parts = module.split(".")
    inside = MODULES[module].name == "__init__.py" and len(parts) == 2
    return parts[1] if len(parts) > 2 or inside else ""


def test_the_package_root_holds_at_most_three_files() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 3


def test_every_folder_has_its_place_in_the_import_order() -> None:
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == set(FOLDERS)


def test_every_import_names_a_module_that_exists() -> None:
    missing = {f"{module}:{line}": name for module in MODULES for name, line in imports(module).items()}
    assert {place: name for place, name in missing.items() if name not in MODULES} == {}


def test_no_file_imports_itself_by_way_of_others() -> None:
    found = circles({module: set(imports(module)) for module in MODULES})
    assert not found, "\n".join(" <-> ".join(circle) for circle in found)


def test_folders_import_only_earlier_folders() -> None:
    wrong = []
    for module in MODULES:
        here = folder(module)
        if not here:
            continue  # the root's lazy names lead everywhere, and nothing imports the root: see below
        for name, line in imports(module).items():
            there = folder(name)
            if not there or FOLDERS.index(there) > FOLDERS.index(here):
                wrong.append(f"{MODULES[module].relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_no_file_is_too_long() -> None:
    lines = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    lengths = {where: (node.end_lineno or 0) - node.lineno + 1 for where, node in functions()}
    assert {where: count for where, count in lengths.items() if count > LONGEST_FUNCTION} == {}


def test_no_function_has_too_many_parameters() -> None:
    counts = {}
    for where, node in functions():
        if where.startswith("cli/"):
            continue  # a verb's options are its parameters; it makes one typed value of them at once
        given = node.args
        named = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if a]
        counts[where] = len([name for name in named if name not in ("self", "cls")])
    assert {where: count for where, count in counts.items() if count > MOST_PARAMETERS} == {}


# Imports each module first, before any other of the package. A public name that is a module by then is lost: the lazy
# import no longer answers for it. What the package imports from outside stays loaded in between, which makes this fast.
IMPORT_EACH_FIRST = """
import importlib, sys, types
import clearer
for name in clearer.__all__:
    assert name == "__version__" or callable(getattr(clearer, name)), name
for module in sys.argv[1:]:
    for loaded in [name for name in sys.modules if name.split(".")[0] == "clearer"]:
        del sys.modules[loaded]
    importlib.import_module(module)
    face = importlib.import_module("clearer")
    for name in face.__all__:
        if isinstance(vars(face).get(name), types.ModuleType):
            print(f"import {module} makes clearer.{name} a module")
"""


def test_no_file_or_folder_of_the_root_bears_a_public_name() -> None:
    assert {path.stem for path in PACKAGE.iterdir()} & set(clearer.__all__) == set()


@pytest.mark.long
def test_public_names_are_functions_and_classes_whatever_is_imported_first() -> None:
    modules = [name for name in MODULES if not name.endswith("__main__")]
    call = [sys.executable, "-c", IMPORT_EACH_FIRST, *modules]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("statement", ["import clearer", "import clearer.cli.main"])
def test_neither_the_package_nor_the_command_line_imports_torch(statement: str) -> None:
    program = f"{statement}\nimport sys\nsys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_public_name_is_listed_once() -> None:
    assert sorted(set(clearer.__all__)) == sorted(clearer.__all__)
