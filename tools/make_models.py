"""Make a pretrained model of a finished run: half-precision weights, card, results, and the record of its training.

    python tools/make_models.py denoise-gray runs/denoise-gray --data "BSDS500 train and test" \
        --description "gray images with white noise, sigma 0 to 75" \
        --evaluate gray-awgn-50=bsd68 gray-awgn-25=bsd68 --limits "..."

    python tools/make_models.py --robustness denoise-gray denoise-color  # add their robustness tables
    python tools/make_models.py --bf16 docs/results/bf16-difference.json  # add what bf16 changes

The weight file goes into the package (src/clearer/weights) if it is of the fast or the standard tier, otherwise into
models/NAME, as do those of the paper. models/NAME also gets the recipe, the metrics, the results and a README.
``--former 2026-11`` first keeps what the name stood for until then as NAME@2026-11. A new name must be added to
src/clearer/zoo/names.py, and `python tools/make_training_files.py` lists what its training saw. Each result is what
`clearer evaluate` prints for the written file; the file's card holds it too.

``--robustness`` measures denoisers by the protocol of that name (CLEARER_SHARED names the folder with the images),
writes docs/results/robustness-NAME.json, and adds the table to the card in the file and to the README. ``--bf16`` adds
the record of benchmarks/studies/bf16_difference.py to the cards of its models and to their READMEs. ``--describe``
changes what a model is for, in its card and its README. Without arguments, only the lines on cost in the READMEs and
models/README.md are written again.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_card_images import add_image
from models_page import write_page

from clearer.core.files import write_json, write_text
from clearer.runs.layout import RunFolder
from clearer.zoo.card import CardResult, ModelCard
from clearer.zoo.card_text import BF16, bf16_lines, card_lines, cost_line, robustness_lines, sentence
from clearer.zoo.locate import find_models
from clearer.zoo.names import ModelName
from clearer.zoo.robustness_table import rows_for_card
from clearer.zoo.weight_metadata import read_architecture
from clearer.zoo.weights import MANTISSA, load_weights, save_weights

ROOT = Path(__file__).parents[1]
PACKAGE, MODELS = ROOT / "src" / "clearer" / "weights", ROOT / "models"
LICENSE = "Apache-2.0 (the images they were trained on have terms of their own: see Data)"
SUMMARY = ("data", "protocol", "images", "psnr", "ssim", "input_psnr", "input_ssim", "ensemble", "seed", "precision")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?")
    parser.add_argument("run", nargs="?", type=Path, help="run folder")
    parser.add_argument("--data", help="training images, in words")
    parser.add_argument("--limits", default="", help="what the model is not for, in words")
    parser.add_argument("--evaluate", nargs="*", default=[], metavar="PROTOCOL=FOLDER[,DEGRADED]")
    parser.add_argument("--description", help="the images that the model is for, in words that fit behind 'For'")
    parser.add_argument("--training", default="", help="commands that trained it, if not one `clearer train`")
    parser.add_argument("--stages", nargs="*", default=[], type=Path, help="runs of the earlier stages, first to last")
    parser.add_argument("--mean-with", type=Path, help="run whose best weights are averaged with those of RUN")
    parser.add_argument("--share", type=float, default=0.5, help="weight of RUN in this average (default: 0.5)")
    parser.add_argument("--last", action="store_true", help="take last.safetensors, not the best on validation")
    parser.add_argument("--mantissa", type=int, default=MANTISSA, help="bits of the weights' mantissa, at most 10")
    parser.add_argument("--former", metavar="DATE", help="keep the present weights of the name as NAME@DATE")
    parser.add_argument("--robustness", nargs="+", default=[], metavar="NAME", help="add the robustness tables")
    parser.add_argument("--bf16", type=Path, metavar="FILE", help="add what bf16 changes, from this record")
    parser.add_argument("--round", metavar="NAME", help="round a model's weights to --mantissa; measure it anew")
    parser.add_argument("--describe", nargs=2, metavar=("NAME", "TEXT"), help="change the description of a model")
    given = parser.parse_args()
    if given.round:
        round_weights(given.round, given.mantissa)
    if given.describe:
        describe(*given.describe)
    if given.bf16:
        keep_bf16(given.bf16)
    for name in given.robustness:
        measure_robustness(name)
    if given.name:
        # The description of a recipe says what the recipe makes, not which images the model is for.
        if not (given.run and given.data and given.description):
            parser.error("give a name, a run folder, --data and --description, or nothing")
        if given.former:
            keep_former(given.name, given.former)
        make_model(given)
    write_costs()
    write_page(MODELS)


def keep_former(name: str, date: str) -> None:
    """Move the present weights of a name, with their card and records, to ``NAME@DATE`` in models/."""
    former = f"{name}@{date}"
    if ModelName.parse(former).date != date:
        raise SystemExit(f"--former: {date} is no date such as 2026-11")
    file, folder = find_models()[name].path, MODELS / former
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    network, card = load_weights(file)
    (MODELS / name).rename(folder)
    kept = RunFolder(folder).weights
    save_weights(kept, network, dataclasses.replace(card, name=former), half=True)
    if file.exists():
        file.unlink()
    moved = {
        f"# {name}\n": f"# {former}\n",
        f"restore {name} ": f"restore {former} ",
        str(file.relative_to(ROOT)): str(kept.relative_to(ROOT)),
        f"models/{name}/": f"models/{former}/",
        digest: hashlib.sha256(kept.read_bytes()).hexdigest(),
    }
    for page in (folder / "README.md", *(folder / "results").glob("*.json")):
        text = page.read_text()
        for old, new in moved.items():
            text = text.replace(old, new)
        write_text(page, re.sub(r"[\d,]+(?= bytes, float16)", f"{kept.stat().st_size:,}", text))


def make_model(given: argparse.Namespace) -> None:
    folder = MODELS / given.name
    packaged = ModelName.parse(given.name).is_packaged
    file = PACKAGE / f"{given.name}.safetensors" if packaged else RunFolder(folder).weights
    run = RunFolder(given.run)
    network, card = load_weights(run.last_weights if given.last else run.weights)
    if given.mean_with:
        other = load_weights(RunFolder(given.mean_with).weights)[0].state_dict()
        network.load_state_dict({k: other[k].lerp(value, given.share) for k, value in network.state_dict().items()})
        runs = (given.mean_with.name, 1 - given.share), (given.run.name, given.share)
        named = [f"runs/{run}" if share == 0.5 else f"runs/{run} ({share:.0%})" for run, share in runs]
        mean = f"the mean of the best weights of {' and '.join(named)}"
        card = dataclasses.replace(card, weights=mean, epoch=None, validation_psnr=None)
    card = dataclasses.replace(
        card,
        name=given.name,
        data=given.data,
        limits=given.limits,
        license=LICENSE,
        description=given.description,
        training=given.training or card.training,
        start=default_run(card.start) if card.start else None,
    )
    save_weights(file, network, card, half=True, mantissa=given.mantissa)
    shutil.rmtree(folder / "results", ignore_errors=True)
    results = []
    for number, text in enumerate(given.evaluate):
        protocol, _, where = text.partition("=")
        out = folder / "results" / f"{number + 1}-{protocol}-{Path(where).name}.json"
        result = measure(file, protocol, where, out)
        kept = {key: result[key] for key in SUMMARY if key in result} | {"data": Path(where).name}
        results.append(CardResult.from_dict(kept))
    card = dataclasses.replace(card, results=tuple(results))
    save_weights(file, network, card, half=True, mantissa=given.mantissa)
    keep_record(run, folder)
    shutil.rmtree(folder / "stages", ignore_errors=True)
    for number, stage in enumerate(given.stages, 1):
        keep_record(RunFolder(stage), folder / "stages" / f"{number}-{stage.name}")
    write_text(folder / "README.md", readme(file, card))
    add_image(given.name)


def keep_record(run: RunFolder, folder: Path) -> None:
    """Copy the recipe and the metrics of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(run.train.metrics, folder / "metrics.jsonl")
    recipe = run.read_recipe()
    if recipe.train.start:
        start = default_run(recipe.train.start)
        recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, start=start))
    write_text(folder / "recipe.yaml", recipe.to_yaml())


