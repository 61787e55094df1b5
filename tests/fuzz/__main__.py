"""Try damaged files: ``python -m fuzz --cases 100000``; one again: ``python -m fuzz --only 4711``."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections import Counter
from pathlib import Path

from fuzz.campaign import Result, resume, run_campaign, table
from fuzz.cases import SHARES


def main() -> int:
    """Run a campaign, or single cases of it; return 1 if there was a violation."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="in all; a campaign that was stopped goes on")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other cases")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="state, sound files, violations")
    parser.add_argument("--only", type=int, nargs="+", help="try these cases and print what was said")
    parser.add_argument("--kind", choices=list(SHARES), help="try files of this kind alone, such as 'run folder'")
    parser.add_argument("--sayings", action="store_true", help="count what was said, without numbers and names")
    options = parser.parse_args()
    if options.only or options.sayings:
        return _look(options)
    seconds = None if options.minutes is None else 60 * options.minutes
    state = resume(
        options.folder, options.cases, seed=options.seed, jobs=options.jobs, seconds=seconds, kind=options.kind
    )
    print(table(state))
    print(f"{state.next:,} cases of seed {state.seed} in {state.seconds / 60:.1f} minutes")
    print("slowest, s:", *(f"{s} ({name})" for s, name in state.slowest[:3]))
    print("most memory, MB:", *(f"{s} ({name})" for s, name in state.largest[:3]))
    for one in state.violations:
        print(f"violation: {one['seed']}: {one['what'][:200]}")
        chosen = f" --kind {shlex.quote(options.kind)}" if options.kind else ""
        print(f"  again: PYTHONPATH=tests python -m fuzz --seed {state.seed}{chosen} --only {one['case']}")
    return int(bool(state.violations))


def _look(options: argparse.Namespace) -> int:
    """Try single cases, or a range of them for what is said."""
    sayings: Counter[str] = Counter()
    violations = 0

    def see(result: Result) -> None:
        nonlocal violations
        violations += bool(result.violation)
        if options.only:
            print(
                f"case {result.number} ({result.kind}, {result.seed}, {result.seconds:.2f} s, {result.peak >> 20} MB):"
            )
            print(f"  {result.violation or result.outcome}\n  {result.said}")
        elif result.said or result.violation:
            text = re.sub(r"[0-9]+", "N", result.said or f"VIOLATION {result.violation}")
            text = re.sub(r"clearer: |note: |\S*\.(png|safetensors|onnx|yaml|tif|json)\b|\bx\.\w+", "", text)
            sayings[f"{result.kind}: {text.strip()[:130]}"] += 1

    numbers = options.only or range(options.cases)
    kinds = {options.kind: 1} if options.kind else None
    run_campaign(options.folder, numbers, seed=options.seed, jobs=options.jobs, see=see, kinds=kinds)
    for text, count in sayings.most_common():
        print(f"{count:6} {text}")
    return int(violations > 0)


if __name__ == "__main__":
    raise SystemExit(main())
