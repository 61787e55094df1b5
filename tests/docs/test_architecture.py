"""docs/architecture.md: its folder table is that of the package, and every file it names exists."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TOOL = runpy.run_path(str(ROOT / "tools" / "make_architecture.py"))


def test_the_folder_table_is_up_to_date() -> None:
    assert TOOL["filled"](PAGE) == PAGE, "run python tools/make_architecture.py"


def test_every_file_has_a_docstring_of_one_line_that_states_its_job() -> None:
    lines = {str(path): TOOL["first_line"](path) for path in (ROOT / "src" / "clearer").rglob("*.py")}
    assert [name for name, line in lines.items() if not line] == []


def test_the_import_order_is_the_one_that_is_tested() -> None:
    tested = runpy.run_path(str(ROOT / "tests" / "test_structure.py"))["FOLDERS"]
    assert tuple(TOOL["import_order"](PAGE)) == tested


def test_files_and_folders_that_the_page_names_exist() -> None:
    text = PAGE.split(TOOL["BEGIN"])[0] + PAGE.split(TOOL["END"])[1]
    named = set(re.findall(r"(?<![\w./])(?:\w+/)+(?:\w+\.py)?(?![\w*.])", text))
    in_a_run = {
        "search/",
        "train/",
        "evaluation/",
        "samples/",
        "tensorboard/",
        "verdict/",
        "search/checkpoints/",
        "train/checkpoints/",
    }
    places = (ROOT, ROOT / "src" / "clearer")
    assert {name for name in named - in_a_run if not any((place / name).exists() for place in places)} == set()
