"""Tool execution: workspaces, calls, what a stream of a call says, and which tools there are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from meso_services.contract.common import ErrorInfo, JsonObject, Message
from meso_services.contract.tools_params import ReadParams, ToolName
from meso_services.contract.tools_policy import Decision

# A directory's name; a leading dot is reserved for the service itself.
WorkspaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
CallId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
# `waiting`: for the operator or for its turn. The last four are final.
CallState = Literal["waiting", "running", "completed", "failed", "refused", "cancelled"]


class WorkspaceRef(Message):
    """A workspace: the files that one branch of one session works on."""

    session: WorkspaceName
    branch: WorkspaceName = "main"


class WorkspaceReply(Message):
    """`POST /v1/workspaces`: the workspace is there; `created` says whether it is new."""

    session: str
    branch: str
    created: bool


class WorkspacesReply(Message):
    """`GET /v1/workspaces`, in order of session and branch."""

    workspaces: tuple[WorkspaceRef, ...]


class ReadRequest(WorkspaceRef, ReadParams):
    """`POST /v1/tools/read`: the tool `read` without the frame of a call."""


class ToolInfo(Message):
    """A tool that can be called. `parameters` is a JSON schema, draft 2020-12."""

    name: str
    description: str
    parameters: dict[str, Any]
    source: Literal["builtin", "custom", "provider"]


class ToolsReply(Message):
    """`GET /v1/tools`, by name. `problems` says which custom tools cannot be used and why."""

    tools: tuple[ToolInfo, ...]
    problems: tuple[str, ...] = ()


class CallRequest(WorkspaceRef):
    """`POST /v1/tools/call`.

    `Accept: application/x-ndjson` streams `CallEvent`s; else the answer is a `CallReply` when
    the call has ended. Under the header `Idempotency-Key` the same call is made once.
    """

    tool: ToolName
    params: JsonObject = Field(default_factory=dict)
    background: bool = Field(default=False, description="Answer at once (202); see GET /v1/calls")
    seconds: int | None = Field(
        default=None, ge=1, le=86_400, description="Time limit, within the configured one"
    )


class CallReply(Message):
    """One call. `result` is the tool's own reply; `error` says why there is none."""

    id: str
    session: str
    branch: str
    tool: str
    state: CallState
    background: bool
    asked_at: str = Field(description="ISO 8601, UTC")
    ended_at: str | None = None
    decision: Decision | None = Field(default=None, description="What the policy said")
    approval: str | None = Field(default=None, description="Id of the question it waits for")
    result: dict[str, Any] | None = None
    error: ErrorInfo | None = None


class CallsReply(Message):
    """`GET /v1/calls`, newest first: those that run, and the latest that ended."""

    calls: tuple[CallReply, ...]


class CallStarted(Message):
    """The first line of a stream."""

    event: Literal["started"] = "started"
    call_id: str


class CallProgress(Message):
    """The call's state changed, or it waits for the operator (`approval`)."""

    event: Literal["progress"] = "progress"
    call_id: str
    state: CallState
    message: str = ""
    approval: str | None = None


class CallOutput(Message):
    """A piece of output, as it came. Bytes that are not UTF-8 are shown as \\xNN."""

    event: Literal["output"] = "output"
    call_id: str
    stream: Literal["stdout", "stderr"]
    text: str


class CallResult(Message):
    """The last line of a stream: how the call ended."""

    event: Literal["result"] = "result"
    call: CallReply


CallEvent = Annotated[
    CallStarted | CallProgress | CallOutput | CallResult, Field(discriminator="event")
]
