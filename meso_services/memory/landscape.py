"""The landscape of memories: what lies near means something alike. PCA at once, t-SNE in seconds.

PCA keeps large distances and shows the same picture for ever; t-SNE pulls groups apart and shows
what is near to what, while distances between groups mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from meso_services.memory.engine import Engine, Floats
from meso_services.memory.themes import NOISE, Themes
from meso_services.mind.analysis import measures
from meso_services.mind.clustering import Doubles
from meso_services.mind.plots import png, svg
from meso_services.mind.plots.scene import INK, PALE, Dot, Scene, Text, colour

Method = Literal["tsne", "pca"]
# t-SNE takes about five milliseconds a memory: more are thinned out evenly.
MOST: dict[Method, int] = {"tsne": 2000, "pca": 5000}
LEGEND, LABELS = 12, 10
_LEFT, _RIGHT, _TOP, _BOTTOM = 32, 300, 56, 40
_NEIGHBOURS = 30
_NAME, _TITLE = 32, 240
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; color: #222 }
svg { max-width: 100%; height: auto; border: 1px solid #e4e4e4; margin: 0 0 1.5rem }
table { border-collapse: collapse; width: 100%; font-size: 13px }
td, th { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #e4e4e4 }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
"""


@dataclass(frozen=True, slots=True)
class Landscape:
    """Where memories lie: `places` (memories, 2) for `ids`, `labels` their themes' numbers,
    `titles` a line of each. `left_out` could not be shown.
    """

    method: Method
    ids: tuple[str, ...]
    places: Doubles
    labels: tuple[int, ...]
    titles: tuple[str, ...]
    names: dict[int, str]
    left_out: int


def survey(engine: Engine, themes: Themes, method: Method = "tsne") -> Landscape:
    """Places for the memories of themes and of none, evenly thinned where they are too many."""
    labels = themes.of()
    names = sorted(labels)
    chosen = names
    if len(names) > MOST[method]:
        at = np.linspace(0, len(names) - 1, MOST[method]).round().astype(int)
        chosen = [names[n] for n in at.tolist()]
    held = dict(engine.vectors(chosen))
    chosen = [name for name in chosen if name in held]
    titles = {one.id: one.title or one.text for one in engine.get(chosen)}
    vectors = (
        np.stack([held[name] for name in chosen])
        if chosen
        else np.zeros((0, engine.dimension), np.float32)
    )
    return Landscape(
        method,
        tuple(chosen),
        places(vectors, method),
        tuple(labels[name] for name in chosen),
        tuple(_line(titles.get(name, ""), _TITLE) for name in chosen),
        {theme.number: theme.name for theme in themes.themes},
        len(names) - len(chosen),
    )


