"""The model card: typed facts about a model, stored as JSON in its weight file."""

from __future__ import annotations

import copy
import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearer.core.errors import UserError
from clearer.core.files import FORMER_KEYS, with_former_keys, with_present_keys
from clearer.degradations.base import Degradation
from clearer.degradations.registry import degradation_from_dict

HALF_A_LEVEL = 0.5
"""RMS difference, in gray levels, from which a model restores images of 8 bits in fp32 by default, too."""


@dataclass(frozen=True)
class CardResult:
    """One measurement of a model: the mean over the images of one dataset by one protocol.

    Attributes:
        protocol: name of the protocol, such as ``"gray-awgn-50"``.
        psnr, ssim: of the restored images; PSNR in dB.
        input_psnr, input_ssim: of the degraded images.
        images: number of images.
        data: name or path of the dataset.
        ensemble: whether the x8 self-ensemble was used.
        seed: noise seed.
        precision: ``"fp32"`` or ``"bf16"``.
        extra: values under keys that this version does not know.
    """

    protocol: str
    psnr: float
    ssim: float
    input_psnr: float
    images: int
    data: str | None = None
    input_ssim: float | None = None
    ensemble: bool | None = None
    seed: int | None = None
    precision: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> CardResult:
        """Build a result from its JSON form, such as what `clearer.evaluate` returns.

        Raises:
            UserError: a required key is missing or has a value of the wrong type.
        """
        known, extra = _split(cls, with_present_keys(dict(stated)))
        missing = [name for name in _REQUIRED if name not in known]
        if missing:
            raise UserError(f"results: no valid {', '.join(missing)}; pass what clearer.evaluate returns")
        return cls(**known, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not stated is left out."""
        return _stated(self)


@dataclass(frozen=True, eq=False)
class ModelCard(Mapping[str, Any]):
    """The facts that a weight file states about its model.

    Every value may be missing (None). A card also reads as a mapping of its JSON form:
    ``card["task"]``, ``card.get("limits")``, ``dict(card)``; two cards, or a card and a dict, are
    equal if their JSON forms are.

    Attributes:
        name: of a pretrained model.
        recipe: name of the recipe that trained it.
        task: ``"denoise"``, ``"derain"`` or ``"restore"``.
        description: what the model is for.
        degradation: how clean images were degraded in training, as in the recipe.
        range: the levels that were black and white in training files of 16 bits or floating point, such as
            ``[0, 4095]``; None for 0 and the largest.
        data: the training images, in words.
        limits: what the model is not for, in words.
        license: of the weights.
        training: the commands that trained it.
        steps: number of training steps.
        seed: of the training.
        precision: of the training, ``"fp32"`` or ``"bf16"``.
        start: the weights that training started from.
        weights: which weights of the run these are: ``"best"``, ``"last"``, or a mean, in words.
        epoch: of the best weights, counted from 1.
        validation_psnr: in dB.
        results: measurements of this very file.
        robustness: of a denoiser, ``{"rows": [...]}`` as `clearer.zoo.robustness_table.rows_for_card` makes them.
        bf16: how far its results in bf16 are from those in fp32, on test images of 8 bits, in gray levels:
            ``{"rms": 0.44, "largest": 2.8}``, each of the test set where it is highest.
        extra: values under keys that this version does not know, or of a type it does not expect.

    >>> card = ModelCard.from_dict({"task": "denoise", "licence": "MIT", "note": 7})
    >>> card.license, card["note"], card.get("limits")
    ('MIT', 7, None)
    >>> card == {"task": "denoise", "license": "MIT", "note": 7}
    True
    """

    name: str | None = None
    recipe: str | None = None
    task: str | None = None
    description: str | None = None
    degradation: Mapping[str, Any] | None = None
    range: Sequence[float] | None = None
    data: str | None = None
    limits: str | None = None
    license: str | None = None
    training: str | None = None
    steps: int | None = None
    seed: int | None = None
    precision: str | None = None
    start: str | None = None
    weights: str | None = None
    epoch: int | None = None
    validation_psnr: float | None = None
    results: tuple[CardResult, ...] = ()
    robustness: Mapping[str, Any] | None = None
    bf16: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> ModelCard:
        """Build a card from its JSON form; keys of version 0.1 get their present names.

        Values of unexpected types are kept in ``extra``: a card never keeps a weight file from loading.
        """
        if isinstance(stated, ModelCard):
            return stated
        present = with_present_keys(dict(stated))
        measured = _results(present.get("results"))
        if measured is not None:
            del present["results"]
        known, extra = _split(cls, present)
        return cls(**known, results=measured or (), extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not stated is left out."""
        return _stated(self)

    @property
    def span(self) -> tuple[float, float] | None:
        """The ``range``, black first; None if there is none or it is not two rising numbers."""
        try:
            low, high = map(float, self.range or ())
        except (TypeError, ValueError):
            return None
        return (low, high) if low < high else None

    @property
    def differs_in_bf16(self) -> bool:
        """Whether results in bf16 were measured to differ from those in fp32 by half a gray level RMS or more.

        >>> ModelCard(bf16={"rms": 0.65, "largest": 3.9}).differs_in_bf16, ModelCard().differs_in_bf16
        (True, False)
        """
        rms = (self.bf16 or {}).get("rms")
        return isinstance(rms, int | float) and rms >= HALF_A_LEVEL

    def trained_on(self) -> Degradation | None:
        """Return the degradation in training; None if the card states none, or one that this version does not know."""
        try:
            return None if self.degradation is None else degradation_from_dict(self.degradation)
        except UserError:
            return None

    def __getitem__(self, key: str) -> Any:
        return with_former_keys(self.to_dict()[FORMER_KEYS.get(key, key)])

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())


