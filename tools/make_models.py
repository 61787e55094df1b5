"""Put a trained network among the models that ship: weights in half precision, card, results, record of its training.

    python tools/make_models.py denoise-gray runs/denoise-gray --data "BSDS500 train and test" \
        --evaluate gray-awgn-50=bsd68 gray-awgn-25=bsd68 --limits "..."

The weight file goes into the package (src/clearer/weights), with --large into models/; models/NAME gets the
recipe, the metrics, the run's page and the results. Each result is what `clearer evaluate` says of the very file
that ships, and stands in its card. --only-cards writes the page models/README.md anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from clearer.core.files import write_json, write_text
from clearer.inference.restorer import Restorer, load
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.network import RestorationNetwork
from clearer.runs.layout import RunFolder
from clearer.zoo.card_text import card_lines, sentence
from clearer.zoo.weights import load_weights, save_weights

ROOT = Path(__file__).parents[1]
PACKAGE, MODELS = ROOT / "src" / "clearer" / "weights", ROOT / "models"
LICENCE = "Apache-2.0 (the images they were trained on have terms of their own: see Data)"
SUMMARY = ("data", "protocol", "images", "psnr", "ssim", "input_psnr", "input_ssim", "ensemble", "seed", "precision")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?")
    parser.add_argument("run", nargs="?", type=Path, help="the run folder")
    parser.add_argument("--data", help="what it was trained on, in words")
    parser.add_argument("--limits", default="", help="what it is not for, in words")
    parser.add_argument("--evaluate", nargs="*", default=[], metavar="PROTOCOL=FOLDER[,DEGRADED]")
    parser.add_argument("--description")
    parser.add_argument("--training", default="", help="the commands that trained it, if not one `clearer train`")
    parser.add_argument("--stages", nargs="*", default=[], type=Path, help="the runs it went on from, first to last")
    parser.add_argument("--mean-with", type=Path, help="take the mean of this run's weights and RUN's (both the best)")
    parser.add_argument("--last", action="store_true", help="take last.safetensors instead of the best on validation")
    parser.add_argument("--large", action="store_true", help="keep the weights in models/, outside the package")
    parser.add_argument("--only-cards", action="store_true")
    given = parser.parse_args()
    if not given.only_cards:
        if not (given.name and given.run and given.data):
            parser.error("give a name, a run folder and --data")
        ship(given)
    write_page()


def ship(given: argparse.Namespace) -> None:
    folder = RunFolder(given.run)
    network, trained = load_weights(folder.last_weights if given.last else folder.weights)
    card: dict[str, Any] = trained.to_dict()
    if given.mean_with:
        other = load_weights(RunFolder(given.mean_with).weights)[0].state_dict()
        network.load_state_dict({key: (value + other[key]) / 2 for key, value in network.state_dict().items()})
        card["weights"] = f"the mean of the best ones of runs/{given.mean_with.name} and runs/{given.run.name}"
        card.pop("epoch", None), card.pop("validation_psnr", None)
    file = (MODELS if given.large else PACKAGE) / f"{given.name}.safetensors"
    place = MODELS / given.name
    file.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    card |= {"name": given.name, "data": given.data, "limits": given.limits, "license": LICENCE}
    if given.description:
        card["description"] = given.description
    if given.training:
        card["training"] = given.training
    if card.get("start"):
        card["start"] = in_runs(card["start"])
    save_weights(file, network, card, half=True)
    shutil.rmtree(place / "results", ignore_errors=True)
    results = []
    for number, text in enumerate(given.evaluate):
        protocol, _, where = text.partition("=")
        result = measured(file, protocol, where, place / "results" / f"{number + 1}-{protocol}-{Path(where).name}.json")
        results.append({key: result[key] for key in SUMMARY if key in result} | {"data": Path(where).name})
    save_weights(file, network, {**card, "results": results}, half=True)
    shutil.copy(folder.report, place / "report.html")
    keep_record(given.run, place)
    shutil.rmtree(place / "stages", ignore_errors=True)
    for number, run in enumerate(given.stages, 1):
        keep_record(run, place / "stages" / f"{number}-{run.name}")
    write_text(place / "README.md", card_of(file))


def keep_record(run: Path, place: Path) -> None:
    """Keep what a run was told to do, and what it did."""
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(RunFolder(run).train.metrics, place / "metrics.jsonl")
    recipe = RunFolder(run).read_recipe()
    if recipe.train.start:
        recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, start=in_runs(recipe.train.start)))
    write_text(place / "recipe.yaml", recipe.to_yaml())


def in_runs(start: str) -> str:
    """Return where the run that a training went on from lies by default, wherever it was."""
    path = Path(start)
    return str(Path("runs") / path.parent.name / path.name) if path.suffix else start


def measured(file: Path, protocol: str, where: str, out: Path) -> dict[str, Any]:
    """Measure the file as a user would, by the command line; keep its JSON with the command."""
    out.parent.mkdir(parents=True, exist_ok=True)
    clean, _, degraded = where.partition(",")
    images = ["--clean", clean, "--degraded", degraded] if degraded else ["--data", where]
    what = ["evaluate", str(file.relative_to(ROOT)), "--protocol", protocol, *images]
    command = [sys.executable, "-m", "clearer", *what, "--out", str(out), "--json"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads(out.read_text())
    out.with_suffix(".csv").unlink()  # the same figures
    result = {"command": f"clearer {shlex.join(what)}", **result, "model": str(file.relative_to(ROOT))}
    write_json(out, result)
    return result


def card_of(file: Path) -> str:
    restorer = load(file, "cpu", "fp32")
    facts = restorer.card
    name = facts["name"]
    named = name if file.parent == PACKAGE else f"models/{file.name}"
    staged = (MODELS / name / "stages").is_dir()
    return "\n".join(
        [
            f"# {name}",
            "",
            sentence(facts.description or facts.task or ""),
            "",
            "```sh",
            f"clearer restore {named} photo.png -o restored.png",
            "```",
            "",
            *card_lines(restorer.architecture, restorer.card),
            "",
            "## Training",
            "",
            f"`{facts['training']}`" if facts.get("training") else f"`clearer train models/{name}/recipe.yaml`",
            "",
            "[recipe.yaml](recipe.yaml) has all settings, [metrics.jsonl](metrics.jsonl) a line an epoch, "
            "[report.html](report.html) is the run's page, and results/ holds every image's figures, each with "
            "the command that gives it." + (" stages/ has recipe and metrics of the runs before." if staged else ""),
            "",
            *([f"The weights are {facts['weights']}.", ""] if facts["weights"].startswith("the mean") else []),
            f"Weight file: {file.relative_to(ROOT)}, {file.stat().st_size:,} bytes, float16, "
            f"SHA-256 `{hashlib.sha256(file.read_bytes()).hexdigest()}`.",
            "",
        ]
    )


def write_page() -> None:
    """Write models/README.md: all models that ship, and those that are kept beside the package."""
    files = [path for place in (PACKAGE, MODELS) for path in sorted(place.glob("*.safetensors"), key=lambda p: p.stem)]
    rows = []
    for file in files:
        restorer = load(file, "cpu", "fp32")
        assert isinstance(restorer, Restorer) and isinstance(restorer.network, RestorationNetwork)
        a, facts = restorer.architecture, restorer.card
        figures = "; ".join(f"{r['data']} {r['protocol']}: {r['psnr']:.2f} dB" for r in facts.get("results", []))
        where = "in the package" if file.parent == PACKAGE else f"[file]({file.name})"
        cost = f"{macs_per_pixel(a) / 1e3:.0f} | {parameters(a):,} | {file.stat().st_size / 2**20:.1f}"
        rows.append(f"| [{file.stem}]({file.stem}/README.md) | {facts['description']} | {cost} | {where} | {figures} |")
    write_text(
        MODELS / "README.md",
        "\n".join(
            [
                "# Models",
                "",
                "Trained networks and their cards. Those in the package are there after the install, by name: "
                '`clearer restore denoise-gray photo.png -o restored.png`, `clearer.load("denoise-gray")`; '
                "`clearer models` lists them. This page is written by `python tools/make_models.py --only-cards`.",
                "",
                "| model | what it is for | kMAC/pixel | parameters | MiB | where | measured |",
                "| --- | --- | ---: | ---: | ---: | --- | --- |",
                *rows,
                "",
            ]
        ),
    )


if __name__ == "__main__":
    main()
