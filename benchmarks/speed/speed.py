"""How fast: each piece of work beside the reference and the machine's ceiling, in one run.

    python benchmarks/speed/speed.py weight-step architecture-step      # or any of: training-step, search, data,
    python benchmarks/speed/speed.py                                    # startup, restore, restore-large; or all
    python benchmarks/speed/speed.py restore --width 16 -o docs/results/speed-restore-16.json

Each kind of work (ours, the reference, where it fits DnCNN, a large matrix product) has a process of its
own, and they take turns, so that a slow minute of the machine strikes all of them. One line of JSON a
piece of work: medians of the seconds, GFLOP/s, ratios, peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("weight-step", "architecture-step", "training-step", "search", "data", "startup", "restore", "restore-large")
SLOW = {"restore-large": 2, "search": 3}  # rounds at most on a CPU


def work(arguments: list[str]) -> None:
    """A process of one kind of work: a line in, one repetition, a line out."""
    name, kind, device, width, precision = arguments
    import torch
    import workloads

    from clearer.training.run_device import choose_device, device_name, peak_memory_mb

    (step, gflop), used = workloads.prepare(name, kind, device, int(width), precision)
    if name != "restore-large" or kind == "ceiling" or device != "cpu":
        step()  # first of all, memory and oneDNN's kernels
    told = device_name(choose_device(device))
    print(json.dumps({"gflop": gflop, "precision": used, "device": told, "torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        step()
        print(time.perf_counter() - began, flush=True)
    print(peak_memory_mb(choose_device(device)), flush=True)


class Worker:
    def __init__(self, name: str, kind: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--work", name, kind, options.device, str(options.width)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)} if options.threads else None
        self.process = subprocess.Popen(
            [*command, options.precision], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.facts: dict[str, Any] = json.loads(self._line())
        self.seconds: list[float] = []

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a worker has ended; its message stands above")
        return line

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(float(self._line()))

    def end(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        peak = float(self._line())
        self.process.wait()
        median = statistics.median(self.seconds)
        rate = {"gflops": round(self.facts["gflop"] / median, 1)} if self.facts["gflop"] else {}
        facts = {"precision": self.facts["precision"], "peak_mib": round(peak)}
        return {"seconds": round(median, 5), "all_seconds": [round(s, 5) for s in self.seconds], **rate, **facts}


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    kinds = ["ours", "reference"] + (["dncnn"] if name.startswith("restore") else [])
    kinds += [] if name in ("data", "startup") else ["ceiling"]
    workers = {kind: Worker(name, kind, options) for kind in kinds}
    most = SLOW.get(name, options.rounds) if options.device == "cpu" else options.rounds
    for _ in range(min(options.rounds, most)):
        for worker in workers.values():
            worker.go()
    facts = workers["ours"].facts
    found = {kind: worker.end() for kind, worker in workers.items()}
    ours = found["ours"]["seconds"]
    result: dict[str, Any] = {"work": name, "width": options.width, "device": facts["device"], "torch": facts["torch"]}
    result["ratio_to_reference"] = round(found["reference"]["seconds"] / ours, 2)
    if "ceiling" in found:
        result["share_of_ceiling"] = round(found["ours"]["gflops"] / found["ceiling"]["gflops"], 3)
    if "dncnn" in found:
        result["ratio_to_dncnn"] = round(found["dncnn"]["seconds"] / ours, 2)
    if name == "data":
        result["patches_per_second"] = round(32 / ours)
    return {**result, **found}


def main() -> None:
    if sys.argv[1:2] == ["--work"]:
        return work(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="WORK", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of ours and of the ceiling: auto, bf16 or fp32")
    parser.add_argument("--threads", type=int, help="of each process (default: all cores)")
    parser.add_argument("-o", "--out", type=Path, help="keep the lines here, as one JSON file")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(NAMES)}")
    lines = []
    for name in options.names or NAMES:
        lines.append(measure(name, options))
        print(json.dumps(lines[-1]), flush=True)
    if options.out is not None:
        words = [Path(sys.argv[0]).name, *sys.argv[1:]]
        command = f"python benchmarks/{' '.join(words)}"
        options.out.write_text(json.dumps({"command": command, "lines": lines}, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
