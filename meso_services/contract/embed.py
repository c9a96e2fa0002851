"""Embeddings: texts in, unit vectors out, by the model that the appliance has itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json

MOST_TEXTS = 256
Text = Annotated[str, Field(max_length=1_000_000), AfterValidator(check_json)]


class EmbedRequest(Message):
    """`POST /v1/embed`. The model reads documents and queries alike; `purpose` is for others."""

    texts: tuple[Text, ...] = Field(min_length=1, max_length=MOST_TEXTS)
    purpose: Literal["document", "query"] = "document"


class EmbedReply(Message):
    """One entry a text, in the order of the request.

    `vectors` are L2-normalised. `tokens` counts what the model read; a text longer than its
    window was cut and is marked in `truncated`.
    """

    model: str
    revision: str
    dimension: int
    vectors: tuple[tuple[float, ...], ...]
    tokens: tuple[int, ...]
    truncated: tuple[bool, ...]


class EmbedModel(Message):
    """`GET /v1/model`: which model answers. `loaded` says whether it is in memory now."""

    model: str
    revision: str
    dimension: int
    window: int
    loaded: bool
