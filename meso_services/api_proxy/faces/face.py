"""What a face is: a model API, its routes, and its words for what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from meso_services.contract.common import Message
from meso_services.runtime.errors import MesoError


class Action(StrEnum):
    """What a request asks for."""

    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    COMPLETIONS = "completions"


@dataclass(frozen=True)
class Face:
    """One API. `kind` is that of the upstreams which speak it; `routes` are its paths."""

    kind: str
    routes: Mapping[str, Action]
    reply: type[Message]
    types: Mapping[int, str]
    describe: Callable[[str, str, str], Message]

    def body(self, error: MesoError) -> dict[str, Any]:
        """`error` in this API's own shape."""
        words = f"{error.message}. {error.hint}." if error.hint else f"{error.message}."
        return self.told(error.status, words, error.code).model_dump(mode="json")

    def told(self, status: int, words: str, code: str) -> Message:
        """An error in this API's own shape. What a request or an answer is quoted with may hold
        half of a surrogate pair, which no message can carry."""
        clean = (text.encode(errors="replace").decode() for text in (words, code))
        return self.describe(self.type_of(status), *clean)

    def type_of(self, status: int) -> str:
        """What this API calls an error of that status."""
        fault = self.types[500] if status >= 500 else self.types[400]
        return self.types.get(status, fault)