def default_run(start: str) -> str:
    """Return a weight file's path as it would be in the default folder for runs, which hides this machine's folders."""
    path = Path(start)
    return str(Path("runs") / path.parent.name / path.name) if path.suffix else start


def measure(file: Path, protocol: str, where: str, out: Path) -> dict[str, Any]:
    """Evaluate the file by the command line, as a user would; write its JSON together with the command."""
    out.parent.mkdir(parents=True, exist_ok=True)
    clean, _, degraded = where.partition(",")
    images = ["--clean", clean, "--degraded", degraded] if degraded else ["--data", where]
    arguments = ["evaluate", str(file.relative_to(ROOT)), "--protocol", protocol, *images]
    command = [sys.executable, "-m", "clearer", *arguments, "--out", str(out), "--json"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads(out.read_text())
    out.with_suffix(".csv").unlink()  # holds the same figures
    result = {"command": f"clearer {shlex.join(arguments)}", **result, "model": str(file.relative_to(ROOT))}
    write_json(out, result)
    return result


def measure_robustness(name: str) -> None:
    """Measure a model of the package or of models/ by the protocol `robustness`, and keep the record."""
    out = ROOT / "docs" / "results" / f"robustness-{name}.json"
    arguments = ["evaluate", name, "--protocol", "robustness"]
    command = [sys.executable, "-m", "clearer", *arguments, "--out", str(out), "--json"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    keep_robustness(name, {"command": f"clearer {shlex.join(arguments)}", **json.loads(out.read_text())})


def keep_robustness(name: str, record: dict[str, Any]) -> None:
    """Write a record of the protocol `robustness` to docs/results, and its table to the weight file and the README."""
    table = rows_for_card(record["rows"])
    lines = [json.dumps({**row, **shown}) for row, shown in zip(record["rows"], table, strict=True)]
    head = json.dumps({key: value for key, value in record.items() if key != "rows"}, indent=1)[:-2]
    rows = ",\n  ".join(lines)
    out = ROOT / "docs" / "results" / f"robustness-{name}.json"
    write_text(out, f'{head},\n "rows": [\n  {rows}\n ]\n}}\n')

    def with_table(text: str, card: ModelCard) -> str:
        text = re.sub(r"## Robustness\n.*?(?=## Data\n)", "", text, flags=re.DOTALL)
        return text.replace("## Data\n", "\n".join([*robustness_lines(card), "## Data"]) + "\n", 1)

    change_card(name, with_table, robustness={"rows": table})


def keep_bf16(record: Path) -> None:
    """Write what bf16 changes to the cards and READMEs of the models of a record: the test set with the most counts."""

    def with_line(text: str, card: ModelCard) -> str:
        text = re.sub(rf"{BF16}.*\n\n", "", text)
        return re.sub(r"(\nArchitecture .*\n\n)", lambda found: found[1] + "\n".join(bf16_lines(card)) + "\n", text)

    rows = json.loads(record.read_text())["rows"]
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == name]
        found = {key: round(max(row[key] for row in mine), 2) for key in ("rms", "largest")}
        change_card(name, with_line, bf16=found)


def write_costs() -> None:
    """Write the line on cost and training in the README of every model again, from its card."""
    for name, file in find_models().items():
        page = MODELS / name / "README.md"
        if file.source == "CLEARER_MODELS" or not page.exists():
            continue
        line = cost_line(*read_architecture(file.path))
        text = re.sub(r"(?<=## Cost\n\n).*", lambda _, line=line: line, page.read_text(), count=1)
        write_text(page, text)


def describe(name: str, text: str) -> None:
    """Change what a model is for, in its card and in the third line of its README."""

    def with_description(page: str, card: ModelCard) -> str:
        lines = page.split("\n")
        return "\n".join([*lines[:2], purpose_line(card), *lines[3:]])

    change_card(name, with_description, description=text)


def purpose_line(card: ModelCard) -> str:
    """Return the line of a README that says which images a model is for."""
    return sentence(f"for {card.description or card.task}")


def round_weights(name: str, mantissa: int) -> None:
    """Round the weights of a model, and measure it by the commands of its results again."""
    file, folder = find_models()[name].path, MODELS / name
    former = hashlib.sha256(file.read_bytes()).hexdigest()
    network, card = load_weights(file)
    save_weights(file, network, card, half=True, mantissa=mantissa)
    page = folder / "README.md"
    write_text(page, page.read_text().replace(former, hashlib.sha256(file.read_bytes()).hexdigest()))
    results = []
    for out in sorted((folder / "results").glob("*.json")):
        record = json.loads(out.read_text())
        words = shlex.split(record["command"])
        result = measure(file, record["protocol"], words[words.index("--data") + 1], out)
        kept = {key: result[key] for key in SUMMARY if key in result}
        results.append(CardResult.from_dict(kept | {"data": Path(result["data"]).name}))
    architecture = read_architecture(file)[0]

    def with_results(text: str, card: ModelCard) -> str:
        section = "\n".join(card_lines(architecture, card)).partition("\n## Robustness")[0].partition("\n## Data")[0]
        return re.sub(r"## Results\n.*?(?=\n## )", lambda _: section, text, flags=re.DOTALL)

    change_card(name, with_results, results=tuple(results))
    if card.robustness:
        measure_robustness(name)


def change_card(name: str, change_page: Callable[[str, ModelCard], str], **values: Any) -> None:
    """Change values of a model's card, in its weight file and on its page, which may have been edited by hand.

    Records in docs/results that name the file by its digest get the new one: its weights stay.
    """
    file = find_models()[name].path
    former = hashlib.sha256(file.read_bytes()).hexdigest()
    network, card = load_weights(file)
    card = dataclasses.replace(card, **values)
    save_weights(file, network, card, half=True)
    page = MODELS / name / "README.md"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for record in (ROOT / "docs" / "results").glob("*.json"):
        if former in (content := record.read_text()):
            write_text(record, content.replace(former, digest))
    text = change_page(page.read_text(), card).replace(former, digest)
    write_text(page, re.sub(r"[\d,]+(?= bytes, float16)", f"{file.stat().st_size:,}", text))


def readme(file: Path, card: ModelCard) -> str:
    """Return the text of a model's README."""
    name = str(card.name)
    training = card.training or f"clearer train models/{name}/recipe.yaml"
    staged = (MODELS / name / "stages").is_dir()
    is_mean = (card.weights or "").startswith("the mean")
    lines = [
        f"# {name}",
        "",
        purpose_line(card),
        "",
        "```sh",
        f"clearer restore {name} photo.png -o restored.png",
        "```",
        "",
        *card_lines(read_architecture(file)[0], card),
        "",
        "## Training",
        "",
        "To repeat the training, run:",
        "",
        "```sh",
        *(command.strip() for command in training.split(";")),
        "```",
        "",
        "- [recipe.yaml](recipe.yaml): all settings.",
        "- [metrics.jsonl](metrics.jsonl): one line per epoch.",
        "- `results/`: the figures of every image and the command that produces them.",
        *(["- `stages/`: recipes and metrics of the earlier stages."] if staged else []),
        "",
        *([f"The weights are {card.weights}.", ""] if is_mean else []),
        f"Weight file: `{file.relative_to(ROOT)}`, {file.stat().st_size:,} bytes, float16, "
        f"SHA-256 `{hashlib.sha256(file.read_bytes()).hexdigest()}`.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
