"""The JSON files of the experiments that test a search: verdict.json and ablations.json."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from clearer.experiments.records import RecipeJson
from clearer.runs.schema import SearchResult


class SupernetGap(TypedDict):
    """PSNR in dB on held-out patches, from the supernet to the discretized network.

    ``derived`` is the discretized network with the supernet's weights, ``derived_new_statistics`` the same with
    batch-norm statistics measured again, ``trained_anew`` the same architecture trained from scratch.
    """

    input: float
    supernet: float
    derived: float
    derived_new_statistics: float
    trained_anew: NotRequired[float]


# verdict.json


class ScoresAsked(TypedDict):
    """The settings that the scores of ranking.json depend on."""

    sample: int | None
    statistics: str
    patches: int
    architectures: NotRequired[list[str]]  # version 0.1 did not write the last four
    supernet: NotRequired[str]
    images: NotRequired[str]  # the part that the patches are of
    test: NotRequired[str]  # the folder of the test images, where it was given
    patches_of: NotRequired[str]  # digest of the patches, where other images are named than the search had
    range: NotRequired[list[float]]  # black and white of the files, where these are not the whole range


class Scores(TypedDict):
    """ranking.json: PSNR in dB of each architecture with the supernet's weights."""

    asked: ScoresAsked
    psnr: dict[str, float]
    seconds: float
    device: str


class Ranking(Scores):
    """The place of the chosen architecture among all that were scored, and among those with as many fusions."""

    scored: int
    chosen_psnr: float
    chosen_macs_per_pixel: float
    rank: int
    alike: int
    rank_alike: int
    best: str
    best_psnr: float
    median_psnr: float
    worst_psnr: float
    spread: float
    on_front: bool
    better_and_no_dearer: int
    front: list[tuple[str, float, float]]
    correlation_with_macs: float | None
    macs_per_pixel: dict[str, float]


class Trained(TypedDict):
    """One architecture trained from scratch: its score by the supernet, and PSNR and seconds of each seed."""

    name: str
    architecture: str
    parameters: int
    macs_per_pixel: float
    score: float
    psnr: list[float]
    seconds: list[float]
    input_psnr: float
    mean: float
    spread: float | None


class AgainstChance(TypedDict):
    """The chosen architecture against random ones, in dB; ``random`` is their number."""

    seed_spread: float | None
    random: int
    random_mean: NotRequired[float]
    random_spread: NotRequired[float | None]
    difference: NotRequired[float]
    random_better: NotRequired[int]
    standard_error: NotRequired[float]


class Budget(TypedDict):
    """The part of a training's settings that pages print; the JSON file has all settings."""

    steps: int
    batch: int
    patch: int


class Trainings(TypedDict):
    """All trainings of a verdict."""

    rows: list[Trained]
    budget: Budget
    device: str
    precision: str
    correlation_with_score: float | None
    correlation_with_macs: float | None
    against_chance: AgainstChance
    measured_on: NotRequired[str]
    """Part of the images that the held-out patches are of; early verdicts measured validation images whole."""


class VerdictCost(TypedDict):
    """Seconds, and how many trainings take as long as the search."""

    search_seconds: float
    ranking_seconds: float
    training_seconds: float
    all_trainings_seconds: float
    trainings_for_one_search: float


class Verdict(TypedDict):
    """verdict.json."""

    run: str
    recipe: str
    chosen: str
    search: SearchResult
    lambda_arch: float
    patches: int
    scored_on: NotRequired[str]
    patch: NotRequired[int]
    test: NotRequired[str | None]
    ranking: Ranking
    gap: SupernetGap
    training: NotRequired[Trainings]
    cost: NotRequired[VerdictCost]


# ablations.json


class SharedWeightScores(TypedDict):
    """PSNR in dB of random architectures with the supernet's weights."""

    scored: int
    median: float
    best: float
    correlation_with_macs: float | None


class AblationRow(TypedDict):
    """One search or training of a variant; only some questions have the last keys."""

    question: str
    variant: str
    seed: int
    architecture: str
    parameters: int
    macs_per_pixel: float
    fusions: int
    modules: int
    gap: NotRequired[float]
    search_seconds: NotRequired[float]
    arch_steps: NotRequired[int]
    held_out_loss: NotRequired[float | None]
    device: NotRequired[str]
    precision: NotRequired[str]
    supernet_gap: NotRequired[SupernetGap]
    scores: NotRequired[SharedWeightScores]
    psnr: NotRequired[float]
    input_psnr: NotRequired[float]
    train_seconds: NotRequired[float]


class TermsAlone(TypedDict):
    """The effect of L_Arch and L_Comp on alpha without images; the pulls are their first gradients."""

    lambda_comp: float
    gap: float
    fusions: int
    pull_arch: float
    pull_comp: float


class Ablations(TypedDict):
    """ablations.json."""

    scale: str
    recipe: RecipeJson
    seeds: int
    rows: list[AblationRow]
    terms_alone: list[TermsAlone]


# macro-verdict.json


class Interval(TypedDict):
    """A mean difference in dB and its interval of 95 %; see `clearer.evaluation.intervals`."""

    mean: float
    low: float
    high: float


class MacroArm(TypedDict):
    """A network of a verdict on a search within budgets: ``chosen``, ``default`` or ``random``.

    ``validation`` and ``test`` hold PSNR in dB, one a seed, ``per_image`` that of each test image, the mean over the
    protocols, for each seed.
    """

    kind: str
    architecture: str
    milliseconds: float
    macs_per_pixel: float
    steps: int
    seconds: list[float]
    validation: list[float]
    test: list[float]
    per_image: list[list[float]]


class MacroComparison(TypedDict):
    """The arms of one budget and the differences of the choice from the others, on the test images."""

    budget: str
    arms: list[MacroArm]
    best_random: str
    over_default: Interval
    over_random_mean: Interval
    over_best_random: Interval


class MacroVerdict(TypedDict):
    """macro-verdict.json."""

    run: str
    recipe: str
    seconds_of_search: float
    steps: int
    seeds: int
    test: str
    protocols: list[str]
    latencies: list[MacroComparison]
    written: str
