"""The headline facts of a run, for its page and its summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clearer.core.text import count, duration
from clearer.runs.record import Record, number


class Fact(NamedTuple):
    """A figure of the headline: its name, its value, and a remark (or an empty string)."""

    name: str
    value: str
    remark: str


def task_of(record: Record) -> str:
    """Return the task of a run in words, else its recipe, else the name of its folder."""
    return str(record.run.get("task") or record.run.get("recipe") or record.name)


def headline_facts(record: Record) -> list[Fact]:
    """Return gain over the input, parameters, kMAC per pixel and time, as far as they are known."""
    facts = []
    if record.before_after:
        before, after, where = record.before_after
        facts.append(Fact("over the input", f"{after - before:+.2f} dB", f"{before:.2f} to {after:.2f} dB, {where}"))
    if (parameters := number(record.cost, "parameters")) is not None:
        facts.append(Fact("parameters", count(parameters), f"{parameters:,.0f}"))
    if (macs := number(record.cost, "macs_per_pixel")) is not None:
        facts.append(Fact("kMAC/pixel", f"{macs / 1e3:.1f}", f"{macs * 1280 * 720 / 1e9:,.0f} GMAC at 1280x720"))
    if record.seconds is not None:
        times = (("search", number(record.search, "seconds")), ("training", number(record.train, "seconds")))
        known = [(name, seconds) for name, seconds in times if seconds is not None]
        remark = ", ".join(f"{name} {duration(seconds)}" for name, seconds in known) if len(known) > 1 else ""
        facts.append(Fact(f"of {' and '.join(name for name, _ in known)}", duration(record.seconds), remark))
    return facts


def result_line(record: Record) -> str:
    """Return the run in one line: task, gain over the input, parameters, kMAC per pixel, time."""
    facts = [f"{value} {name}" for name, value, _ in headline_facts(record)]
    return f"{task_of(record)}: {', '.join(facts)}" if facts else task_of(record)


def seen_line(evaluation: Mapping[str, Any]) -> str | None:
    """Return a sentence on the images of an evaluation that the model had seen; None if there are none."""
    seen: dict[str, int] = evaluation.get("seen") or {}
    words = {"train": "was trained on", "validation": "chose its weights by"}
    said = " and ".join(f"{words[part]} {count}" for part, count in seen.items() if part in words)
    if not said:
        return None
    return f"the model {said} of the {evaluation['images']} images: these figures say nothing about new ones"


def convergence(search: Mapping[str, object]) -> str:
    """Return where a search converged early and what that saved; an empty string if it did not."""
    done, saved = number(search, "steps"), number(search, "steps_saved")
    if done is None or not saved:
        return ""
    return (
        f"converged after {done:,.0f} of {done + saved:,.0f} weight steps, "
        f"which saved about {duration(number(search, 'seconds_saved'))}"
    )


def start_line(training: Mapping[str, object]) -> str:
    """Return where the weights came from, what was revived, and which were kept; an empty string without a start."""
    start = training.get("start")
    if not isinstance(start, Mapping):
        return ""
    text = f"Started from {start.get('model')}."
    dead, features = number(start, "dead"), number(start, "features")
    if dead is not None and features:
        text += f" {dead:,.0f} of its {features:,.0f} features were dead on these images"
        text += "; its weights were mixed with fresh ones." if number(start, "revived") else "."
    steps, reached, fresh = (number(start, key) for key in ("steps", "reached_psnr", "fresh_psnr"))
    if steps is not None and reached is not None and fresh is not None:
        kept = "fresh weights" if start.get("kept") == "fresh" else "the start"
        text += f" After {steps:,.0f} steps: {reached:.2f} dB from it, {fresh:.2f} dB from fresh weights"
        text += f"; training went on from {kept}."
    return text


def start_outcome(training: Mapping[str, object]) -> str:
    """Return in a few words what became of a start: kept, revived or given up; an empty string without a start."""
    start = training.get("start")
    if not isinstance(start, Mapping):
        return ""
    steps, reached, fresh = (number(start, key) for key in ("steps", "reached_psnr", "fresh_psnr"))
    outcome = "revived and kept" if number(start, "revived") else "kept"
    if start.get("kept") == "fresh":
        outcome = "given up for fresh weights"
    compared = ""
    if steps is not None and reached is not None and fresh is not None:
        compared = f" ({reached:.2f} dB after {steps:,.0f} steps, fresh weights {fresh:.2f} dB)"
    return f"{start.get('model')}: {outcome}{compared}"


def protocol_name(result: Mapping[str, object]) -> str:
    """Return the protocol of an evaluation, and whether the x8 self-ensemble was used."""
    return f"{result.get('protocol', '')}{' with x8 self-ensemble' if result.get('ensemble') else ''}"
