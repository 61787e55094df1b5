"""Verbs that reproduce the paper's searches: reproduce table1, figures34, ablations; redraw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from clearer.cli.options import Jobs, Json, ResultFolder, Set, parsed, recipe_names
from clearer.cli.verb import argument, option, real, verb, whole
from clearer.core.console import console_for_people, print_json, print_table, say

Scale = Annotated[
    str,
    option(
        "Training",
        "full (as published) or laptop (narrower network, smaller patches; ablations: fewer steps, too).",
        metavar="SCALE",
        complete=lambda: ["full", "laptop"],
    ),
]


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """Images of the experiments that search and train."""

    data: Annotated[
        str | None, option("Data", "Folder with the sub-folders train and val.", "--data", metavar="FOLDER")
    ] = None
    train: Annotated[str | None, option("Data", "Training images, in place of --data.", metavar="FOLDER")] = None
    validation: Annotated[str | None, option("Data", "Validation images, with --train.", metavar="FOLDER")] = None

    def image_settings(self) -> dict[str, Any]:
        """Return the recipe's settings for these images.

        Raises:
            UserError: none are given, or both ways are used.
        """
        from clearer.experiments.runner import data_settings

        return data_settings(self.data, self.train, self.validation)


@dataclass(frozen=True, kw_only=True)
class Table1Options(TrainingImages):
    """Options of table1."""

    out: ResultFolder = Path("reproduction/table1")
    scale: Annotated[
        str,
        option(
            "Training",
            "full (as published), desk (narrower network) or laptop (smaller patches and batches, too).",
            metavar="SCALE",
            complete=lambda: ["full", "desk", "laptop"],
        ),
    ] = "full"
    lambdas: Annotated[
        list[float] | None,
        option(
            "Search",
            "Value of lambda_1; repeatable (default: 0, 0.01 and 0.1).",
            "--lambda",
            metavar="X",
            parser=real(0),
        ),
    ] = None
    recipe: Annotated[str, option("Search", "Recipe of the searches.", metavar="RECIPE", complete=recipe_names)] = (
        "paper-denoise-50"
    )
    seeds: Annotated[int, option("Search", "Searches with each lambda_1.", metavar="N", parser=whole(1))] = 1
    jobs: Jobs = None
    settings: Set = None
    as_json: Json = False


@verb("table1", "clearer reproduce table1 --data bsds500 --scale laptop")
def table1(options: Table1Options) -> None:
    """Table 1 and Figure 2: architectures by lambda_1.

    Searches run for each lambda_1. Rerun the same command to resume where it stopped.
    """
    from clearer.experiments.table1 import LAMBDAS, agreements
    from clearer.experiments.table1 import table1 as run_table1

    o = options
    console = console_for_people(o.as_json)
    how: dict[str, Any] = {"scale": o.scale, "lambdas": o.lambdas or LAMBDAS, "recipe": o.recipe, "seeds": o.seeds}
    how["jobs"] = o.jobs
    result = run_table1(o.out, o.image_settings(), overrides=parsed(o.settings), **how, console=console)
    printed = {row["lambda_arch"]: row["gap"] for row in result["published"]}
    rows = [
        (f"{row['lambda_arch']:g}", str(row["seed"]), row["architecture"], f"{row['gap']:.4f}",
         _gap(printed.get(row["lambda_arch"])))
        for row in result["rows"]
    ]  # fmt: skip
    print_table("Table 1, in short", ("lambda_1", "seed", "architecture", "mean gap", "published gap"), rows, console)
    alike = [
        (value, names, f"{found.agreed} of {found.modules}", f"{found.chance['expected']:.2f}")
        for value, names, found in agreements(result)
    ]
    if alike:
        print_table("Agreement", ("lambda_1", "architectures", "modules alike", "by chance"), alike, console)
    say(f"the table and Figure 2: {o.out}/table1.md, {o.out}/figure2.png", console)
    if o.as_json:
        print_json({**result, "saved": str(o.out)})


def _gap(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


@dataclass(frozen=True, kw_only=True)
class Figures34Options:
    """Options of figures34."""

    denoise: Annotated[
        Path | None, option("Search", "Finished denoising search, or its architecture.json.", metavar="RUN")
    ] = None
    derain: Annotated[
        Path | None, option("Search", "Finished deraining search, or its architecture.json.", metavar="RUN")
    ] = None
    out: ResultFolder = Path("reproduction/figures34")
    as_json: Json = False


@verb("figures34", "clearer reproduce figures34 --denoise runs/denoise --derain runs/derain")
def figures34(options: Figures34Options) -> None:
    """Figures 3 and 4: found and published architectures."""
    from clearer.experiments.figures3_4 import figures34 as run_figures34

    console = console_for_people(options.as_json)
    result = run_figures34(options.out, denoise=options.denoise, derain=options.derain)
    known = result["published"]
    rows = [("published", known["architecture"]["architecture"], str(known["fusion"]), "", "")]
    for row in result["figures"].values():
        alike = "" if row["agreement"] is None else str(row["agreement"])
        chance = "" if row["chance"] is None else f"{row['chance']['expected']:.2f}"
        rows.append((row["task"], row["architecture"]["architecture"], str(row["fusion"]), alike, chance))
    heads = ("", "architecture", "fusion modules", "as published", "by chance")
    print_table("Figures 3 and 4", heads, rows, console)
    say(f"the drawings and their captions: {options.out}/figures34.md", console)
    if options.as_json:
        print_json({**result, "saved": str(options.out)})


@dataclass(frozen=True, kw_only=True)
class AblationsOptions(TrainingImages):
    """Options of ablations."""

    out: ResultFolder = Path("reproduction/ablations")
    scale: Scale = "full"
    seeds: Annotated[
        int, option("Training", "Searches and trainings of each variant.", metavar="N", parser=whole(1))
    ] = 2
    only: Annotated[
        list[str] | None,
        option(
            "Search",
            "operations, fusion-input, lambda-comp or norm; repeatable (default: all).",
            metavar="NAME",
            complete=lambda: ["operations", "fusion-input", "lambda-comp", "norm"],
        ),
    ] = None
    jobs: Jobs = None
    settings: Set = None
    as_json: Json = False


@verb("ablations", "clearer reproduce ablations --data bsds500 --scale laptop --only norm")
def ablations(options: AblationsOptions) -> None:
    """Ablations of operations, fusion input, lambda_2, norm.

    Rerun the same command to resume where it stopped.
    """
    from clearer.experiments.ablations import QUESTIONS, run_ablations

    o = options
    console = console_for_people(o.as_json)
    how: dict[str, Any] = {"scale": o.scale, "seeds": o.seeds, "only": o.only or QUESTIONS, "jobs": o.jobs}
    result = run_ablations(o.out, o.image_settings(), **how, overrides=parsed(o.settings), console=console)
    say((o.out / "ablations.md").read_text(encoding="utf-8"), console)
    say(f"saved: {o.out}/ablations.md, {o.out}/ablations.json", console)
    if o.as_json:
        print_json({**result, "saved": str(o.out)})


@dataclass(frozen=True, kw_only=True)
class RedrawOptions:
    """Options of redraw."""

    folder: Annotated[Path, argument("FOLDER", "Result folder of a 'reproduce' verb or of 'verdict'.")]
    as_json: Json = False


@verb("redraw", "clearer reproduce redraw reproduction/table1")
def redraw(options: RedrawOptions) -> None:
    """Draw tables and figures again from saved results."""
    from clearer.experiments.redraw import redraw_folder

    written = redraw_folder(options.folder)
    say(f"redrawn from {', '.join(written)}: {options.folder}", console_for_people(options.as_json))
    if options.as_json:
        print_json({"folder": str(options.folder), "from": written})
