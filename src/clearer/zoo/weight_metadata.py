"""The metadata of weight files: architecture and card, read without torch."""

from __future__ import annotations

import contextlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from clearer.core.errors import UserError, one_line
from clearer.core.files import paths_checked, utf8_path
from clearer.core.parse import parse_json
from clearer.images.types import format_of_suffix
from clearer.network.architecture import Architecture
from clearer.network.baselines.form import KEY, BaselineForm
from clearer.zoo.card import ModelCard

FORMAT = "clearer-weights-1"


def read_architecture(path: str | Path) -> tuple[Architecture, ModelCard]:
    """Read the architecture and the card of a weight file, without its weights.

    Raises:
        UserError: there is no such file, it is not a weight file of clearer, or it holds a baseline.
    """
    form, card = read_form(path)
    if isinstance(form, BaselineForm):
        raise UserError(
            f"{path}: holds the baseline {form}, which serves comparisons alone; measure it with 'clearer evaluate' or "
            "'clearer reproduce tables --models'"
        )
    return form, card


def read_form(path: str | Path) -> tuple[Architecture | BaselineForm, ModelCard]:
    """Read what a weight file states about its network, and its card, without its weights.

    Raises:
        UserError: there is no such file, or it is not a weight file of clearer.
    """
    try:
        with utf8_path(path) as named, safe_open(named, "np") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError), paths_checked(), Path(path).open("rb"):
            pass  # of a file that may not be read, safetensors says that it is not there
        raise UserError(f"{path}: no such file; name a weight file (model.safetensors) or a run folder") from None
    except (OSError, SafetensorError) as error:
        if format_of_suffix(Path(path)) is not None:
            raise UserError(f"{path}: an image, where a model is needed; the model comes first") from error
        raise UserError(
            f"{path}: not a weight file of clearer, or damaged ({one_line(error)}); name a model.safetensors"
        ) from error
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path}: a safetensors file, but not written by clearer; name a run's model.safetensors")
    try:
        card = parse_json(metadata["card"])
        if not isinstance(card, dict):
            raise ValueError("the card is not a mapping")
        form = parse_json(metadata["architecture"])
        if isinstance(form, dict) and KEY in form:
            return BaselineForm.from_dict(form), ModelCard.from_dict(card)
        return Architecture.from_json(metadata["architecture"]), ModelCard.from_dict(card)
    except (KeyError, ValueError, UserError) as error:
        raise UserError(f"{path}: damaged metadata ({error}); take another copy of the file") from error
