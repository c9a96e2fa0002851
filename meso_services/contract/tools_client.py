"""The tool executor's calls, typed, for whoever has a connection to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from meso_services.contract import tools as wire
from meso_services.contract.client import Connection
from meso_services.contract.common import JsonObject, Message
from meso_services.contract.tools_audit import AuditPage, AuditVerdict
from meso_services.contract.tools_policy import (
    Answer,
    AnswerReply,
    ApprovalsReply,
    ExplainReply,
    PolicyReply,
)

_EVENT: TypeAdapter[wire.CallEvent] = TypeAdapter(wire.CallEvent)


class Nothing(Message):
    """A request without content."""


class ToolExecutor:
    """The tool executor's calls. All of them raise CallError."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection

    def workspace(self, session: str, branch: str = "main") -> wire.WorkspaceReply:
        """Make a workspace, or find it made."""
        wanted = wire.WorkspaceRef(session=session, branch=branch)
        return self._call.post("/v1/workspaces", wanted, wire.WorkspaceReply)

    def tools(self) -> wire.ToolsReply:
        """The tools that can be called, with the schemas of their parameters."""
        return self._call.get("/v1/tools", wire.ToolsReply)

    def call(self, wanted: wire.CallRequest, *, key: str | None = None) -> wire.CallReply:
        """Make a call and wait for its end (with `background`: for its beginning).

        A call that is refused or fails is a reply, too: see `state` and `error`.
        """
        return self._call.post("/v1/tools/call", wanted, wire.CallReply, key=key)

    def stream(
        self, wanted: wire.CallRequest, *, key: str | None = None
    ) -> Iterator[wire.CallEvent]:
        """Make a call and hand over its events as they come; the last is a `CallResult`."""
        for line in self._call.lines("/v1/tools/call", wanted, key=key):
            yield _EVENT.validate_python(json.loads(line))

    def follow(self, call: str) -> Iterator[wire.CallEvent]:
        """The events of a call from its beginning, until it ends."""
        for line in self._call.lines(f"/v1/calls/{call}/events"):
            yield _EVENT.validate_python(json.loads(line))

    def calls(self, session: str | None = None) -> wire.CallsReply:
        """The calls that run and the latest that ended."""
        return self._call.get("/v1/calls", wire.CallsReply, session=session)

    def show(self, call: str) -> wire.CallReply:
        """One call."""
        return self._call.get(f"/v1/calls/{call}", wire.CallReply)

    def cancel(self, call: str) -> wire.CallReply:
        """Stop a call and everything that it started."""
        return self._call.post(f"/v1/calls/{call}/cancel", Nothing(), wire.CallReply)

    def policy(self) -> PolicyReply:
        """The policy in force."""
        return self._call.get("/v1/policy", PolicyReply)

    def explain(self, wanted: wire.CallRequest) -> ExplainReply:
        """What the policy says about a call, without making it."""
        return self._call.post("/v1/policy/explain", wanted, ExplainReply)

    def approvals(self) -> ApprovalsReply:
        """The questions that wait for an operator."""
        return self._call.get("/v1/approvals", ApprovalsReply)

    def answer(self, approval: str, answer: Answer) -> AnswerReply:
        """Answer a question; operators only."""
        return self._call.post(f"/v1/approvals/{approval}", answer, AnswerReply)

    def audit(self, after: int = 0, limit: int = 100, call: str | None = None) -> AuditPage:
        """Records of the audit; operators only."""
        return self._call.get("/v1/audit", AuditPage, after=after, limit=limit, call=call)

    def verify(self) -> AuditVerdict:
        """Check the audit's chain; operators only."""
        return self._call.get("/v1/audit/verify", AuditVerdict)


def params(message: Message) -> JsonObject:
    """A tool's parameters as the content of a call: only what was set."""
    found: dict[str, Any] = message.model_dump(mode="json", exclude_unset=True)
    return found
