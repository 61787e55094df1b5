"""The verbs, their options and their help. Changing a name here breaks users' scripts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from clearer.cli import help as help_pages
from clearer.cli.app import app
from clearer.cli.options import protocol_names
from clearer.evaluation.protocols import PROTOCOLS
from helpers.command import clearer as command

# Options of version 0.1. All of them still work.
FITTING = {
    "--out", "--set", "--data", "--clean", "--degraded", "--train", "--validation", "--test", "--architecture",
    "--start", "--tensorboard", "--show", "--json",
}  # fmt: skip
VERBS_0_1 = {
    "fit": FITTING,
    "search": FITTING,
    "train": FITTING,
    "quickstart": {"--out", "--set", "--json"},
    "evaluate": {
        "--protocol", "--data", "--clean", "--degraded", "--limit", "--ensemble", "--seed", "--out", "--precision",
        "--device", "--json",
    },
    "restore": {
        "--out", "--ensemble", "--tile", "--overlap", "--color", "--strength", "--sigma", "--range", "--format",
        "--depth", "--quality", "--recursive", "--pattern", "--skip-existing", "--precision", "--device", "--json",
        "--quiet",
    },
    "export": {"--onnx", "--torch", "--half", "--int8", "--calibrate", "--layout", "--json"},
    "describe": {
        "--operations", "--channels", "--width", "--norm", "--residual", "--unshuffle", "--condition", "--topology",
        "--out", "--json",
    },
    "latency": {
        "--operations", "--channels", "--width", "--norm", "--residual", "--unshuffle", "--condition", "--topology",
        "--at", "--runtime", "--threads", "--device", "--precision", "--seconds", "--json",
    },
    "doctor": {"--clean", "--degraded", "--layout", "--clean-side", "--figure", "--json"},
    "models": {"--json"},
    "recipes": {"--json"},
    "reproduce": set(),
    "verdict": {
        "--out", "--scale", "--seeds", "--random", "--sample", "--patches", "--statistics", "--train", "--jobs",
        "--set", "--json", "--space", "--latency", "--minutes", "--test",
    },
    "compare-protocols": {
        "--data", "--clean-side", "--sigma", "--also", "--limit", "--seed", "--device", "--precision", "--out",
        "--json",
    },
    "web": {"--model", "--host", "--port", "--max-megapixels", "--max-files", "--device", "--precision"},
}  # fmt: skip
EXPERIMENT = {"--out", "--data", "--train", "--validation", "--scale", "--jobs", "--set", "--json"}
METHODS = {
    "--out", "--models", "--also", "--classical", "--bsd500", "--rain800", "--sigma", "--ensemble", "--device",
    "--precision", "--json",
}  # fmt: skip
REPRODUCE_0_1 = {
    "table1": {*EXPERIMENT, "--lambda", "--recipe"},
    "figures34": {"--denoise", "--derain", "--out", "--json"},
    "figures5-7": {*METHODS, "--picture", "--pictures", "--protocol", "--crop"},
    "tables": {*METHODS, "--rain-y", "--limit", "--seed"},
    "ablations": {*EXPERIMENT, "--seeds", "--only"},
    "redraw": {"--json"},
}
PATTERNS = {"--clean-pattern", "--degraded-pattern"}
FITTING_NOW = FITTING | PATTERNS | {
    "--noisy", "--exposures", "--range", "--channel", "--budget", "--search-minutes", "--search", "--sampler",
}  # fmt: skip
VERBS = {
    **VERBS_0_1,
    **dict.fromkeys(("fit", "search", "train"), FITTING_NOW),
    "evaluate": VERBS_0_1["evaluate"] | PATTERNS | {"--range", "--clean-side", "--channel"},
    "doctor": VERBS_0_1["doctor"] | PATTERNS | {"--system"},
    "describe": VERBS_0_1["describe"] | {"--supernet"},
    "restore": VERBS_0_1["restore"]
    | {
        "--compare",
        "--bands",
        "--manifest",
        "--workers",
        "--shards",
        "--shard",
        "--distributor",
        "--state",
    },
    "export": VERBS_0_1["export"] | {"--demo", "--onnxruntime-web", "--opset", "--out", "--bioimageio"},
    "models": {"--json", "--all", "--measure", "--for", "--task"},
    "recipes": {"--json", "--all"},
    "methods": {"--json"},
}
REPRODUCE = {
    **REPRODUCE_0_1,
    "figure8": (METHODS - {"--bsd500", "--rain800", "--sigma"}) | {"--rain", "--images", "--trained"},
    "table1": REPRODUCE_0_1["table1"] | {"--seeds"},
    "tables": REPRODUCE_0_1["tables"] | {"--trained"},
    "baselines": {
        *METHODS,
        "--trained",
        "--rain-y",
        "--limit",
        "--seed",
        "--noise",
        "--rain",
        "--minutes",
        "--only",
        "--jobs",
    },
    "figures5-7": REPRODUCE_0_1["figures5-7"] - {"--picture", "--pictures"} | {"--image", "--images", "--trained"},
}

ROOT: Any = typer.main.get_command(app)


def pages() -> Iterator[tuple[str, ...]]:
    """Yield the words of every verb and group, () for the program itself."""
    yield ()
    for name, verb in ROOT.commands.items():
        yield (name,)
        yield from ((name, inner) for inner in getattr(verb, "commands", ()))


def found(words: tuple[str, ...]) -> Any:
    """Return the click command of these words."""
    verb = ROOT
    for word in words:
        verb = verb.commands[word]
    return verb


PAGES = list(pages())
VERB_WORDS = [words for words in PAGES if not hasattr(found(words), "commands")]


def parsed(words: tuple[str, ...], arguments: list[str]) -> dict[str, Any]:
    """Return the values that a verb gets for its options; the verb does not run."""
    with found(words).make_context(words[-1], arguments) as context:
        return dict(context.params)


def parsed_line(line: str) -> dict[str, Any]:
    """Return the values of the options of a whole command line."""
    program, *rest = shlex.split(line, comments=True)
    assert program == "clearer", line
    own = tuple(rest[: 2 if rest[0] == "reproduce" else 1])
    return parsed(own, rest[len(own) :])


def by_name(words: tuple[str, ...]) -> str:
    """Return the words as a test's name."""
    return " ".join(words) or "clearer"


