"""What a search chooses from (`SearchSpace`) and what it has chosen (`Architecture`)."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clearer.core.errors import UserError

PARALLEL, FUSION = "P", "F"
OPERATIONS = ("supplement", "released")
NORMS = ("batch", "none", "bias-free")


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Everything about the network but the choice of modules.

    Args:
        channels: channels of the images (1 gray, 3 color, or more).
        width: channels at scale 0, the full resolution; scale ``s`` has ``width * 2**s``.
        scales: number of resolutions, 2 to 5; there are ``scales - 1`` cells.
        modules_per_cell: searched modules in each cell.
        operations: ``"supplement"`` (the paper's supplement, Fig. 1) or ``"released"`` (the form of
            the authors' program).
        norm: ``"batch"`` (as published), or ``"none"``: convolutions with biases, and the last
            convolution of each residual block starting at zero; or ``"bias-free"``: as ``"none"`` but
            without a single bias, so that the network maps ``a x`` to ``a`` times what it makes of
            ``x`` for every ``a >= 0`` (Mohan et al., ICLR 2020).
        residual: the network predicts what to add to its input instead of the image itself.
        unshuffle: 1, or the side of the squares of pixels that become channels before the first convolution
            and pixels again after the last (pixel unshuffle and shuffle): scale 0 is then that much
            coarser than the image, and the same width costs ``unshuffle**2`` times less.

    Raises:
        UserError: a value is out of range.
    """

    channels: int = 1
    width: int = 32
    scales: int = 4
    modules_per_cell: int = 4
    operations: str = "supplement"
    norm: str = "batch"
    residual: bool = False
    unshuffle: int = 1

    def __post_init__(self) -> None:
        _check_common(self.channels, self.width, self.operations, self.norm, self.unshuffle)
        if not 2 <= self.scales <= 5:
            raise UserError(f"network.scales: {self.scales} is not in 2..5")
        if self.modules_per_cell < 1:
            raise UserError(f"network.modules_per_cell: {self.modules_per_cell} is less than 1")

    @property
    def cells(self) -> int:
        """Number of cells; each begins with a transition to one more scale."""
        return self.scales - 1

    @property
    def modules(self) -> int:
        """Number of searched modules."""
        return self.cells * self.modules_per_cell

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each scale, finest first."""
        return tuple(self.width * 2**s for s in range(self.scales))

    @property
    def multiple(self) -> int:
        """Images are padded inside the network to a multiple of this many pixels."""
        return int(self.unshuffle * 2 ** (self.scales - 1))

    def architecture(self, letters: str | Sequence[str]) -> Architecture:
        """Return the architecture of this space with these module letters, in order.

        >>> str(SearchSpace(scales=3, modules_per_cell=2).architecture("PFFF"))
        'PF-FF'
        """
        text = "".join(letters)
        if len(text) != self.modules:
            raise UserError(f"architecture: {text!r} has {len(text)} modules where the space has {self.modules}")
        n = self.modules_per_cell
        return Architecture(
            cells=tuple(text[i * n : (i + 1) * n] for i in range(self.cells)),
            channels=self.channels,
            width=self.width,
            operations=self.operations,
            norm=self.norm,
            residual=self.residual,
            unshuffle=self.unshuffle,
        )

    def all_architectures(self) -> Iterator[Architecture]:
        """Yield all ``2**modules`` architectures, all-parallel first."""
        for letters in itertools.product(PARALLEL + FUSION, repeat=self.modules):
            yield self.architecture(letters)

    def random_architecture(self, seed: int, fusions: int | None = None) -> Architecture:
        """Return a uniformly random architecture, or one with exactly ``fusions`` fusion modules."""
        chance = random.Random(seed)
        if fusions is None:
            return self.architecture([chance.choice(PARALLEL + FUSION) for _ in range(self.modules)])
        letters = list(FUSION * fusions + PARALLEL * (self.modules - fusions))
        chance.shuffle(letters)
        return self.architecture(letters)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A chosen network: one letter a module (P parallel, F fusion), one string a cell.

    It is a frozen value: it parses, prints, hashes, and goes to JSON and back. The number of scales
    is the number of cells plus one. See `SearchSpace` for the other fields.

    >>> a = Architecture.parse("FPPF-FFFF-PFFP", channels=1, width=32)
    >>> str(a), a.scales, len(a.letters)
    ('FPPF-FFFF-PFFP', 4, 12)
    >>> Architecture.from_json(a.to_json()) == a
    True
    """

    cells: tuple[str, ...]
    channels: int = 1
    width: int = 32
    operations: str = "supplement"
    norm: str = "batch"
    residual: bool = False
    unshuffle: int = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.cells) <= 4:
            raise UserError(
                f"architecture: {str(self)!r} has {len(self.cells)} cells; 1 to 4 (2 to 5 scales) are possible"
            )
        for cell in self.cells:
            if not cell or set(cell) - {PARALLEL, FUSION}:
                raise UserError(
                    f"architecture: {str(self)!r} is not of the form FPPF-FFFF-PFFP "
                    "(P parallel, F fusion, a dash between cells)"
                )
        _check_common(self.channels, self.width, self.operations, self.norm, self.unshuffle)

    @classmethod
    def parse(cls, text: str, **fields: Any) -> Architecture:
        """Read the text form, such as ``FPPF-FFFF-PFFP``; ``fields`` as of `Architecture`.

        Raises:
            UserError: the text is not an architecture.
        """
        return cls(cells=tuple(text.strip().upper().split("-")), **fields)

    def __str__(self) -> str:
        return "-".join(self.cells)

    @property
    def scales(self) -> int:
        """Number of resolutions."""
        return len(self.cells) + 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each scale, finest first."""
        return tuple(self.width * 2**s for s in range(self.scales))

    @property
    def letters(self) -> str:
        """All module letters in order, without dashes."""
        return "".join(self.cells)

    @property
    def multiple(self) -> int:
        """Images are padded inside the network to a multiple of this many pixels."""
        return int(self.unshuffle * 2 ** (self.scales - 1))

    @property
    def space(self) -> SearchSpace:
        """The search space this architecture belongs to.

        Raises:
            UserError: its cells differ in length, so that no space holds it.
        """
        if len({len(cell) for cell in self.cells}) != 1:
            raise UserError(f"architecture: {self} has cells of different lengths, which no search space holds")
        return SearchSpace(
            channels=self.channels,
            width=self.width,
            scales=self.scales,
            modules_per_cell=len(self.cells[0]),
            operations=self.operations,
            norm=self.norm,
            residual=self.residual,
            unshuffle=self.unshuffle,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form as a dict, the text form under ``architecture``.

        ``unshuffle`` is in it only where it is not 1, so that the forms and digests of networks that are
        older than it stay as they were.
        """
        fields = dataclasses.asdict(self)
        del fields["cells"]
        if self.unshuffle == 1:
            del fields["unshuffle"]
        return {"architecture": str(self), **fields}

    def to_json(self) -> str:
        """Return the JSON form, keys in a fixed order."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, value: Any) -> Architecture:
        """Rebuild from `to_dict`; ``unshuffle`` is 1 where it is missing.

        Raises:
            UserError: keys are missing, unknown or of the wrong type.
        """
        types = {"architecture": str, "channels": int, "width": int, "operations": str, "norm": str, "residual": bool}
        types["unshuffle"] = int
        if isinstance(value, dict):
            value = {"unshuffle": 1, **value}
        if not isinstance(value, dict) or set(value) != set(types):
            raise UserError(f"architecture: not an architecture's JSON form (needs {', '.join(types)})")
        for key, kind in types.items():
            if type(value[key]) is not kind:
                raise UserError(f"architecture: {key} is {value[key]!r}, not of type {kind.__name__}")
        fields = dict(value)
        return cls.parse(fields.pop("architecture"), **fields)

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Rebuild from `to_json`.

        Raises:
            UserError: the text is not an architecture's JSON form.
        """
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UserError(f"architecture: not JSON ({error})") from error
        return cls.from_dict(value)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name this value, the same on every machine."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


def _check_common(channels: int, width: int, operations: str, norm: str, unshuffle: int) -> None:
    for key, value in (("channels", channels), ("width", width)):
        if value < 1:
            raise UserError(f"network.{key}: {value} is less than 1")
    for key, text, known in (("operations", operations, OPERATIONS), ("norm", norm, NORMS)):
        if text not in known:
            raise UserError(f"network.{key}: {text!r} is not one of {', '.join(known)}")
    if not 1 <= unshuffle <= 4:
        raise UserError(f"network.unshuffle: {unshuffle} is not in 1..4")
