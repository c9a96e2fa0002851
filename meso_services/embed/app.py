"""The embedding service's routes."""

from __future__ import annotations

from fastapi import FastAPI

from meso_services.contract import embed as wire
from meso_services.embed.settings import Settings
from meso_services.embedding import model
from meso_services.embedding.model import Embedder
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.health import Check, Finding, in_thread
from meso_services.runtime.service import Service

# Two sentences of one meaning and one of another; the model must tell them apart.
_ALIKE = ("The cat sits outside.", "The cat plays in the garden.")
_OTHER = "I love pasta."


class Lazy:
    """The model, loaded by the first request that needs it."""

    def __init__(self) -> None:
        self._loaded: Embedder | None = None

    @property
    def loaded(self) -> bool:
        return self._loaded is not None

    def get(self) -> Embedder:
        """Raises `embed.no_model`."""
        if self._loaded is None:
            self._loaded = Embedder(model.locate())
        return self._loaded


def build(context: Context[Settings]) -> FastAPI:
    """Serve; the model is loaded when it is first needed."""
    lazy: Lazy = context.kept.get("model", Lazy)
    app = application(context, title="MESO embeddings", checks=_checks(lazy))

    @app.post("/v1/embed", responses=errors(503))
    def embed(request: wire.EmbedRequest) -> wire.EmbedReply:
        """Embed up to 256 texts."""
        found = lazy.get().embed(request.texts)
        return wire.EmbedReply(
            model=model.NAME,
            revision=model.REVISION,
            dimension=model.DIMENSION,
            vectors=tuple(tuple(row) for row in found.vectors.tolist()),
            tokens=found.tokens,
            truncated=found.truncated,
        )

    @app.get("/v1/model")
    def about() -> wire.EmbedModel:
        """Name the model."""
        return wire.EmbedModel(
            model=model.NAME,
            revision=model.REVISION,
            dimension=model.DIMENSION,
            window=model.WINDOW,
            loaded=lazy.loaded,
        )

    return app


SERVICE = Service(
    "embed", Settings, build, idle_exit=lambda settings: float(settings.idle_exit_seconds)
)


def _checks(lazy: Lazy) -> list[Check]:
    def files() -> Finding:
        return Finding(True, str(model.locate()))

    def meaning() -> Finding:
        near, other, far = lazy.get().embed((*_ALIKE, _OTHER)).vectors
        alike, apart = float(near @ other), float(near @ far)
        said = f"{alike:.3f} for one meaning, {apart:.3f} for two"
        return Finding(alike > 0.5 > apart, said)

    return [Check("files", in_thread(files)), Check("meaning", in_thread(meaning), deep=True)]
