"""Messages of the API proxy: what both model APIs agree on, and their error shapes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from meso_services.contract.common import Message


class Model(Message):
    """A model that can be asked for. It carries what either API's clients expect of one."""

    id: str
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    display_name: str
    owned_by: str = Field(description="Name of the upstream that serves it")
    created: int = Field(default=0, description="Not known to the proxy; always 0")
    created_at: str = Field(default="1970-01-01T00:00:00Z", description="The same in words")


class ModelList(Message):
    """All models of all upstreams, on one page."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class AnthropicError(Message):
    """The error of the Messages API; `code` is ours and stable."""

    type: str
    message: str
    code: str


class AnthropicErrorReply(Message):
    """How the Messages API says that something went wrong."""

    type: Literal["error"] = "error"
    error: AnthropicError


class OpenAIError(Message):
    """The error of the chat completions API; `code` is stable."""

    message: str
    type: str
    param: str | None = None
    code: str


class OpenAIErrorReply(Message):
    """How the chat completions API says that something went wrong."""

    error: OpenAIError
