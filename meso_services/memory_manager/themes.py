"""Themes and the map, from a copy of the engine's vectors: nobody waits for their calculation."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, cast

from fastapi import FastAPI, Query

from meso_services.contract import memory as wire
from meso_services.memory import landscape, themes
from meso_services.memory.engine import Document, Engine, Floats
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.store import MemoryStore
from meso_services.runtime.errors import MesoError

# 1,536 bytes of vector each: a service has 512 MB.
MOST = 20_000


class Copy:
    """What themes and map read of an engine."""

    def __init__(self, engine: Engine, names: Sequence[str]) -> None:
        self.dimension = engine.dimension
        self._vectors = dict(engine.vectors(names))
        self._documents = {one.id: one for one in engine.get(list(self._vectors))}

    def vectors(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, Floats]]:
        """As of an engine."""
        for name in sorted(self._vectors if ids is None else set(ids) & self._vectors.keys()):
            yield name, self._vectors[name]

    def get(self, ids: Sequence[str]) -> list[Document]:
        """As of an engine."""
        return [self._documents[name] for name in ids if name in self._documents]


def add_themes(app: FastAPI, store: MemoryStore) -> None:
    """Give `app` the routes `/v1/themes` and `/v1/map`."""
    one_at_a_time = threading.Lock()

    def found() -> tuple[Engine, themes.Themes, int]:
        copy, left_out = store.in_lock(lambda index: _copy(store, index), fresh=True)
        engine = cast("Engine", copy)
        return engine, themes.find(engine), left_out

    @app.get("/v1/themes")
    def show() -> wire.ThemesReply:
        """Themes that emerged, named from their memories' own words."""
        with one_at_a_time:
            _, told, left_out = found()
        return wire.ThemesReply(
            themes=tuple(
                wire.Theme(name=one.name, words=one.words, members=one.members,
                           coherence=round(one.coherence, 4))
                for one in told.themes
            ),
            none=told.noise,
            left_out=told.left_out + left_out,
        )  # fmt: skip

    @app.get("/v1/map")
    def draw(
        method: Annotated[Literal["tsne", "pca"], Query()] = "tsne",
        format: Annotated[Literal["png", "html"], Query()] = "png",  # noqa: A002
    ) -> wire.MapReply:
        """The landscape of memories: t-SNE, or PCA as the quick one."""
        with one_at_a_time:
            engine, told, _ = found()
            made = landscape.survey(engine, told, method)
        raw = (landscape.draw_png(made) if format == "png"
               else landscape.draw_html(made, told).encode())  # fmt: skip
        return wire.MapReply(format=format, method=method, data=base64.b64encode(raw).decode())


def _copy(store: MemoryStore, index: Index) -> tuple[Copy, int]:
    store.finder.sync(index)
    names = index.ids()
    copy = Copy(store.finder.engine, names[-MOST:])
    count = sum(1 for _ in copy.vectors())
    if not count and names:
        raise MesoError(
            "memory.no_vectors", f"no memory has a vector yet: {store.finder.vectors.problem}",
            status=503, hint="`meso status` shows whether meso-embed serves",
        )  # fmt: skip
    return copy, len(names) - count
