"""The files that others build packages from state what pyproject.toml and the source state."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import clearer

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def project() -> dict[str, Any]:
    """Return pyproject.toml's table of the project."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def test_the_conda_recipe_has_the_version_and_dependencies_of_the_package():
    recipe = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == clearer.__version__
    wanted = {f"python {project()['requires-python']}"}
    for requirement in project()["dependencies"]:
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        wanted.add(f"{CONDA_NAMES.get(name, name)} {bounds}")
    assert set(recipe["requirements"]["run"]) == wanted
    assert recipe["about"]["summary"] == project()["description"]
    assert recipe["build"]["python"]["entry_points"] == [f"clearer = {project()['scripts']['clearer']}"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with its arguments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], " ".join(line.split()[1:])) for line in lines]


def test_the_image_is_slim_runs_as_a_user_and_has_no_cuda():
    found = instructions()
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert bases and all(re.fullmatch(r"python:3\.1[1-3]-slim", base) for base in bases)
    last = max(k for k, (name, _) in enumerate(found) if name == "FROM")
    final = dict(found[last:])
    assert final["USER"] not in ("root", "0") and final["ENTRYPOINT"] == '["clearer"]'
    after_user = [name for name, _ in found[[name for name, _ in found].index("USER") :]]
    assert "RUN" not in after_user and "COPY" not in after_user  # nothing that the user could change is installed
    installs = [rest for name, rest in found if name == "RUN" and " '.[" in rest]
    assert len(installs) == 1 and "--torch-backend cpu" in installs[0] and "-c constraints.txt" in installs[0]
    extras = re.search(r"\.\[([\w,]+)\]", installs[0])[1].split(",")
    assert set(extras) <= set(project()["optional-dependencies"])


def test_all_that_the_image_copies_is_there_and_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, rest in instructions():
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert source in kept and (ROOT / source).exists(), source


def test_templates_are_forms_that_ask_for_the_system():
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.glob("*.yml")}
    assert {"bug", "request", "config"} == set(forms)
    for name in ("bug", "request"):
        assert forms[name]["name"] and forms[name]["description"] and forms[name]["body"]
        for field in forms[name]["body"]:
            assert field["type"] == "textarea" and field["id"] and field["attributes"]["label"]
    asked = " ".join(str(field) for field in forms["bug"]["body"])
    assert "clearer doctor --system" in asked and "SECURITY.md" in asked
