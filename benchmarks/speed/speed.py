"""Time each workload beside a plain implementation and the machine's peak throughput.

    python benchmarks/speed/speed.py                                    # all workloads
    python benchmarks/speed/speed.py weight-step architecture-step      # some of them
    python benchmarks/speed/speed.py restore --width 16 -o docs/results/speed-restore-16.json
    python benchmarks/speed/speed.py restore-model --model denoise-color  # a model beside FFDNet, 1920x1080
    python benchmarks/speed/speed.py --table speed.json                 # print an earlier result as a table

Each variant of a workload (clearer, the reference, DnCNN or FFDNet where it applies, a large matrix product) runs in
its own process. The processes take turns, so that a slow minute of the machine affects all of them. Prints one JSON
line per workload: median seconds, GFLOP/s, ratios, peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("weight-step", "architecture-step", "training-step", "search", "data", "startup", "restore", "restore-large")
AGAINST_FFDNET = "restore-model"
FFDNETS = ("color", "gray")
SLOW = {"restore-large": 2, "search": 3}  # rounds at most on a CPU
SEARCH_STEPS = {"weight-step": 10_000, "architecture-step": 9_500}
"""Steps of the published search."""


def work(arguments: list[str]) -> None:
    """Serve one variant of a workload: read a line, run it once, print its seconds; at the end, the peak memory."""
    name, kind, device, width, precision, model = arguments
    import torch
    import workloads

    from clearer.training.run_device import choose_device, device_name, peak_memory_mb

    (step, gflop), used = workloads.prepare(name, kind, device, int(width), precision, model)
    if name != "restore-large" or kind == "peak" or device != "cpu":
        step()  # the first run allocates memory and compiles oneDNN's kernels
    on = device_name(choose_device(device))
    print(json.dumps({"gflop": gflop, "precision": used, "device": on, "torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        step()
        print(time.perf_counter() - began, flush=True)
    print(peak_memory_mb(choose_device(device)), flush=True)


class Worker:
    """A process that serves one variant of a workload."""

    def __init__(self, name: str, kind: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--work", name, kind, options.device, str(options.width)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)} if options.threads else None
        self.process = subprocess.Popen(
            [*command, options.precision, options.model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.facts: dict[str, Any] = {}
        self.seconds: list[float] = []

    def ready(self) -> None:
        """Wait until the process has prepared its work; all prepare at a time."""
        self.facts = json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a worker process failed; its error is printed above")
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
    """Time all variants of a workload, taking turns."""
    if name == AGAINST_FFDNET:
        return measure_against_ffdnet(options)
    kinds = ["ours", "reference"] + (["dncnn"] if name.startswith("restore") else [])
    kinds += [] if name in ("data", "startup") else ["peak"]
    found, facts = taking_turns(name, kinds, options)
    ours = found["ours"]["seconds"]
    result: dict[str, Any] = {"work": name, "width": options.width, "device": facts["device"], "torch": facts["torch"]}
    result["ratio_to_reference"] = round(found["reference"]["seconds"] / ours, 2)
    if "peak" in found:
        result["share_of_peak"] = round(found["ours"]["gflops"] / found["peak"]["gflops"], 3)
    if "dncnn" in found:
        result["ratio_to_dncnn"] = round(found["dncnn"]["seconds"] / ours, 2)
    if name == "data":
        result["patches_per_second"] = round(32 / ours)
    return {**result, **found}


def taking_turns(name: str, kinds: list[str], options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run each variant in its own process, round by round; return their results, and the facts of ours."""
    workers = {kind: Worker(name, kind, options) for kind in kinds}
    for worker in workers.values():
        worker.ready()
    most = SLOW.get(name, options.rounds) if options.device == "cpu" else options.rounds
    for _ in range(min(options.rounds, most)):
        for worker in workers.values():
            worker.go()
    return {kind: worker.end() for kind, worker in workers.items()}, workers["ours"].facts


