"""A scene as SVG, for a page: sharp at any size, with a word on each thing that one points at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from meso_services.mind.plots.scene import PAPER, Dot, Path, Scene, Shape, Text

# What XML does not allow, however it is written.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def draw(scene: Scene) -> str:
    """One `<svg>` element."""
    size = f'viewBox="0 0 {scene.width} {scene.height}" width="{scene.width}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
        f'aria-label="{_safe(scene.title)}" font-family="system-ui, sans-serif">',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *(line for shape in scene.shapes for line in _shape(shape)),
        "</svg>",
    ]
    return "\n".join(lines)


def _shape(shape: Shape) -> Iterator[str]:
    match shape:
        case Path():
            points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
            look = (
                f'fill="{shape.colour}" stroke="none"'
                if shape.fill
                else f'fill="none" stroke="{shape.colour}" stroke-width="{_n(shape.width)}" '
                'stroke-linejoin="round" stroke-linecap="round"'
            )
            kind = "polygon" if shape.fill else "polyline"
            yield f'<{kind} points="{points}" {look}>{_title(shape.title)}</{kind}>'
        case Dot():
            (x, y), radius = shape.at, _n(shape.radius)
            yield (
                f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{radius}" fill="{shape.colour}">'
                f"{_title(shape.title)}</circle>"
            )
        case Text():
            x, y = shape.at
            yield (
                f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(shape.size)}" '
                f'fill="{shape.colour}" text-anchor="{shape.anchor}">{_safe(shape.words)}</text>'
            )


def _title(words: str) -> str:
    return f"<title>{_safe(words)}</title>" if words else ""


def _safe(words: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", words))


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
