"""Messages of the API proxy: what both model APIs agree on, and their error shapes."""

from __future__ import annotations

from typing import Any, Literal

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


class ExplainRequest(Message):
    """A request that is not sent: where would it go? (`POST /v1/explain`)"""

    face: Literal["anthropic", "openai"] | None = Field(
        default=None, description="The API in whose words it is; left out: guessed from the body"
    )
    path: str | None = Field(default=None, description="Its path, where that is not the main one")
    headers: dict[str, str] = Field(default_factory=dict)
    client: str = Field(default="operator", description="Who asks, by name")
    body: dict[str, Any] = Field(description="The request itself")


class Considered(Message):
    """One rule or upstream that was looked at."""

    what: str
    taken: bool
    why: str


class TargetReport(Message):
    """One upstream of the chain."""

    upstream: str
    kind: str
    place: str
    model: str
    translated: bool
    left_out: tuple[str, ...] = ()
    cannot: str = Field(default="", description="Why the request cannot be said in its API")


class ExplainReply(Message):
    """Where a request would go, and why."""

    face: str
    model: str
    task: str
    privacy: str
    needs: tuple[str, ...]
    tokens: int = Field(description="Its size, estimated")
    route: str
    chain: tuple[TargetReport, ...]
    considered: tuple[Considered, ...]
    refused: str = Field(default="", description="Why it would go nowhere")


KeyState = Literal["present", "missing", "of the client"]


class UpstreamReport(Message):
    """An upstream and how it is."""

    name: str
    kind: str
    url: str
    place: str
    models: tuple[str, ...]
    key: KeyState
    breaker: str
    retry_after: float


class RouteReport(Message):
    """A route as it stands in the operator's file."""

    name: str
    when: dict[str, Any]
    to: tuple[str, ...]
    prefer: str
    cache: bool


class RoutesReply(Message):
    """All routes and upstreams (`GET /v1/routes`)."""

    routes: tuple[RouteReport, ...]
    upstreams: tuple[UpstreamReport, ...]
