"""What holds for the options of every verb."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer.main

from clearer.cli.app import REPRODUCE, VERBS, app
from clearer.cli.verb import local_path
from helpers.command import clearer as command

ROOT: Any = typer.main.get_command(app)


def paths() -> Iterator[tuple[str, ...]]:
    """Yield the words before the value of each option or argument that takes a path."""
    plain = [((), ROOT, verb) for heading in VERBS.values() for verb in heading]
    for words, group, verb in (*plain, *((("reproduce",), ROOT.commands["reproduce"], verb) for verb in REPRODUCE)):
        params = {param.name: param for param in group.commands[verb.name].params}
        hints = get_type_hints(verb.options)
        for field in dataclasses.fields(verb.options):
            if "Path" in str(hints[field.name]):
                param = params[field.name]
                yield (*words, verb.name, *(param.opts[:1] if param.param_type_name == "option" else ()))


PATHS = list(paths())


def test_the_options_that_take_a_path_are_found() -> None:
    wanted = {
        ("restore", "--compare"),
        ("export", "--out"),
        ("evaluate",),
        ("reproduce", "tables", "--also"),
        ("fit", "--out"),
    }
    assert wanted <= set(PATHS)


@pytest.mark.parametrize("words", PATHS, ids=" ".join)
def test_no_option_that_takes_a_path_takes_an_address(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command(*words, "s3://KEY:SECRET@lab/a.png")
    assert ended.status == 2 and ended.err.count("\n") == 1 and not list(tmp_path.iterdir())
    assert ": s3://***@lab/a.png is an address; give a path on this machine; see 'clearer" in ended.err


@pytest.mark.parametrize("text", ["a.png", "C:/a.png", "a:b", "-", "s3:a", ".", "/tmp/x://y"])
def test_paths_stay_what_they_are(text: str) -> None:
    assert local_path(text) == Path(text) == local_path(Path(text))
