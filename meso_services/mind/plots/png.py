"""A scene as PNG, drawn here: lines and circles with soft edges, and letters of strokes."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meso_services.mind.plots import letters
from meso_services.mind.plots.scene import PAPER, Dot, Path, Point, Scene, Text

SCALE = 2
Pixels = NDArray[np.float32]


def draw(scene: Scene) -> bytes:
    """The file, of twice the scene's size, so that it is sharp on dense screens."""
    canvas = _Canvas(scene.width * SCALE, scene.height * SCALE)
    for shape in scene.shapes:
        match shape:
            case Path(fill=True):
                canvas.polygon([_scaled(p) for p in shape.points], shape.colour)
            case Path():
                points = [_scaled(p) for p in shape.points]
                canvas.line(points, shape.width * SCALE / 2, shape.colour)
            case Dot():
                canvas.dot(_scaled(shape.at), shape.radius * SCALE, shape.colour)
            case Text():
                canvas.words(shape)
    return encode(canvas.pixels)


def encode(pixels: Pixels) -> bytes:
    """PNG of 8 bits of red, green and blue from (height, width, 3) of 0 to 255."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = pixels.round().astype(np.uint8).reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _scaled(point: Point) -> Point:
    return point[0] * SCALE, point[1] * SCALE


class _Canvas:
    def __init__(self, width: int, height: int) -> None:
        self.pixels: Pixels = np.empty((height, width, 3), np.float32)
        self.pixels[:] = _rgb(PAPER)

    def line(self, points: Sequence[Point], half: float, colour: str) -> None:
        for one, other in itertools.pairwise(points):
            box = self._box([one, other], half + 1)
            if box is None:
                continue
            y, x = np.mgrid[box].astype(np.float32)
            dx, dy = other[0] - one[0], other[1] - one[1]
            along = ((x - one[0]) * dx + (y - one[1]) * dy) / max(dx * dx + dy * dy, 1e-9)
            along = np.clip(along, 0, 1)
            far = np.hypot(x - one[0] - along * dx, y - one[1] - along * dy)
            self._blend(box, np.clip(half + 0.5 - far, 0, 1), colour)

    def dot(self, at: Point, radius: float, colour: str) -> None:
        box = self._box([at], radius + 1)
        if box is not None:
            y, x = np.mgrid[box].astype(np.float32)
            far = np.hypot(x - at[0], y - at[1])
            self._blend(box, np.clip(radius + 0.5 - far, 0, 1), colour)

    def polygon(self, points: Sequence[Point], colour: str) -> None:
        """Column by column of pixels, by the even-odd rule; edges are soft upwards and down."""
        box = self._box(points, 0)
        if box is None:
            return
        rows, columns = box
        closed = [*points, points[0]]
        edges = np.array(list(itertools.pairwise(closed)), np.float64)
        # From the left to the right; upright edges cross no column.
        left = np.where((edges[:, 0, 0] <= edges[:, 1, 0])[:, None, None], edges, edges[:, ::-1])
        y = np.arange(rows.start, rows.stop, dtype=np.float64)
        for column in range(columns.start, columns.stop):
            middle = column + 0.5
            met = left[(left[:, 0, 0] <= middle) & (left[:, 1, 0] > middle)]
            slope = (met[:, 1, 1] - met[:, 0, 1]) / np.maximum(met[:, 1, 0] - met[:, 0, 0], 1e-9)
            cuts = np.sort(met[:, 0, 1] + slope * (middle - met[:, 0, 0]))
            cover = np.zeros(len(y))
            for top, bottom in zip(cuts[::2], cuts[1::2], strict=False):
                cover += np.clip(np.minimum(y + 1, bottom) - np.maximum(y, top), 0, 1)
            here = (rows, slice(column, column + 1))
            self._blend(here, np.minimum(cover, 1)[:, None].astype(np.float32), colour)

    def words(self, text: Text) -> None:
        size = text.size * SCALE
        wide = letters.width(text.words, size)
        shift = {"start": 0.0, "middle": wide / 2, "end": wide}[text.anchor]
        x, y = _scaled(text.at)
        for stroke in letters.strokes(text.words, size):
            self.line([(x - shift + dx, y + dy) for dx, dy in stroke], size / 20, text.colour)

    def _box(self, points: Sequence[Point], more: float) -> tuple[slice, slice] | None:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        height, width, _ = self.pixels.shape
        rows = slice(max(0, int(min(ys) - more)), min(height, int(max(ys) + more) + 2))
        columns = slice(max(0, int(min(xs) - more)), min(width, int(max(xs) + more) + 2))
        empty = rows.start >= rows.stop or columns.start >= columns.stop
        return None if empty else (rows, columns)

    def _blend(self, box: tuple[slice, slice], cover: Pixels, colour: str) -> None:
        part = self.pixels[box]
        part += cover[..., None] * (_rgb(colour) - part)


def _rgb(colour: str) -> Pixels:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
