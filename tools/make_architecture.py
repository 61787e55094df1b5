"""Write the folder table of docs/architecture.md from the docstrings of the package.

    python tools/make_architecture.py

A row for each folder and file of src/clearer: the first line of its docstring. Folders are listed in the import order
that tests/test_structure.py checks; the test of the page fails when the table is out of date.
"""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "clearer"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- folders: written by tools/make_architecture.py -->", "<!-- end of folders -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """Return the page with its folder table rewritten."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table(import_order(page))}\n{END}{rest.split(END)[1]}"


def import_order(page: str) -> list[str]:
    """Return the folders in the order of the page: its one line that consists of names only."""
    (line,) = re.findall(r"^(?:`\w+` ?){2,}$", page, re.MULTILINE)
    return re.findall(r"`(\w+)`", line)


def table(order: list[str]) -> str:
    """Return the table as Markdown: the package root, then each folder in ``order`` with its files."""
    rows = ["| file | job |", "|---|---|", *rows_of(PACKAGE)]
    for name in order:
        rows.append(f"| **{name}/** | **{first_line(PACKAGE / name / '__init__.py')}** |")
        rows += rows_of(PACKAGE / name)
        for below in sorted(path.parent for path in (PACKAGE / name).glob("*/__init__.py")):
            rows.append(f"| **{name}/{below.name}/** | **{first_line(below / '__init__.py')}** |")
            rows += rows_of(below)
    return "\n".join(rows)


def rows_of(folder: Path) -> list[str]:
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py" or folder == PACKAGE)
    return [f"| `{path.name}` | {first_line(path)} |" for path in files]


def first_line(path: Path) -> str:
    """Return the first line of a file's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".").replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    main()
