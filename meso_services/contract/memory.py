"""Memory: write one, read it back, search them all."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json


def _text(value: str) -> str:
    check_json(value)
    if "\0" in value:
        raise ValueError("text holds no NUL character; memories are not binary")
    return value


MemoryId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Content = Annotated[str, Field(min_length=1, max_length=1_000_000), AfterValidator(_text)]
Tag = Annotated[str, Field(pattern=r"^[\w][\w./:+-]{0,63}$"), AfterValidator(check_json)]
Source = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(_text)
]


class WriteRequest(Message):
    """`POST /v1/memories`: one fact, where it comes from, and what it is about."""

    content: Content = Field(description="Markdown")
    source: Source = Field(
        default="unspecified", description="Who or what it comes from, for example `operator`"
    )
    tags: tuple[Tag, ...] = Field(default=(), max_length=16)


class Memory(Message):
    """A memory, as its file says it."""

    id: str
    path: str = Field(description="Below /meso/memory")
    created: str | None = Field(description="ISO 8601; null in a file written by hand without it")
    source: str | None
    tags: tuple[str, ...]
    content: str


class WriteReply(Message):
    """The memory as kept. `created` is false when the same one was there already."""

    memory: Memory
    created: bool


class SearchHit(Message):
    """A memory that was found, and why it ranks where it does."""

    id: str
    path: str
    created: str | None
    source: str | None
    tags: tuple[str, ...]
    snippet: str = Field(description="Part of the text, with the words that were found in **bold**")
    score: float = Field(description="BM25 of the matched words; larger is better")
    matched: tuple[str, ...] = Field(description="Words of the query that occur in it")
    missing: tuple[str, ...] = Field(description="Words of the query that do not")


class SearchReply(Message):
    """`GET /v1/search`, best first."""

    hits: tuple[SearchHit, ...]
    words: tuple[str, ...] = Field(description="The words that were searched for")
    searched: int = Field(description="Number of memories in the index")
