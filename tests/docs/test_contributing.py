"""CONTRIBUTING.md: its examples, run as if their files and registry lines were in the package."""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)


def module_name(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").replace("/", ".")


@pytest.mark.parametrize(("title", "section"), SECTIONS, ids=[title for title, _ in SECTIONS])
def test_an_addition_works_after_its_file_and_its_registry_line(
    title: str, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"^```python\n# (.*?)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    heads = [head.partition(": ") for head, _ in blocks]
    assert blocks and heads[-1][0] == "use"
    for (place, _, registry), (_, code) in zip(heads, blocks, strict=True):
        if registry:
            entries = getattr(import_module(module_name(place)), registry)._entries
            for key, value in ast.literal_eval("{" + code + "}").items():
                assert key not in entries
                monkeypatch.setitem(entries, key, value)
        elif place == "use":
            exec(compile(code, f"{PAGE}: {title}", "exec"), {"__name__": "example"})
        else:
            assert not (ROOT / place).exists() and len(code.strip().splitlines()) <= 30
            module = ModuleType(module_name(place))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(code, place, "exec"), vars(module))
