"""Verbs that test claims of the paper: verdict, compare-protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from clearer.cli.options import Device, Jobs, Json, Limit, Precision, Seed, Set, model_names, parsed
from clearer.cli.verb import argument, option, real, verb, whole
from clearer.core.console import console_for_people, print_json, say
from clearer.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class VerdictOptions:
    """Options of verdict."""

    run: Annotated[Path, argument("RUN", "Run folder with a finished search.")]
    out: Annotated[
        Path | None, option("Output", "Result folder (default: RUN/verdict).", "--out", "-o", metavar="FOLDER")
    ] = None
    scale: Annotated[
        str | None,
        option(
            "Training",
            "Length of each training: full (the run's recipe, the default) or laptop.",
            metavar="SCALE",
            complete=lambda: ["full", "laptop"],
        ),
    ] = None
    seeds: Annotated[
        int | None,
        option("Training", "Trainings of each architecture (default: 2; macro: 3).", metavar="N", parser=whole(1)),
    ] = None
    random: Annotated[
        int | None,
        option(
            "Search",
            "Random architectures to train (default: 4; macro: as many as the search's seconds could).",
            metavar="N",
            parser=whole(0),
        ),
    ] = None
    sample: Annotated[
        int | None, option("Search", "Architectures to score (default: all).", metavar="N", parser=whole(1))
    ] = None
    patches: Annotated[
        int | None, option("Search", "Held-out patches for scoring (default: 128).", metavar="N", parser=whole(1))
    ] = None
    statistics: Annotated[
        str | None,
        option(
            "Search",
            "Batch norm statistics for scoring: batch (default) or running.",
            metavar="KIND",
            complete=lambda: ["batch", "running"],
        ),
    ] = None
    train: Annotated[bool, option("Training", "Train the candidates, or score them only.", "--train/--no-train")] = True
    jobs: Jobs = None
    space: Annotated[
        str,
        option(
            "Search",
            "What was searched: genotype, or macro (fit --budget).",
            metavar="SPACE",
            complete=lambda: ["genotype", "macro"],
        ),
    ] = "genotype"
    latency: Annotated[
        list[str] | None,
        option("Search", "Budget to judge, with --space macro (default: all of the run).", metavar="BUDGET"),
    ] = None
    minutes: Annotated[
        float | None,
        option(
            "Training",
            "Minutes of the default network, which set all steps, with --space macro (default: 20).",
            metavar="MIN",
            parser=real(0, 100_000),
        ),
    ] = None
    test: Annotated[
        str | None,
        option("Data", "Test images (default: those of the run).", "--test", metavar="FOLDER"),
    ] = None
    settings: Set = None
    as_json: Json = False


@verb(
    "verdict",
    "clearer verdict runs/mine",
    "clearer verdict runs/mine --scale laptop --seeds 1",
    "clearer verdict runs/mine --space macro --test bsd68 --minutes 20",
    former={"--budget": "--scale"},
)
def verdict(options: VerdictOptions) -> None:
    """Compare a searched architecture with random ones.

    All architectures are ranked by the shared weights of the search; the chosen one and others are trained from
    scratch and compared. Rerun the same command to resume where it stopped.
    """
    from clearer.experiments import verdict as judging

    o = options
    if o.space == "macro":
        return _macro(o)
    if o.space != "genotype":
        raise UserError(f"--space: {o.space!r} is not one of genotype, macro")
    _refuse({"--latency": o.latency or None, "--minutes": o.minutes}, "only for --space macro; leave it out")
    if not o.train:
        of_trainings = {"--scale": o.scale, "--seeds": o.seeds, "--jobs": o.jobs}
        _refuse(of_trainings, "only for trainings, which --no-train leaves out; leave it out, too")
    console = console_for_people(o.as_json)
    settings = judging.VerdictSettings(
        budget="full" if o.scale is None else o.scale, overrides=parsed(o.settings), seeds=o.seeds or 2,
        random=4 if o.random is None else o.random, sample=o.sample, patches=o.patches or 128,
        statistics="batch" if o.statistics is None else o.statistics, jobs=o.jobs, train=o.train, test=o.test,
    )  # fmt: skip
    result = judging.verdict(o.run, o.out, settings, console=console)
    if result["scored_on"] == "validation":
        say("--test FOLDER scores the networks on images that took no part in the search", console)
    place = o.run / "verdict" if o.out is None else o.out
    say((place / "verdict.md").read_text(encoding="utf-8"), console)
    say(f"saved, with its figures: {place}/verdict.md", console)
    if o.as_json:
        large = ("psnr", "macs_per_pixel")  # of every architecture; verdict.json has them
        ranking = {key: value for key, value in result["ranking"].items() if key not in large}
        print_json({**result, "ranking": ranking, "saved": str(place)})


def _macro(o: VerdictOptions) -> None:
    """Judge a search within budgets."""
    from clearer.experiments.macro_verdict import MacroVerdictSettings, macro_verdict

    of_genotypes = {
        "--scale": o.scale, "--sample": o.sample, "--patches": o.patches, "--statistics": o.statistics,
    }  # fmt: skip
    _refuse(of_genotypes, "only for --space genotype; leave it out")
    if not o.train:
        raise UserError("--no-train: a verdict on --space macro consists of trainings; leave it out")
    console = console_for_people(o.as_json)
    settings = MacroVerdictSettings(
        latencies=o.latency or (), minutes=20 if o.minutes is None else o.minutes, overrides=parsed(o.settings),
        seeds=o.seeds or 3, random=o.random, test=o.test, jobs=o.jobs,
    )  # fmt: skip
    result = macro_verdict(o.run, o.out, settings, console=console)
    place = o.run / "verdict" if o.out is None else o.out
    say((place / "macro-verdict.md").read_text(encoding="utf-8"), console)
    say(f"saved, with its figure: {place}/macro-verdict.md", console)
    if o.as_json:
        print_json({**result, "saved": str(place)})


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Refuse options that change nothing beside the others."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UserError(f"{given[0]}: {why}")


@dataclass(frozen=True, kw_only=True)
class CompareProtocolsOptions:
    """Options of compare-protocols."""

    model: Annotated[
        str,
        argument(
            "MODEL",
            "Name of a pretrained model, weight file or run folder; with --also, a method of that file.",
            complete=model_names,
        ),
    ]
    data: Annotated[str, option("Data", "Clean test images; pairs for rain.", metavar="FOLDER")]
    clean_side: Annotated[
        str | None,
        option(
            "Data",
            "Clean half of side-by-side images: left or right (default: left, if the halves show one scene).",
            metavar="SIDE",
            complete=lambda: ["left", "right"],
        ),
    ] = None
    sigma: Annotated[
        float | None,
        option("Evaluation", "Noise level (default: the model's, if it has one).", metavar="LEVEL", parser=real(0)),
    ] = None
    also: Annotated[Path | None, option("Methods", "Python file that defines METHODS.", metavar="FILE.py")] = None
    limit: Limit = None
    seed: Seed = 0
    device: Device = "auto"
    precision: Precision = "fp32"
    out: Annotated[
        Path | None,
        option("Output", "Result file; a Markdown table goes beside it.", "--out", "-o", metavar="FILE.json"),
    ] = None
    as_json: Json = False


@verb("compare-protocols", "clearer compare-protocols denoise-gray-50 --data bsd68")
def compare_protocols(options: CompareProtocolsOptions) -> None:
    """Show how much the protocol alone changes the PSNR.

    One model is measured by protocols that differ in one respect each: crop, clipping, luma, patches,
    self-ensemble.
    """
    from clearer.experiments import protocols as effects

    o = options
    if o.also is not None and (o.device != "auto" or o.precision != "fp32"):
        raise UserError(
            "--device, --precision: are of trained models, and --also has methods of its own; leave them out"
        )
    console = console_for_people(o.as_json)
    method = effects.choose_method(o.model, o.also, o.sigma, device=o.device, precision=o.precision)
    result = effects.compare_protocols(
        method, o.data, o.sigma, limit=o.limit, seed=o.seed, clean_side=o.clean_side, out=o.out, console=console
    )
    say(effects.as_markdown(result), console)
    if o.as_json:
        print_json({**result, "saved": None if o.out is None else str(o.out)})