def test_the_verbs_and_their_options_are_as_published():
    verbs = ROOT.commands
    for commands, known in ((verbs, VERBS), (verbs["reproduce"].commands, REPRODUCE)):
        options = {name: [o for p in verb.params for o in p.opts] for name, verb in commands.items()}
        assert {name: {o for o in found if o.startswith("--")} for name, found in options.items()} == known


OF_0_1 = {(name,): options for name, options in VERBS_0_1.items() if name != "reproduce"} | {
    ("reproduce", name): options for name, options in REPRODUCE_0_1.items()
}


@pytest.mark.parametrize("words", OF_0_1, ids=by_name)
def test_every_option_of_version_0_1_works(words):
    verb = found(words)
    flags = {name for param in verb.params if not param.metavar for name in param.opts}
    positional = ["word" for param in verb.params if param.param_type_name == "argument"]
    given = [part for name in sorted(OF_0_1[words]) for part in ([name] if name in flags else [name, "1"])]
    values = parsed(words, [*positional, *given])
    wanted = [param.name for param in verb.params if {*param.opts} & OF_0_1[words]]
    assert [name for name in wanted if values[name] in (None, False, [])] == []


def test_short_and_negative_options_of_version_0_1_work():
    assert parsed(("restore",), ["m", "a", "-o", "b", "-r"])["recursive"] is True
    assert parsed(("verdict",), ["run", "--no-train"])["train"] is False
    assert str(parsed(("describe",), ["FP", "-o", "a.svg"])["out"]) == "a.svg"


