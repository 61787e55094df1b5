"""What a reader of a run must not overlook: results no better than their input, or than a plain filter."""

from __future__ import annotations

from clearer.report.facts import protocol_name
from clearer.report.noisy import CERTAIN, UNCERTAIN
from clearer.runs.record import Record, number

ADVICE = "Train longer (train.epochs, train.steps_per_epoch), or look at the images with clearer doctor."


def warnings_of(record: Record) -> list[str]:
    """Return a sentence for each measurement that found the results no better than the input or a plain filter.

    The last sentence says what to do.
    """
    measured = [(protocol_name(e), "", number(e, "input_psnr"), number(e, "psnr")) for e in record.evaluations]
    train = record.train
    if not measured:
        measured = [("validation images", "", number(train, "input_psnr"), number(train, "best_psnr"))]
    if (number(train, "standard_error") or 0) <= UNCERTAIN:
        estimated = number(train, "estimated_input_psnr"), number(train, "best_estimated_psnr")
        measured.append(("validation images", "estimated to be ", *estimated))
    said = []
    for where, estimated_to_be, before, after in measured:
        if before is not None and after is not None and after <= before:
            now, then = f"{after:.2f} dB", f"{before:.2f} dB"
            text = f"no better than the input: both {now}"
            if now != then:
                text = f"worse than the input: {now} instead of {then}"
            said.append(f"{where}: the result is {estimated_to_be}{text}.")
    said += [f"{name}: estimated to do better than this model, without any training." for name in _filters(record)[:1]]
    return [*said, ADVICE] if said else []


def _filters(record: Record) -> list[str]:
    """Return the plain filters that are estimated to do better than the model, beyond doubt; the best first."""
    return [
        str(row.get("name"))
        for row in record.ranking.get("rows", [])
        if row.get("kind") == "filter"
        and (number(row, "gain") or 0) < -CERTAIN * (number(row, "gain_standard_error") or 0)
    ]
