"""The appliance's own embedding model, as an upstream for `/v1/embeddings`."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.upstreams.plan import (
    Incoming,
    Outgoing,
    Plan,
    StreamTranslator,
    UntranslatableError,
)
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.runtime.errors import MesoError

SOCKET = "embed"
MOST_TEXTS = 256


class Embed:
    """Speaks to `meso-embed` on its socket; nothing leaves the machine."""

    native: frozenset[Action] = frozenset()
    actions = frozenset({Action.EMBEDDINGS})

    def plan(self, facts: Facts, incoming: Incoming, upstream: Upstream, model: str) -> Plan:
        keys = facts.document.keys
        wanted = keys.get("encoding_format", "float")
        if wanted not in ("float", "base64"):
            raise _invalid("encoding_format: float or base64 is expected")
        body = json.dumps({"texts": _texts(keys.get("input")), "purpose": "document"})
        return Plan(
            Outgoing(
                "http://meso/v1/embed",
                [("content-type", "application/json"), ("accept-encoding", "identity")],
                body.encode(),
                socket=SOCKET,
            ),
            wire="embed",
            translator=Embeddings(wanted == "base64", keys.get("dimensions")),
        )


class Embeddings:
    """The answer of `meso-embed` in the words of the embeddings API."""

    def __init__(self, packed: bool, dimensions: Any) -> None:
        self._packed, self._dimensions = packed, dimensions

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Vectors in the order of the texts. Raises MesoError for another dimension."""
        if self._dimensions not in (None, answer["dimension"]):
            raise _invalid(f"dimensions: the local model's vectors have {answer['dimension']}")
        used = sum(answer["tokens"])
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": self._written(vector)}
                for index, vector in enumerate(answer["vectors"])
            ],
            "model": answer["model"],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }

    def stream(self) -> StreamTranslator:
        raise ValueError("embeddings are not streamed")

    def pieces(self, answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        raise ValueError("embeddings are not streamed")

    def _written(self, vector: list[float]) -> Any:
        if not self._packed:
            return vector
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise _invalid("input: a text or a list of texts is expected")
    if not all(isinstance(text, str) for text in texts):
        # Token numbers mean something to the model alone that made them.
        raise UntranslatableError("input as token numbers")
    if len(texts) > MOST_TEXTS:
        raise _invalid(f"input: at most {MOST_TEXTS} texts at once")
    return texts


def _invalid(message: str) -> MesoError:
    return MesoError("request.invalid", message, status=400)


KIND = Embed()
