"""Run the command line in this process, without starting a new Python."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

from clearer.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """The exit status of a command, its standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything beside it fails the test."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        value = json.loads(lines[0])
        assert isinstance(value, dict)
        return value


def clearer(*arguments: object) -> Outcome:
    """Run ``clearer ARGUMENTS`` and return what it printed."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["clearer", *map(str, arguments)]),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return Outcome(status, out.getvalue(), err.getvalue())


def settings(values: dict[str, Any]) -> list[str]:
    """Return the options ``--set KEY=VALUE`` of recipe settings."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]
