"""Axes: a plane of values on a scene, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from meso_services.mind.plots.scene import GRID, INK, PALE, Path, Point, Scene, Text

LEFT, RIGHT, TOP, BOTTOM = 64, 200, 48, 44


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values lie: x and y from low to high."""

    scene: Scene
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> Point:
        """The pixel of a value."""
        wide = self.scene.width - LEFT - RIGHT
        high = self.scene.height - TOP - BOTTOM
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return LEFT + across * wide, TOP + (1 - up) * high

    def draw(self, across: str = "iteration") -> None:
        """Title, grid, ticks."""
        self.scene.add(Text((LEFT, 26), self.scene.title, 16))
        for value in ticks(*self.y):
            line = (self.place(self.x[0], value), self.place(self.x[1], value))
            self.scene.add(Path(line, GRID, 1))
            at = (LEFT - 8, line[0][1] + 4)
            self.scene.add(Text(at, _shown(value), 11, PALE, "end"))
        base = self.scene.height - BOTTOM
        for value in ticks(*self.x):
            x, _ = self.place(value, self.y[0])
            self.scene.add(Path(((x, base), (x, base + 4)), PALE, 1))
            self.scene.add(Text((x, base + 18), _shown(value), 11, PALE, "middle"))
        self.scene.add(
            Path((self.place(self.x[0], self.y[0]), self.place(self.x[1], self.y[0])), PALE, 1)
        )
        middle = LEFT + (self.scene.width - LEFT - RIGHT) / 2
        self.scene.add(Text((middle, self.scene.height - 8), across, 11, PALE, "middle"))

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """Colours and what they stand for, at the right."""
        for number, (colour, words) in enumerate(entries):
            x, y = self.scene.width - RIGHT + 18, TOP + 8 + 20 * number
            self.scene.add(Path(((x, y), (x + 14, y)), colour, 6), Text((x + 22, y + 4), words, 11))

    def nothing(self, why: str) -> None:
        """Say that there is nothing to draw."""
        self.scene.add(Text((LEFT, 26), self.scene.title, 16))
        self.scene.add(Text((LEFT, self.scene.height / 2), why, 13, INK))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first
    return [(first + n) * step for n in range(max(0, count) + 1)]


def _shown(value: float) -> str:
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"
