"""The command line in this process: as a user calls it, without the seconds that a new Python takes."""

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
    """Exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object; nothing else may be on standard output."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        value = json.loads(lines[0])
        assert isinstance(value, dict)
        return value


def clearer(*arguments: object) -> Outcome:
    """Run ``clearer ARGUMENTS``."""
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
    """Return ``--set KEY=VALUE`` for each."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]
