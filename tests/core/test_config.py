"""Settings built from plain values, as far as the recipe's tests do not cover them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import pytest

from clearer.core.config import ChosenBy, Named, build, later, plain
from clearer.core.errors import UserError
from clearer.core.registry import Registry


class Shape:
    kind: ClassVar[str]


@dataclass(frozen=True)
class Circle(Shape):
    radius: float = 1.0
    kind: ClassVar[str] = "circle"

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise UserError(f"radius: {self.radius:g} is less than 0")


@dataclass(frozen=True)
class Square(Shape):
    side: float | tuple[float, float] = 1.0
    kind: ClassVar[str] = "square"


SHAPES: Registry[type[Shape]] = Registry("shape", {"circle": f"{__name__}:Circle", "square": f"{__name__}:Square"})


@dataclass(frozen=True)
class Drawing:
    shape: Annotated[Shape, ChosenBy("kind", SHAPES, default="circle")] = field(default_factory=Circle)
    background: Annotated[str, Named(SHAPES)] = "square"


@pytest.mark.parametrize(
    ("value", "drawing"),
    [
        ({}, Drawing()),
        ({"shape": {}}, Drawing(Circle())),
        ({"shape": {"radius": 2}}, Drawing(Circle(2.0))),
        ({"shape": {"kind": "square", "side": [1, "2e0"]}}, Drawing(Square((1.0, 2.0)))),
        ({"shape": {"kind": "square", "side": 3}, "background": "circle"}, Drawing(Square(3.0), "circle")),
    ],
)
def test_a_key_chooses_the_class_and_what_is_built_can_be_written_and_built_again(
    value: dict[str, Any], drawing: Drawing
) -> None:
    assert build(Drawing, value) == drawing
    assert build(Drawing, plain(drawing)) == drawing
    assert plain(drawing)["shape"]["kind"] == drawing.shape.kind


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"shape": "circle"}, "shape: 'circle' is not a mapping"),
        ({"shape": {"kind": "cricle"}}, "shape.kind: 'cricle' is not one of circle, square (did you mean 'circle'?)"),
        ({"shape": {"kind": None}}, "shape.kind: None is not one of circle, square"),
        ({"shape": {"side": 1}}, "shape.side: no such setting; it belongs to shape.kind=square; settings of kind"),
        ({"shape": {"radios": 1}}, "shape.radios: no such setting (did you mean 'radius'?); settings of kind circle"),
        ({"shape": {"radius": -2}}, "shape.radius: -2 is less than 0"),
        ({"shape": {"kind": "square", "side": [1]}}, "shape.side: [1] is not a list of 2 values"),
        ({"shape": {"kind": "square", "side": [1, "x"]}}, "shape.side[1]: 'x' is not a number"),
        ({"background": "sqare"}, "background: 'sqare' is not one of circle, square (did you mean 'square'?)"),
        ({"background": 5}, "background: 5 is not of type str; put it in quotes"),
    ],
)
def test_wrong_values_name_the_key_and_the_nearest(value: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match="^" + re.escape(message)) as caught:
        build(Drawing, value)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Collage:
    shapes: tuple[Annotated[Shape, ChosenBy("kind", SHAPES, default="circle")], ...] = ()
    title: str = later("none")


@pytest.mark.parametrize("shapes", [(), (Circle(2.0),), (Square((1.0, 2.0)), Circle(), Square())])
def test_a_list_of_chosen_classes_goes_round(shapes: tuple[Shape, ...]) -> None:
    stated = plain(Collage(shapes))
    assert [shape["kind"] for shape in stated["shapes"]] == [shape.kind for shape in shapes]
    assert build(Collage, stated) == Collage(shapes)
    with pytest.raises(UserError, match=r"^shapes\[1\]\.side: no such setting; it belongs to shapes\[1\]\.kind=square"):
        build(Collage, {"shapes": [{"kind": "square"}, {"side": 1}]})


def test_a_later_setting_is_stored_where_it_is_not_the_default() -> None:
    assert plain(Collage()) == {"shapes": []}
    assert plain(Collage(title="new")) == {"shapes": [], "title": "new"}
