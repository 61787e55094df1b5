"""The space that a search chooses from (`SearchSpace`) and its choice (`Architecture`)."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clearer.core.deprecation import warn_of_former
from clearer.core.errors import UserError, shown
from clearer.core.parse import parse_json
from clearer.network.candidates.registry import CANDIDATES
from clearer.network.genotype import FUSION as FUSION
from clearer.network.genotype import PARALLEL as PARALLEL
from clearer.network.genotype import PUBLISHED_CANDIDATES as PUBLISHED_CANDIDATES
from clearer.network.genotype import candidates_of, check_counts, scales_of_cells
from clearer.network.stored_form import checked, from_text, one_form, to_text
from clearer.network.topologies.registry import STREAMS, TOPOLOGIES

OPERATIONS = ("supplement", "released")
NORMS = ("batch", "none", "bias-free")
CONDITIONS = ("none", "level")
FORMER_DEPTH = 4
"""Modules in each cell of the published space."""


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Everything about the network except the choice of modules.

    Args:
        channels: channels of the images (1 gray, 3 color, or more).
        width: channels at scale 0, the full resolution; scale ``s`` has ``width * 2**s``. A sequence states the
            channels of each scale, finest first.
        scales: number of resolutions, 2 to 5, with ``scales - 1`` cells; of a U-net 1 to 5, with ``2 * scales - 1``.
        modules_per_cell: searched modules in each cell; a sequence states them cell by cell.
        operations: ``"supplement"`` (the paper's supplement, Fig. 1) or ``"released"`` (the authors' program).
        norm: ``"batch"`` (as published); ``"none"``: convolutions with biases, and the last convolution of each
            residual block starts at zero; or ``"bias-free"``: as ``"none"`` without any bias, so that the network
            maps ``a x`` to ``a`` times its result for ``x``, for every ``a >= 0`` (Mohan et al., ICLR 2020).
        residual: the network predicts what to add to its input instead of the image itself.
        unshuffle: 1, or the side of the pixel unshuffle before the first convolution (and of the shuffle after the
            last): scale 0 is that much coarser than the image, and the same width costs ``unshuffle**2`` times less.
        candidates: letters of the modules that a search chooses from, such as ``"PF"`` (as published) or ``"PFS"``;
            see `clearer.network.candidates`.
        condition: ``"level"``: the network also sees the noise level, as one more channel beside the unshuffled
            image (FFDNet; Zhang et al., TIP 2018); or ``"none"``.
        topology: how the scales are connected: ``"streams"`` (as published) or ``"unet"``; see
            `clearer.network.topologies`.

    Raises:
        UserError: a value is out of range.
    """

    channels: int = 1
    width: int | tuple[int, ...] = 32
    scales: int = 4
    modules_per_cell: int | tuple[int, ...] = FORMER_DEPTH
    operations: str = "supplement"
    norm: str = "batch"
    residual: bool = False
    unshuffle: int = 1
    candidates: str = PUBLISHED_CANDIDATES
    condition: str = "none"
    topology: str = STREAMS

    def __post_init__(self) -> None:
        self._check_scales()
        # Frozen: each field has one form, so that equal spaces compare equal.
        object.__setattr__(self, "width", one_form(self.width, [1, 2, 4, 8, 16]))
        object.__setattr__(self, "modules_per_cell", one_form(self.modules_per_cell, [1] * 9))
        for key, numbers in (("channels", (self.channels,)), ("width", self.widths), ("modules_per_cell", self.depths)):
            check_counts(key, numbers)
        for key, known in (("operations", OPERATIONS), ("norm", NORMS), ("condition", CONDITIONS)):
            if getattr(self, key) not in known:
                raise UserError(f"network.{key}: {shown(getattr(self, key))} is not one of {', '.join(known)}")
        if self.operations not in TOPOLOGIES.get(self.topology).operations:
            raise UserError(f"network.topology: {self.topology} has no {self.operations} operations; use supplement")
        if not 1 <= self.unshuffle <= 4:
            raise UserError(f"network.unshuffle: {self.unshuffle} is not in 1..4")
        letters = "".join(self.candidates)
        object.__setattr__(self, "candidates", letters)
        for letter in letters:
            CANDIDATES.check(letter)
        if not letters or len(set(letters)) < len(letters):
            raise UserError(f"network.candidates: {shown(letters)} is empty or repeats a letter; give some, such as PF")

    def _check_scales(self) -> None:
        least, most = TOPOLOGIES.get(self.topology).scales
        if not least <= self.scales <= most:
            raise UserError(f"network.scales: {self.scales} is not in {least}..{most}")
        for key, values, wanted in (
            ("width", self.width, self.scales),
            ("modules_per_cell", self.modules_per_cell, self.cells),
        ):
            if not isinstance(values, int) and len(values) != wanted:
                raise UserError(f"network.{key}: {list(values)} has {len(values)} numbers where {wanted} are needed")

    @property
    def cells(self) -> int:
        """Number of cells; see the topology."""
        return TOPOLOGIES.get(self.topology).cells(self.scales)

    @property
    def depths(self) -> tuple[int, ...]:
        """Number of searched modules in each cell."""
        depth = self.modules_per_cell
        return (depth,) * self.cells if isinstance(depth, int) else depth

    @property
    def modules(self) -> int:
        """Number of searched modules."""
        return sum(self.depths)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each scale, finest first."""
        width = self.width
        return tuple(width * 2**s for s in range(self.scales)) if isinstance(width, int) else width

    @property
    def multiple(self) -> int:
        """The network pads images to a multiple of this many pixels."""
        return int(self.unshuffle * 2 ** (self.scales - 1))

    @property
    def takes_level(self) -> bool:
        """Whether the network sees the noise level."""
        return self.condition == "level"

    def architecture(self, choices: str | Sequence[str]) -> Architecture:
        """Return the architecture of this space with these modules, one letter each, in order.

        Raises:
            UserError: there are too few or too many letters, or one is not a candidate of the space.

        >>> str(SearchSpace(scales=3, modules_per_cell=2).architecture("PFFF"))
        'PF-FF'
        """
        text = "".join(choices)
        if len(text) != self.modules:
            raise UserError(f"architecture: {shown(text)} has {len(text)} modules where the space has {self.modules}")
        ends = list(itertools.accumulate(self.depths, initial=0))
        return Architecture(space=self, cells=tuple(text[a:b] for a, b in itertools.pairwise(ends)))

    def holds(self, architecture: Architecture) -> bool:
        """Return whether the architecture is one that this space can choose."""
        same = dataclasses.replace(architecture.space, candidates=self.candidates)
        return same == self and set(architecture.choices) <= set(self.candidates)

    def all_architectures(self) -> Iterator[Architecture]:
        """Yield all ``len(candidates)**modules`` architectures; the first one consists of the first candidate alone."""
        for choices in itertools.product(self.candidates, repeat=self.modules):
            yield self.architecture(choices)

    def random_architecture(self, seed: int, fusions: int | None = None) -> Architecture:
        """Return a uniformly random architecture, or one of parallel modules and exactly ``fusions`` fusion modules."""
        rng = random.Random(seed)
        if fusions is None:
            return self.architecture([rng.choice(self.candidates) for _ in range(self.modules)])
        choices = list(FUSION * fusions + PARALLEL * (self.modules - fusions))
        rng.shuffle(choices)
        return self.architecture(choices)


@dataclass(frozen=True, init=False)
class Architecture:
    """A chosen network: its `SearchSpace`, and the candidate letter of each module.

    A frozen value: it parses, prints (its genotype), hashes, and converts to JSON and back.

    Args:
        cells: the letters, one string a cell.
        space: the space that they were chosen from.
        fields: fields of `SearchSpace`, instead of ``space``; scales, depths and candidates follow from the letters.

    Raises:
        UserError: the letters are not an architecture, or a field is out of range.

    >>> a = Architecture.parse("FPPF-FFFF-PFFP", channels=1, width=32)
    >>> str(a), a.scales, len(a.choices)
    ('FPPF-FFFF-PFFP', 4, 12)
    >>> Architecture.from_json(a.to_json()) == a
    True
    """

    space: SearchSpace
    cells: tuple[str, ...]

    def __init__(self, *, cells: Sequence[str], space: SearchSpace | None = None, **fields: Any) -> None:
        cells = tuple("".join(cell) for cell in cells)
        topology = fields.get("topology", STREAMS) if space is None else space.topology
        scales, depths = scales_of_cells(cells, topology), tuple(map(len, cells))
        if space is None:
            fields.setdefault("candidates", candidates_of(cells))
            space = SearchSpace(scales=scales, modules_per_cell=depths, **fields)
        elif fields:
            raise TypeError(f"Architecture: a space states {', '.join(fields)}; leave them out")
        if space.depths != depths or set("".join(cells)) - set(space.candidates):
            raise UserError(f"architecture: {'-'.join(cells)!r} is not of the space {space}")
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "cells", cells)

    @classmethod
    def parse(cls, text: str, **fields: Any) -> Architecture:
        """Read a genotype, such as ``FPPF-FFFF-PFFP``, or the `text` form.

        ``fields`` are those of `SearchSpace`; the text form's own come before them.

        Raises:
            UserError: the text is not an architecture.
        """
        genotype, own = from_text(text)
        return cls(cells=tuple(genotype.upper().split("-")), **(fields | own))

    def __str__(self) -> str:
        return "-".join(self.cells)

    @property
    def genotype(self) -> str:
        """The text form: letters, with a dash between cells."""
        return str(self)

    @property
    def text(self) -> str:
        """One line that states everything: the genotype and, behind an @, the other fields; `parse` reads it."""
        return to_text(self.to_dict())

    @property
    def choices(self) -> str:
        """The letters of all modules in order, without dashes."""
        return "".join(self.cells)

    @property
    def letters(self) -> str:
        """`choices`, as version 0.1 called them."""
        warn_of_former("Architecture.letters")
        return self.choices

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.space.channels

    @property
    def width(self) -> int | tuple[int, ...]:
        """See `SearchSpace`."""
        return self.space.width

    @property
    def operations(self) -> str:
        """See `SearchSpace`."""
        return self.space.operations

    @property
    def norm(self) -> str:
        """See `SearchSpace`."""
        return self.space.norm

    @property
    def residual(self) -> bool:
        """See `SearchSpace`."""
        return self.space.residual

    @property
    def unshuffle(self) -> int:
        """See `SearchSpace`."""
        return self.space.unshuffle

    @property
    def condition(self) -> str:
        """See `SearchSpace`."""
        return self.space.condition

    @property
    def takes_level(self) -> bool:
        """Whether the network sees the noise level."""
        return self.space.takes_level

    @property
    def scales(self) -> int:
        """Number of resolutions."""
        return self.space.scales

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each scale, finest first."""
        return self.space.widths

    @property
    def multiple(self) -> int:
        """The network pads images to a multiple of this many pixels."""
        return self.space.multiple

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form as a dict, the genotype under ``architecture``.

        ``unshuffle`` is left out where it is 1, ``condition`` where it is none, ``topology`` where it is streams,
        ``candidates`` where they are those of the letters: networks older than these fields keep JSON and digest.
        """
        space = self.space
        value: dict[str, Any] = {"architecture": str(self), "channels": space.channels}
        value["width"] = space.width if isinstance(space.width, int) else list(space.width)
        value |= {"operations": space.operations, "norm": space.norm, "residual": space.residual}
        if space.unshuffle != 1:
            value["unshuffle"] = space.unshuffle
        if space.candidates != candidates_of(self.cells):
            value["candidates"] = space.candidates
        if space.condition != "none":
            value["condition"] = space.condition
        if space.topology != STREAMS:
            value["topology"] = space.topology
        return value

    def to_json(self) -> str:
        """Return the JSON form, keys in a fixed order."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, value: Any) -> Architecture:
        """Rebuild from `to_dict`.

        Raises:
            UserError: keys are missing, unknown or of the wrong type.
        """
        fields = checked(value)
        return cls.parse(fields.pop("architecture"), **fields)

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Rebuild from `to_json`.

        Raises:
            UserError: the text is not an architecture's JSON form.
        """
        try:
            value = parse_json(text)
        except ValueError as error:
            raise UserError(f"architecture: not JSON ({error})") from error
        return cls.from_dict(value)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name this value, the same on every machine."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]
