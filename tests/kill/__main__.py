"""Kill the commands of each verb N times at random moments, run them again, and print what was found.

python -m kill --runs 50 --seed 0 --only fit
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a fork has no threads but its own

import torch

from kill.commands import COMMANDS, PAGE, Command, make_inputs
from kill.page import Page
from kill.trial import STOPS, Subject, Trial

HEAD = "| verb | kill -9 | SIGTERM, SIGINT | too late | as promised | not | seconds |\n|---|---|---|---|---|---|---|"


def main() -> int:
    """Run the trials; return 1 if any found a fault."""
    torch.set_num_threads(1)
    options = _options()
    chosen = [c for c in (*COMMANDS, PAGE) if not options.only or any(c.name.startswith(name) for name in options.only)]
    print(HEAD, flush=True)
    faulty = False
    for verb in dict.fromkeys(command.verb for command in chosen):
        commands = [command for command in chosen if command.verb == verb]
        desk = Path(tempfile.mkdtemp(prefix="kill-")).resolve()
        began = time.monotonic()
        try:
            trials = _trials(commands, desk, options)
        finally:
            if not options.keep:
                shutil.rmtree(desk, ignore_errors=True)
        faulty |= any(trial.faults for trial in trials)
        print(_row(verb, trials, time.monotonic() - began), flush=True)
    return int(faulty)


def _trials(commands: list[Command], desk: Path, options: argparse.Namespace) -> list[Trial]:
    """Kill the commands of a verb in turn."""
    subjects: dict[str, Subject] = {}
    trials: list[Trial] = []
    until = time.monotonic() + 60 * options.minutes
    for k, (number, seed) in enumerate(_plan(options.runs, options.seed, options.signal)):
        if time.monotonic() > until:
            break
        command = commands[k % len(commands)]
        if command.name not in subjects:
            place = desk / str(len(subjects))
            make_inputs(place)
            kind = Page if command is PAGE else Subject
            subjects[command.name] = kind(command, place)
        trials.append(subjects[command.name].kill(seed, number))
        _tell(command.name, trials[-1])
    return trials


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kill", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=50, help="kills of each verb by -9; a tenth more by SIGTERM and by SIGINT"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first kill")
    parser.add_argument("--only", action="append", help="commands that begin so; repeatable")
    parser.add_argument("--signal", type=int, help="only this signal, once a seed")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no trial of a verb after this time")
    parser.add_argument("--keep", action="store_true", help="keep the folders")
    return parser.parse_args()


def _plan(runs: int, seed: int, only: int | None) -> list[tuple[signal.Signals, int]]:
    if only is not None:
        return [(signal.Signals(only), seed + k) for k in range(runs)]
    plan: list[tuple[signal.Signals, int]] = []
    for k in range(runs):
        plan.append((signal.SIGKILL, seed + k))
        if k % 10 == 1 or runs == 1:
            plan += [(stop, seed + k) for stop in STOPS]
    return plan


def _tell(name: str, trial: Trial) -> None:
    for text in trial.faults:
        print(
            f"{name}, seed {trial.seed}, {trial.signal.name} {trial.moment}: {text}\n"
            f'  repeat: make kill N=1 SEED={trial.seed} ONLY="{name}" SIGNAL={int(trial.signal)}',
            file=sys.stderr,
            flush=True,
        )


def _counts(trials: list[Trial]) -> dict[str, int]:
    return {
        "kills": sum(trial.signal == signal.SIGKILL for trial in trials),
        "stops": sum(trial.signal != signal.SIGKILL for trial in trials),
        "too_late": sum(trial.ended for trial in trials),
        "as_promised": sum(not trial.faults for trial in trials),
        "faulty": sum(bool(trial.faults) for trial in trials),
    }


def _row(name: str, trials: list[Trial], seconds: float) -> str:
    return f"| `{name}` | " + " | ".join(str(count) for count in _counts(trials).values()) + f" | {seconds:.0f} |"


if __name__ == "__main__":
    sys.exit(main())
