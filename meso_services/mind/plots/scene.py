"""What a picture is made of: a few shapes at places in pixels, y downwards, later ones on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
# Colours that people with colour blindness tell apart as well (after Okabe and Ito), then mixtures.
COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"),
    *("#8a6d00", "#5b4a9c", "#6b8e23", "#a0522d", "#2f8f8f", "#b05a86"),
)
INK, PALE, GRID, PAPER = "#222222", "#9a9a9a", "#e4e4e4", "#ffffff"


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points; `fill` closes and fills it instead. `title` is told on a page."""

    points: Sequence[Point]
    colour: str
    width: float = 1.6
    fill: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle."""

    at: Point
    radius: float
    colour: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Words on one line; `at` is on their base line."""

    at: Point
    words: str
    size: float = 12
    colour: str = INK
    anchor: Literal["start", "middle", "end"] = "start"


Shape = Path | Dot | Text


@dataclass(slots=True)
class Scene:
    """A picture of `width` by `height` pixels."""

    name: str
    title: str
    width: int = 960
    height: int = 480
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Put shapes on top."""
        self.shapes += shapes


def colour(number: int) -> str:
    """The colour of a cluster; there are twelve, and they come again."""
    return COLOURS[number % len(COLOURS)]