def test_former_option_names_work_and_are_not_shown():
    words = ("reproduce", "figures5-7")
    values = parsed(words, ["--picture", "camera", "--picture=moon", "--pictures", "3"])
    assert (list(values["image"]), values["images"]) == (["camera", "moon"], 3)
    assert "--picture" not in command(*words, "--help").out


# Help for terminals of 80 columns.


@pytest.mark.parametrize("words", PAGES, ids=by_name)
def test_help_fits_80_columns_and_reads_well(words):
    ended = command(*words, "--help")
    assert ended.status == 0, ended.err
    assert max(map(len, ended.out.splitlines())) <= 80
    for param in found(words).params:
        if param.param_type_name == "option" and param.name not in ("install_completion", "show_completion"):
            assert getattr(param, "rich_help_panel", None) in (*help_pages.GROUPS, None)
        assert param.help and not re.match("(Of|Only|Else) ", param.help), param.name
        assert param.metavar is None or re.fullmatch(r"[\[\]A-Z,=]+(\.[a-z0-9]+)?", param.metavar), param.metavar
        is_flag = param.param_type_name == "option" and getattr(param, "is_flag", False)
        assert is_flag is (param.metavar is None), param.name


@pytest.mark.parametrize("words", PAGES, ids=by_name)
def test_each_verb_is_one_line_of_the_list(words):
    text = found(words).help
    assert not re.match("(Of|Only|Else) ", text) and "\b" not in text
    if words:
        first = text.partition("\n")[0]
        lines = command(*words[:-1], "--help").out.splitlines()
        assert [line for line in lines if line.split() == [words[-1], *first.split()]], first


def test_verbs_stand_under_headings():
    lines = command("--help").out.splitlines()
    headings = {heading: lines.index(f"{heading}:") for heading in ("Examples", "Use", "Train", "Study", "Help")}
    assert list(headings.values()) == sorted(headings.values())
    use = [line.split()[0] for line in lines[headings["Use"] + 1 : headings["Train"] - 1]]
    assert use == ["restore", "web", "models", "export", "describe", "latency"]
    train = [line.split()[0] for line in lines[headings["Train"] + 1 : headings["Study"] - 1]]
    assert train == ["quickstart", "doctor", "recipes", "fit", "search", "train", "evaluate"]
    study = [line.split()[0] for line in lines[headings["Study"] + 1 : headings["Help"] - 1]]
    assert study == ["reproduce", "methods", "verdict", "compare-protocols"]


@pytest.mark.parametrize("words", VERB_WORDS, ids=by_name)
def test_each_example_is_shown_unbroken_and_parses(words):
    verb = found(words)
    examples = verb.epilog.replace("\\\n", " ").splitlines()
    shown = command(*words, "--help").out
    assert examples and all(f"  {line}\n" in shown for line in verb.epilog.splitlines())
    for example in examples:
        parsed_line(example)
    assert any(shlex.split(example)[1 : len(words) + 1] == list(words) for example in examples)


CHECKOUT = Path(__file__).parents[2]
DOCS = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_the_commands_of_the_documentation_parse(page):
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        if line.startswith("clearer ") and "..." not in line:
            parsed_line(line)


def test_the_words_of_an_option_are_explained_with_its_default():
    out = command("restore", "--help").out
    assert "Usage: clearer restore MODEL [INPUT] [OPTIONS]\n" in out
    assert re.search(r"--data FOLDER .*\(required\)", command("compare-protocols", "--help").out)
    assert re.search(r"--tile PIXELS .*\n +\(default: auto\)", out)
    assert "clearer doctor [FOLDER] [OPTIONS]" in command("doctor", "--help").out


def test_every_protocol_is_explained_and_a_wrong_name_lists_all():
    page = (CHECKOUT / "docs" / "degradations.md").read_text(encoding="utf-8")
    refused = command("evaluate", "denoise-gray", "--protocol", "nothing", "--data", ".").err
    for form in PROTOCOLS:
        assert f"`{form}`" in page, form
        assert re.search(rf"[ ,]{form}[ ,]", refused), form
    assert all(name in protocol_names() for name in ("gray-awgn-50", "jpeg-10", "rain-y"))


