"""What an agent may do: decisions of the policy, and the questions that operators answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from meso_services.contract.common import Message

Verdict = Literal["allow", "ask", "deny"]
# What a call does, one by one: `command` is one program with its words, `shape` is what the
# parser saw in it (`destructive`, `unknown`).
ActionKind = Literal["tool", "command", "path", "host", "shape"]


class JudgedAction(Message):
    """One thing that a call would do, and the rule that decided about it."""

    kind: ActionKind
    text: str = Field(description="For people; control characters are escaped")
    verdict: Verdict
    rule: str = Field(description="Name of the rule; `default` if none fits")
    reason: str = ""


class Decision(Message):
    """What the policy says about a call: the strictest verdict of all its actions."""

    verdict: Verdict
    rule: str
    reason: str
    actions: tuple[JudgedAction, ...] = ()
    omitted_actions: int = Field(
        default=0, description="Of too many actions, those that did not decide are left out"
    )


class ExplainReply(Message):
    """`POST /v1/policy/explain`: what would happen to this call. Nothing is run or recorded."""

    decision: Decision
    commands: tuple[tuple[str, ...], ...] = Field(
        default=(), description="The commands that were seen; `?` is a word only known at run time"
    )
    unknown: tuple[str, ...] = Field(default=(), description="What could not be understood")


class RuleInfo(Message):
    """A rule in force, in the words of the configuration."""

    name: str
    source: Literal["shipped", "operator"]
    decision: Verdict
    reason: str
    conditions: dict[str, Any]


class PolicyReply(Message):
    """`GET /v1/policy`: the rules in force, in the order in which they are shown."""

    generation: str
    default: Verdict
    unknown: Verdict
    ask_seconds: int
    rules: tuple[RuleInfo, ...]
    security_model: str = Field(default="", description="The security instance; empty: none")
    security_may_allow: bool = False
    waiting: int = Field(default=0, description="Questions that wait for an operator")


class Approval(Message):
    """A question to the operator. `summary` is safe to print on a terminal."""

    id: str
    call_id: str
    session: str
    branch: str
    tool: str
    summary: str
    rule: str
    reason: str
    asked_at: str
    expires_at: str = Field(description="From then on the answer is no")
    uid: int | None = Field(description="User id of who made the call")
    advice: str = Field(
        default="", description="What the security instance thinks of it, where there is one"
    )


class ApprovalsReply(Message):
    """`GET /v1/approvals`: the open questions, oldest first."""

    approvals: tuple[Approval, ...]


class Answer(Message):
    """`POST /v1/approvals/{id}`, operators only."""

    decision: Literal["allow", "deny"]
    scope: Literal["once", "session"] = Field(
        default="once",
        description="`session`: also for the same actions later in this session and branch",
    )
    reason: str = Field(default="", max_length=500)


class AnswerReply(Message):
    """The answer is given and recorded."""

    id: str
    call_id: str
    decision: Literal["allow", "deny"]
    scope: Literal["once", "session"]
