"""Verbs that train a model: fit, search, train, quickstart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from clearer.cli.options import Channel, ImageOptions, Json, Range, Set, model_names, parsed, recipe_names, span_of
from clearer.cli.verb import argument, option, real, verb
from clearer.core.console import console_for_people, print_json, say
from clearer.core.errors import UserError

SEARCH_MINUTES = 60
"""How long a search within a budget may take by default."""

RunFolder = Annotated[Path | None, option("Output", "Run folder (default: runs/NAME).", "--out", "-o", metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class FitOptions(ImageOptions):
    """Options of fit, search and train."""

    recipe: Annotated[
        str | None,
        argument("RECIPE", "Name of a recipe, or a YAML file (default: by the images).", complete=recipe_names),
    ] = None
    out: RunFolder = None
    settings: Set = None
    data: Annotated[
        str | None,
        option("Data", "Folder of images or pairs, split into training, validation and test images.", metavar="FOLDER"),
    ] = None
    noisy: Annotated[
        str | None,
        option("Data", "Folder of noisy images, or one file, without ground truth.", metavar="FOLDER"),
    ] = None
    exposures: Annotated[
        bool, option("Data", "The noisy images are exposures of scenes: NAME_1, NAME_2.", "--exposures")
    ] = False
    train: Annotated[
        str | None, option("Data", "Training images, in place of --data.", "--train", metavar="FOLDER")
    ] = None
    validation: Annotated[
        str | None,
        option("Data", "Validation images, with --train (default: split off it).", "--validation", metavar="FOLDER"),
    ] = None
    test: Annotated[str | None, option("Data", "Test images, measured at the end.", "--test", metavar="FOLDER")] = None
    span: Range = None
    channel: Channel = None
    architecture: Annotated[
        str | None,
        option("Training", "Genotype to train, such as FPPF-FFFF-PFFP; skips the search.", metavar="GENOTYPE"),
    ] = None
    budget: Annotated[
        list[str] | None,
        option(
            "Search", "Find the best network for 100ms@1mp, 40ms@1080p or 5mp/s here; repeatable.", metavar="BUDGET"
        ),
    ] = None
    search_minutes: Annotated[
        float | None,
        option(
            "Search",
            f"How long that search may take (default: {SEARCH_MINUTES}).",
            metavar="MIN",
            parser=real(0, 100_000),
        ),
    ] = None
    way: Annotated[
        str | None,
        option(
            "Search",
            "How to search: clearer (as published), halving (default with --budget) or slimmable.",
            "--search",
            metavar="WAY",
            complete=lambda: ["clearer", "halving", "slimmable"],
        ),
    ] = None
    sampler: Annotated[
        str | None,
        option(
            "Search",
            "What chooses the networks to try: sobol (default) or tpe, which learns from those before.",
            metavar="NAME",
            complete=lambda: ["sobol", "tpe"],
        ),
    ] = None
    start: Annotated[
        str | None,
        option(
            "Training", "Start from the weights of a model, weight file or run.", metavar="MODEL", complete=model_names
        ),
    ] = None
    tensorboard: Annotated[bool, option("Output", "Write TensorBoard event files too.", "--tensorboard")] = False
    show: Annotated[bool, option("Output", "Print the complete recipe as YAML and exit.", "--show")] = False
    as_json: Json = False

    def overrides(self) -> dict[str, Any]:
        """Return the settings that the options replace, by dotted key.

        Raises:
            UserError: options contradict each other, or ``--start`` names no model.
        """
        found = self._images()
        if self.span is not None:
            found["data.range"] = list(span_of(self.span))
        if self.channel is not None:
            found["data.channel"] = self.channel
        if self.start is not None:
            from clearer.training.initial_weights import settings_of

            found |= settings_of(self.start)
        if self.architecture is not None:
            found["architecture"] = self.architecture
        return found | parsed(self.settings)

    def _images(self) -> dict[str, Any]:
        """Return the settings of the images; they replace all images that the recipe names."""
        pairs = self.pairs()
        whole = self.data if pairs is None else pairs
        if self.noisy is not None:
            return self._noisy(self.noisy, whole)
        if self.exposures:
            raise UserError("--exposures: needs --noisy FOLDER, the folder of the exposures")
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        named = {f"data.{part}": folder for part, folder in parts.items() if folder is not None}
        if whole is not None and (self.train is not None or self.validation is not None):
            raise UserError(
                "--train, --validation: the images of --data, or --clean and --degraded, are split; "
                "leave out one of them"
            )
        if whole is None and self.train is None:
            return dict(named)
        nothing = dict.fromkeys(("data.folder", "data.train", "data.validation", "data.test"))
        return {**nothing, "data.folder": whole, **named}

    def _noisy(self, folder: str, other: Any) -> dict[str, Any]:
        """Return the settings of the images for ``--noisy``."""
        if other is not None or self.train is not None:
            raise UserError(
                f"--noisy {folder}: given together with other training images; leave out one of them "
                "(images with ground truth train better)"
            )
        layout = "exposures" if self.exposures else "noisy"
        parts = {"data.validation": self.validation, "data.test": self.test}
        return {"data.folder": folder, "data.train": None, "data.layout": layout, **parts}


@verb(
    "fit",
    "clearer fit --noisy photos -o runs/mine",
    "clearer fit denoise-gray --data photos -o runs/mine",
    "clearer fit derain --clean pairs/clean --degraded pairs/degraded",
    "clearer fit denoise-gray --data photos --budget 50ms@1mp --budget 100ms@1mp",
)
def fit(options: FitOptions) -> None:
    """Search, train and evaluate in one command.

    Rerun the same command to resume where it stopped.
    """
    _fit(options, ("search", "train", "evaluate"))


@verb("search", "clearer search denoise-gray --data photos -o runs/mine")
def search(options: FitOptions) -> None:
    """Run only the architecture search of 'fit'.

    Rerun the same command to resume where it stopped. 'train' with the same options trains the architecture found.
    """
    _refuse_nothing_to_search(options)
    _fit(options, ("search",))


@verb(
    "train",
    "clearer train denoise-gray --data photos -o runs/mine",
    "clearer train denoise-gray --data photos --start denoise-gray",
)
def train(options: FitOptions) -> None:
    """Train and evaluate an architecture, found or given.

    The architecture is the one that 'search' found in the same run folder, or that of --architecture. Rerun the
    same command to resume where it stopped.
    """
    _fit(options, ("train", "evaluate"))


def _refuse_for_baseline(options: FitOptions) -> None:
    """Refuse options that are for networks of clearer where the recipe trains a baseline."""
    from clearer.recipe.load import load_recipe

    given = {"--start": options.start, "--budget": options.budget, "--search": options.way}
    given |= {"--architecture": options.architecture, "--sampler": options.sampler}
    named = [name for name, value in given.items() if value]
    baseline = (
        load_recipe(options.recipe).baseline if named and options.recipe not in (None, "noisy", "pairs") else None
    )
    if baseline is not None:
        raise UserError(f"{named[0]}: is for networks of clearer, and {options.recipe} trains {baseline}; leave it out")


def _refuse_idle_minutes(options: FitOptions) -> None:
    """Refuse the minutes of a search where none is limited by them."""
    if options.search_minutes is None:
        return
    given = f"--search-minutes {options.search_minutes:g}"
    if not options.budget:
        raise UserError(f"{given}: is for a search with --budget; give a budget, or leave it out")
    if options.way == "clearer":
        raise UserError(f"{given}: --search clearer takes the steps of its recipe (search.epochs); leave it out")


def _refuse_nothing_to_search(options: FitOptions) -> None:
    """Refuse a search alone where the architecture is given, by an option, a start or the recipe."""
    from clearer.recipe.load import load_recipe

    if options.show or options.budget:  # with a budget, the search refuses what is given
        return
    overrides = options.overrides()
    given: object = overrides.get("architecture")
    if options.recipe == "noisy" or (options.recipe is None and options.noisy is not None):
        noisy = load_recipe("noisy-gray", overrides).given  # as that for color
        if noisy is not None:
            raise UserError(
                "search: noisy images alone have no ground truth, which the search needs; use 'clearer train', which "
                f"trains {noisy}, or --budget, which tries networks without it"
            )
    if options.recipe is not None and options.recipe not in ("noisy", "pairs"):
        given = load_recipe(options.recipe, overrides).given
    if given is not None:
        raise UserError(
            f"search: the architecture {given} is given, so there is nothing to search; use 'clearer train', or "
            "leave out what gives it"
        )


def _fit(options: FitOptions, stages: Sequence[str]) -> None:
    from clearer.training import distributed as processes

    _refuse_for_baseline(options)
    _refuse_idle_minutes(options)
    overrides = options.overrides()
    if options.show:
        if options.budget:
            say("note: --budget: --show prints the recipe without what that search finds", console_for_people(True))
        if not processes.launched()[0]:
            _show(options.recipe, overrides, options.as_json)
        return
    from clearer.pipeline.fit import fit as run_fit

    console, out = console_for_people(options.as_json), options.out
    facts: dict[str, Any] = {}
    budgets = options.budget or []
    if options.sampler is not None:
        from clearer.experiments.asked_networks import check_use

        check_use(options.sampler, options.way, budgets)
    if options.way is not None:
        from clearer.experiments.published_search import check_search

        check_search(options.way, budgets, overrides.get("architecture") or overrides.get("train.start"))
        if options.way == "clearer" and budgets:
            return _fit_published(options, overrides, budgets[0], stages)
    minutes = SEARCH_MINUTES if options.search_minutes is None else options.search_minutes
    if options.way == "slimmable" and options.budget:
        from clearer.experiments.slimmable_search import slimmable_within

        out, overrides, facts = slimmable_within(
            options.recipe, out, overrides, options.budget[0], minutes=minutes, stages=stages, console=console
        )
    elif options.budget:
        from clearer.experiments.budget_fit import fit_budgets, measured, settings_for, takes_several

        shared: dict[str, Any] = {"minutes": minutes, "stages": stages, "console": console}
        if takes_several(out, options.budget):
            if options.sampler == "tpe":
                raise UserError(f"--sampler tpe: serves one --budget, and {out} holds several; leave the option out")
            shared["tensorboard"] = options.tensorboard
            result = fit_budgets(options.recipe, out, overrides, options.budget, **shared)
            if options.as_json:
                print_json(result)
            return
        shared["sampler"] = options.sampler
        out, overrides = settings_for(options.recipe, out, overrides, options.budget[0], **shared)
        facts = {} if processes.launched()[0] else measured(out, options.budget[0])
    run = run_fit(options.recipe, out, overrides, stages=stages, tensorboard=options.tensorboard, console=console)
    if options.as_json and not processes.launched()[0]:
        print_json({**facts, **run.result})


def _fit_published(options: FitOptions, overrides: dict[str, Any], budget: str, stages: Sequence[str]) -> None:
    """Search as published, at the width that a budget allows."""
    from clearer.experiments.published_search import published_within, say_cost
    from clearer.network.architecture import Architecture
    from clearer.pipeline.fit import fit as run_fit
    from clearer.training import distributed as processes

    console = console_for_people(options.as_json)
    out, overrides = published_within(options.recipe, options.out, overrides, budget, stages=stages, console=console)
    run = run_fit(options.recipe, out, overrides, stages=stages, tensorboard=options.tensorboard, console=console)
    if processes.launched()[0]:
        return
    assert isinstance(run.architecture, Architecture)  # baselines are not searched
    say_cost(run.architecture, budget, overrides, console)
    if options.as_json:
        print_json(run.result)


def _show(recipe: str | None, overrides: dict[str, Any], as_json: bool) -> None:
    from clearer.pipeline.data_mode import choose
    from clearer.recipe.load import load_recipe

    chosen = choose(recipe, overrides)
    for remark in chosen.remarks:
        say(remark, console_for_people(as_json=True))
    resolved = load_recipe(chosen.recipe, chosen.overrides)
    if as_json:
        print_json(resolved.to_dict())
    else:
        print(resolved.to_yaml(), end="")


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions:
    """Options of quickstart."""

    out: Annotated[Path, option("Output", "Run folder.", "--out", "-o", metavar="RUN")] = Path("runs/quickstart")
    settings: Set = None
    as_json: Json = False


@verb("quickstart", "clearer quickstart", "clearer quickstart --set train.epochs=4")
def quickstart(options: QuickstartOptions) -> None:
    """Train a first denoiser in minutes on included photos.

    The photographs come with scikit-image. Rerun the same command to resume where it stopped.
    """
    from clearer.pipeline.quickstart import quickstart as run_quickstart

    run = run_quickstart(options.out, parsed(options.settings), console=console_for_people(options.as_json))
    if options.as_json:
        print_json(run.result)