def measure_against_ffdnet(options: argparse.Namespace) -> dict[str, Any]:
    """Time a shipped model on an image of 1920x1080 beside FFDNet in the same precision, taking turns."""
    found, facts = taking_turns(AGAINST_FFDNET, ["ours", "ffdnet-color", "ffdnet-gray", "peak"], options)
    ours = found["ours"]["seconds"]
    ratios = {f"ratio_to_ffdnet_{kind}": round(found[f"ffdnet-{kind}"]["seconds"] / ours, 2) for kind in FFDNETS}
    about = {"work": AGAINST_FFDNET, "model": options.model, "device": facts["device"], "torch": facts["torch"]}
    return {**about, **ratios, **found}


def main() -> None:
    if sys.argv[1:2] == ["--work"]:
        return work(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="WORK", help=", ".join([*NAMES, AGAINST_FFDNET]))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--model", default="denoise-color", help=f"of {AGAINST_FFDNET}: a name or weight file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of clearer and of the matrix product: auto, bf16 or fp32")
    parser.add_argument("--threads", type=int, help="threads of each process (default: all cores)")
    parser.add_argument("-o", "--out", type=Path, help="write the lines to this JSON file")
    parser.add_argument("--table", type=Path, metavar="FILE", help="only print FILE, written by -o, as a table")
    options = parser.parse_args()
    if options.table is not None:
        return print_table(json.loads(options.table.read_text(encoding="utf-8"))["lines"])
    unknown = [name for name in options.names if name not in (*NAMES, AGAINST_FFDNET)]
    if unknown:
        parser.error(f"WORK: {unknown[0]!r} is not one of {', '.join([*NAMES, AGAINST_FFDNET])}")
    lines = []
    for name in options.names or NAMES:
        lines.append(measure(name, options))
        print(json.dumps(lines[-1]), flush=True)
    if options.out is not None:
        command = shlex.join(["python", "benchmarks/speed/speed.py", *sys.argv[1:]])
        options.out.write_text(json.dumps({"command": command, "lines": lines}, indent=1) + "\n")
    return None


def print_table(lines: list[dict[str, Any]]) -> None:
    """Print results as a table, with the time of the published search extrapolated from its measured steps."""
    lines = [line for line in lines if "reference" in line or print_against_ffdnet(line)]
    if not lines:
        return
    first = lines[0]
    print(f"{first['device']}, torch {first['torch']}, width {first['width']}")
    print(f"{'work':<18} {'clearer':>12} {'GFLOP/s':>10} {'of peak':>8} {'reference':>12} {'faster':>7} {'MiB':>7}")
    for line in lines:
        ours, share = line["ours"], line.get("share_of_peak")
        print(
            f"{line['work']:<18} {1e3 * ours['seconds']:>9.1f} ms {ours.get('gflops', 0):>10,.0f}"
            f" {'' if share is None else f'{100 * share:.0f} %':>8} {1e3 * line['reference']['seconds']:>9.1f} ms"
            f" {line['ratio_to_reference']:>7.2f} {ours['peak_mib']:>7,}"
        )
    seconds = {line["work"]: line["ours"]["seconds"] for line in lines}
    if set(SEARCH_STEPS) <= set(seconds):
        minutes = sum(count * seconds[name] for name, count in SEARCH_STEPS.items()) / 60
        counts = " and ".join(f"{count:,} {name}s" for name, count in SEARCH_STEPS.items())
        print(f"extrapolated from these steps, the published search ({counts}) takes {minutes:,.1f} minutes")


def print_against_ffdnet(line: dict[str, Any]) -> None:
    """Print a model's time beside FFDNet's."""
    print(f"{line['device']}, torch {line['torch']}, 1920x1080, {line['ours']['precision']}")
    for kind, name in (("ours", line["model"]), *((f"ffdnet-{kind}", f"FFDNet {kind}") for kind in FFDNETS)):
        ratio = "" if kind == "ours" else f"{line[f'ratio_to_{kind}'.replace('-', '_')]:.2f} times the model's"
        print(f"{name:<18} {1e3 * line[kind]['seconds']:>9.1f} ms {line[kind]['peak_mib']:>7,} MiB {ratio}")


if __name__ == "__main__":
    main()