def places(vectors: Floats, method: Method) -> Doubles:
    """Two coordinates for each unit vector; the same vectors get the same ones."""
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2))
    mean, axes = measures.axes(vectors)
    flat: Doubles = (vectors - mean) @ axes
    if method == "pca" or len(vectors) < 5:
        return flat
    # Half of a second, and who draws no such map does without.
    from sklearn.manifold import TSNE  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # As the library itself begins with PCA: the first axis small, so that nothing is torn.
    spread = float(flat[:, 0].std()) or 1.0
    near = min(_NEIGHBOURS, max(2, (len(vectors) - 1) // 3))
    made = TSNE(2, perplexity=near, init=flat / spread * 1e-4, random_state=0)
    # Its threads wait by spinning: on a busy computer two are slower than one by far.
    with threadpool_limits(1, user_api="openmp"):
        found: Doubles = made.fit_transform(vectors.astype(np.float64)).astype(np.float64)
    return found


def scene(landscape: Landscape) -> Scene:
    """The picture; with the largest themes named."""
    said = "t-SNE" if landscape.method == "tsne" else "PCA"
    made = Scene("map", f"The landscape of {len(landscape.ids)} memories ({said})", 1120, 760)
    made.add(Text((_LEFT, 30), made.title, 16))
    if not landscape.ids:
        made.add(Text((_LEFT, made.height / 2), "no memories with a vector yet", 13))
        return made
    at = _on_paper(landscape.places, made)
    order = _by_size(landscape.labels)
    shades = {number: colour(rank) for rank, number in enumerate(order[:LEGEND])}
    for row in sorted(range(len(at)), key=lambda row: landscape.labels[row] in shades):
        number = landscape.labels[row]
        name = landscape.names.get(number, "no theme")
        radius = 4.5 if number in shades else 3
        title = f"{name}: {landscape.titles[row]}"
        made.add(Dot((at[row, 0], at[row, 1]), radius, shades.get(number, PALE), title))
    labels = np.array(landscape.labels)
    _label(made, landscape, at, labels, order[:LABELS])
    entries = [(shades[n], landscape.names.get(n, "")) for n in order[:LEGEND]]
    others = len(set(landscape.labels) - set(order[:LEGEND]) - {NOISE})
    entries.append((PALE, f"{others} smaller themes, and none" if others else "no theme"))
    for rank, (shade, words) in enumerate(entries):
        x, y = made.width - _RIGHT + 24, _TOP + 12 + 24 * rank
        made.add(Dot((x, y), 5, shade), Text((x + 14, y + 4), _line(words, _NAME), 12))
    if landscape.left_out:
        said = f"{landscape.left_out} more are not shown"
        made.add(Text((_LEFT, made.height - 12), said, 11, PALE))
    return made


def _label(
    made: Scene, landscape: Landscape, at: Doubles, labels: NDArray[np.int64], order: Sequence[int]
) -> None:
    """Names at the middles of themes, unless one stands there already."""
    taken: list[tuple[float, float]] = []
    for number in order:
        middle = np.median(at[labels == number], axis=0)
        x, y = float(middle[0]), float(middle[1]) - 12
        if any(abs(x - a) < 150 and abs(y - b) < 16 for a, b in taken):
            continue
        taken.append((x, y))
        made.add(Text((x, y), _line(landscape.names.get(number, ""), _NAME), 12, INK, "middle"))


def draw_png(landscape: Landscape) -> bytes:
    """The picture as a PNG file."""
    return png.draw(scene(landscape))


def draw_html(landscape: Landscape, themes: Themes) -> str:
    """A page with the picture and the themes, which reaches nowhere."""
    rows = "".join(
        f"<tr><td>{escape(theme.name)}</td><td>{len(theme.members)}</td>"
        f"<td>{theme.coherence:.2f}</td><td>{escape(theme.members[0])}</td></tr>"
        for theme in themes.themes
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Memory</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>{_STYLE}</style></head><body>
<h1>The landscape of memories</h1>
{svg.draw(scene(landscape))}
<h2>Themes</h2>
<table><tr><th>theme</th><th>memories</th><th>coherence</th><th>most typical</th></tr>{rows}</table>
</body></html>
"""


def _on_paper(given: Doubles, made: Scene) -> Doubles:
    """Pixels; both axes have the same scale, since they have the same unit."""
    low, high = given.min(axis=0), given.max(axis=0)
    room = np.array([made.width - _LEFT - _RIGHT, made.height - _TOP - _BOTTOM], np.float64)
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    middle = np.array([_LEFT, _TOP]) + room / 2
    found: Doubles = middle + (given - (low + high) / 2) * scale * np.array([1, -1]) * 0.96
    return found


def _by_size(labels: Sequence[int]) -> list[int]:
    there, sizes = np.unique(np.array(labels), return_counts=True)
    pairs = [(-s, n) for n, s in zip(there.tolist(), sizes.tolist(), strict=True) if n != NOISE]
    return [number for _, number in sorted(pairs)]


def _line(text: str, most: int) -> str:
    said = " ".join(text.split())
    return said if len(said) <= most else said[: most - 1] + "…"