HEAVY = {"torch", "numpy", "PIL", "matplotlib", "torchmetrics", "skimage", "gradio", "rich", "yaml", "pydantic"}


@pytest.mark.parametrize("arguments", [("--help",), ("fit", "--help"), ("reproduce", "tables", "--help")])
def test_help_needs_nothing_heavy(arguments):
    program = [sys.executable, "-X", "importtime", "-m", "clearer", *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "clearer" in imported and not imported & HEAVY
    if arguments == ("--help",):
        assert all(verb in ended.stdout for verb in VERBS)


# Mistyped command lines.

USAGE = {
    "restor": "restor: no such verb (did you mean 'restore'?); see 'clearer --help'",
    "reproduce tabel": "tabel: no such verb (did you mean 'tables'?); see 'clearer reproduce --help'",
    "fit quickstart --sett a=1": "fit: --sett: no such option (did you mean '--set'?); see 'clearer fit --help'",
    "fit": "images: none are given; name them with --data, --noisy, or --clean and --degraded",
    "restore m a": "restore: --out: missing; see 'clearer restore --help'",
    "restore m a b -o c": "restore: got unexpected extra argument",
    "restore m a -o c --quality 200": "restore: --quality: 200 is not from 1 to 100; see 'clearer restore --help'",
    "restore m a -o c --quality high": "restore: --quality: 'high' is not a whole number; see 'clearer restore",
    "restore m a -o c --strength x": "restore: --strength: 'x' is not a number; see 'clearer restore --help'",
    "restore m a -o c --tile": "restore: option '--tile' requires an argument; see 'clearer restore --help'",
    "reproduce table1 --lambda -1": "reproduce table1: --lambda: -1 is not 0 or more; see 'clearer reproduce table1",
    "web --port 70000": "web: --port: 70000 is not from 0 to 65535; see 'clearer web --help'",
    "--nothing": "--nothing: no such option; see 'clearer --help'",
}


@pytest.mark.parametrize("line", USAGE)
def test_a_mistyped_command_line_is_answered_in_one_line(line):
    ended = command(*line.split())
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"clearer: {USAGE[line]}") and ended.err.count("\n") == 1, ended.err


@pytest.mark.parametrize("words", [(), ("reproduce",)])
def test_without_a_verb_the_help_goes_to_stderr(words):
    ended = command(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.rstrip() == command(*words, "--help").out.rstrip()


# Completion in the shell.


def completed(line: str) -> list[str]:
    """Return what bash offers at the end of a line."""
    words = line.split(" ")
    environment = {
        **os.environ, "_CLEARER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    program = [sys.executable, "-m", "clearer"]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_the_completion_script_is_printed():
    environment = {**os.environ, "_CLEARER_COMPLETE": "source_bash"}
    program = [sys.executable, "-m", "clearer"]
    script = subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout
    assert "complete -o default -F _clearer_completion clearer" in script
    assert "--install-completion" in command("--help").out


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("clearer re", {"restore", "recipes", "reproduce"}),
        ("clearer restore de", {"denoise-gray", "denoise-color", "derain"}),
        ("clearer fit qu", {"quickstart"}),
        ("clearer evaluate denoise-gray --protocol gr", {"gray-awgn-50"}),
        ("clearer reproduce tables --classical bm", {"bm3d"}),
        ("clearer restore m a --color ", {"luma", "channels"}),
    ],
)
def test_values_are_completed(line, some):
    offered = completed(line)
    assert some <= set(offered)
    assert all(value.startswith(line.rpartition(" ")[2]) for value in offered)


def test_former_names_are_not_completed():
    offered = completed("clearer reproduce figures5-7 --")
    assert "--image" in offered and "--picture" not in offered