def as_results(stated: Sequence[CardResult | Mapping[str, Any]]) -> tuple[CardResult, ...]:
    """Return measurements as `CardResult`, from their JSON forms where needed."""
    return tuple(one if isinstance(one, CardResult) else CardResult.from_dict(one) for one in stated)


def _results(stated: Any) -> tuple[CardResult, ...] | None:
    """Return the results that a card states; None if they are not valid."""
    if not isinstance(stated, list | tuple):
        return None
    try:
        return as_results(stated)
    except (UserError, TypeError, ValueError):
        return None


def _stated(value: CardResult | ModelCard) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in dataclasses.fields(value):
        inner = getattr(value, one.name)
        if one.name == "results":
            inner = [result.to_dict() for result in inner] or None
        if one.name != "extra" and inner is not None:
            found[one.name] = copy.deepcopy(inner)
    return found | copy.deepcopy(dict(value.extra))


def _split(kind: type, stated: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of ``kind``'s fields, and all others: unknown keys and unexpected types."""
    expected = _TYPES[kind.__name__]
    known = {key: value for key, value in stated.items() if type(value) in expected.get(key, ())}
    return known, {key: value for key, value in stated.items() if key not in known}


def _json_types(kind: type) -> dict[str, tuple[type, ...]]:
    """Return the types of the JSON values that each field takes."""
    found: dict[str, tuple[type, ...]] = {}
    for name, hint in typing.get_type_hints(kind).items():
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        plain = tuple(option for option in options if option in (str, int, float, bool))
        if float in plain:
            plain += (int,)
        if any(typing.get_origin(option) is Mapping for option in options):
            plain += (dict,)
        if any(typing.get_origin(option) is Sequence for option in options):
            plain += (list,)
        if name not in ("results", "extra"):
            found[name] = plain
    return found


_TYPES = {"CardResult": _json_types(CardResult), "ModelCard": _json_types(ModelCard)}
_REQUIRED = ("protocol", "psnr", "ssim", "input_psnr", "images")
