"""Pictures: files that others can read, with what they should show."""

from __future__ import annotations

import string
import struct
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import numpy as np
import pytest

from meso_services.mind.analysis import record
from meso_services.mind.plots import letters, page, png, svg
from meso_services.mind.plots.charts import CHARTS
from meso_services.mind.plots.frame import ticks
from meso_services.mind.plots.scene import Dot, Scene, Text, colour
from meso_services.mind.plots.scene import Path as Line

from .crafted import begun, grow, towards

SVG = "{http://www.w3.org/2000/svg}"


def decoded(data: bytes) -> np.ndarray:
    """The pixels, by the format's own rules; every checksum is verified."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + body)
        parts[kind] = body
        at += 12 + length
    width, height, depth, colours = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert (depth, colours) == (8, 2)
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def rgb(shade: str) -> list[int]:
    return [int(shade[i : i + 2], 16) for i in (1, 3, 5)]


def test_shapes_are_where_they_should_be() -> None:
    scene = Scene("x", "x", 100, 60)
    square = [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)]
    scene.add(Line(square, "#ff0000", fill=True), Dot((60, 20), 5, "#00ff00"))
    scene.add(Line([(0, 50), (99, 50)], "#0000ff", 4), Dot((500, 500), 5, "#123456"))
    pixels = decoded(png.draw(scene))
    assert pixels.shape == (120, 200, 3)
    assert pixels[40, 40].tolist() == [255, 0, 0]
    assert pixels[40, 120].tolist() == [0, 255, 0]
    assert pixels[100, 100].tolist() == [0, 0, 255]
    assert pixels[5, 5].tolist() == [255, 255, 255]
    red = (pixels == [255, 0, 0]).all(axis=2).sum()
    assert red == pytest.approx(40 * 40, abs=90)


def test_every_letter_has_its_own_shape_on_the_grid() -> None:
    shapes = {}
    for character in string.digits + string.ascii_uppercase + ".,:;-+_/()[]=%'\"!?*#<>&|~":
        strokes = list(letters.strokes(character, 80))
        assert strokes, character
        points = [point for stroke in strokes for point in stroke]
        assert all(0 <= x <= 40.01 and -60.01 <= y <= 0 for x, y in points)
        shapes[character] = str(strokes)
    assert len(set(shapes.values())) == len(shapes)
    assert list(letters.strokes("É", 80)) == list(letters.strokes("E", 80))
    assert letters.width("mm", 20) < letters.width("MM", 20)


@pytest.mark.parametrize("name", CHARTS)
def test_a_session_without_thoughts_has_pictures_that_say_so(tmp_path: Path, name: str) -> None:
    held = record.load(begun(tmp_path / "m").directory)
    (scene,) = page.scenes(held, [name])
    assert any("yet" in shape.words for shape in scene.shapes if isinstance(shape, Text))
    assert (decoded(png.draw(scene)) < 100).any()


def test_pictures_show_the_clusters(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mind = begun(tmp_path / "m<i>")
    for number in range(30):
        grow(mind, [towards(number // 10 * 3, rng) for _ in range(2)])
    held = record.load(mind.directory)
    held.thoughts[-1]["text"] = "<script>alert(1)</script> ]]> \x00\ud800 & \u202e"
    scenes = {scene.name: scene for scene in page.scenes(held)}
    assert list(scenes) == ["clusters", "drift", "diversity", "map"]
    pixels = decoded(png.draw(scenes["clusters"])).reshape(-1, 3)
    for number in range(held.clusters):
        assert (pixels == rgb(colour(number))).all(axis=1).sum() > 500
    dots = [s for s in scenes["map"].shapes if isinstance(s, Dot)]
    assert len(dots) == len(held.vectors[held.pool(30)])
    for scene in scenes.values():
        root = ET.fromstring(svg.draw(scene))  # noqa: S314 (our own text)
        assert root.tag == f"{SVG}svg"
    text = page.draw(held, scenes.values())
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "m&lt;i&gt;" in text
    assert "http-equiv" in text
    text.encode()


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 40), (-0.3, 0.7), (0, 1e5), (0, 1e-4), (3, 3)]
)
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
