"""A few seeded kills in the suite; `make kill N=50` is the long run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="forks after importing torch"),
]


@pytest.mark.long
def test_killed_commands_give_the_same_result_when_run_again() -> None:
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    run = [sys.executable, "-m", "kill", "--runs", "1", "--seed", "7", "--only", "restore FOLDER", "--only", "search"]
    ended = subprocess.run(run, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(" | 1 | 2 | ") == 2 and ended.stdout.count(" | 3 | 0 | ") == 2, ended.stdout
