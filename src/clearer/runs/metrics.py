"""The metrics of a stage: a line of JSON for each epoch, whose shape is checked where it is read."""

from __future__ import annotations

from pathlib import Path

from clearer.core.errors import UserError
from clearer.core.files import with_present_keys
from clearer.core.parse import parse_json
from clearer.core.shape import check_shape
from clearer.runs.schema import EpochLine


def read_metrics(path: Path, *needs: str, strict: bool = True) -> list[EpochLine]:
    """Return the lines of a metrics.jsonl, keys of older versions under their present names.

    A missing file has no lines. A last line that a crash cut short, so that it is not JSON, is skipped.

    Args:
        path: the file.
        needs: keys that the caller reads of every line; a line without them is damaged.
        strict: refuse a damaged line; otherwise return the lines before it.

    Raises:
        UserError: the file cannot be read, or a line is damaged and ``strict``.
    """
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    values: list[EpochLine] = []
    for index, text in enumerate(texts):
        problem = "not JSON"
        try:
            value = with_present_keys(parse_json(text, finite=False))
            problem = "damaged"
            check_shape(value, EpochLine, needs=needs)
            values.append(value)
        except ValueError as error:
            cut_short = problem == "not JSON" and index == len(texts) - 1
            if strict and not cut_short:
                raise UserError(f"{path}: line {index + 1} is {problem} ({error}); remove that line") from error
            break
    return values
