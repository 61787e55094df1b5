"""Fill the tables of docs and README.md from the JSON files in docs/results.

    python tools/make_results.py            # rewrite the tables
    python tools/make_results.py --collect RUN NAME "COMMAND"   # first copy a run's figures to docs/results
    python tools/make_results.py --keep FILE.json NAME "COMMAND"   # first copy the JSON of `reproduce` or `verdict`

``--keep`` also copies the PNG figures beside an experiment's JSON to docs/images/NAME-*.png. A table stands between
``<!-- table NAME -->`` and ``<!-- end -->``. The first part of NAME, up to a dash, chooses the kind of table.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from clearer.core.files import read_json
from clearer.experiments.redraw import DRAWN

sys.path.insert(0, str(Path(__file__).parent))
from result_tables.kinds import KINDS

HERE = Path(__file__).parents[1] / "docs"
PAGES = [*sorted(HERE.rglob("*.md")), HERE.parent / "README.md"]
STORE = HERE / "results"


def collect(run: Path, name: str, command: str) -> None:
    """Copy the figures of a run folder."""

    def read(path: str) -> Any:
        return json.loads((run / path).read_text()) if (run / path).exists() else None

    evaluations = [json.loads(path.read_text()) for path in sorted((run / "evaluation").glob("*.json"))]
    for evaluation in evaluations:
        evaluation.pop("per_image")
    value = {
        "command": command,
        "run": read("run.json"),
        "architecture": read("architecture.json"),
        "search": read("search/result.json"),
        "train": read("train/result.json"),
        "evaluations": evaluations,
    }
    (STORE / f"run-{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def keep(path: Path, name: str, command: str) -> None:
    """Copy a result and its figures, with one line of JSON a key: a verdict has thousands of scores."""
    value = {"command": command, **json.loads(path.read_text())}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(part)}" for key, part in value.items())
    (STORE / f"{name}.json").write_text("{\n" + lines + "\n}\n")
    for figure in path.parent.glob("*.png") if path.name in DRAWN else ():  # else they are not of this result
        shutil.copy(figure, HERE / "images" / f"{name}-{figure.name}")


def filled(page: str) -> str:
    """Return the text of a page with its tables rewritten."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if not (STORE / f"{name}.json").exists():
            return match[0]
        value = read_json(STORE / f"{name}.json")
        return f"<!-- table {name} -->\n{KINDS[name.split('-')[0]](value)}\n<!-- end -->"

    return re.sub(r"<!-- table ([\w-]+) -->.*?<!-- end -->", fill, page, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collect", nargs=3, metavar=("RUN", "NAME", "COMMAND"), help="first copy a run's figures")
    parser.add_argument("--keep", nargs=3, metavar=("FILE", "NAME", "COMMAND"), help="first copy a result's JSON")
    given = parser.parse_args()
    for copy, words in ((collect, given.collect), (keep, given.keep)):
        if words:
            copy(Path(words[0]), words[1], words[2])
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
