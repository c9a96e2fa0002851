"""Routes about the policy, for everybody; about approvals and the audit, for operators."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from pydantic import Field

from meso_services.contract import tools as wire
from meso_services.contract.tools_audit import AuditPage, AuditVerdict
from meso_services.contract.tools_policy import (
    Answer,
    AnswerReply,
    ApprovalsReply,
    ExplainReply,
    PolicyReply,
    RuleInfo,
)
from meso_services.runtime.app import errors
from meso_services.runtime.credentials import is_console
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import Peer, current_peer, is_operator, require_operator
from meso_services.tool_executor.audit.chain import BrokenError, Head, verify, walk
from meso_services.tool_executor.parts import Parts
from meso_services.tool_executor.policy.judge import Judge

Operator = Annotated[Peer, Depends(require_operator)]
_CONDITIONS = ("tools", "commands", "paths", "hosts", "shapes", "sessions", "branches")


def add(app: FastAPI, parts: Parts) -> None:
    """Add the routes."""
    _add_policy(app, parts)
    _add_approvals(app, parts)
    _add_audit(app, parts)


def _add_policy(app: FastAPI, parts: Parts) -> None:
    @app.get("/v1/policy")
    async def policy() -> PolicyReply:
        """The rules in force."""
        judge = parts.engine.judge
        return PolicyReply(
            generation=parts.generation,
            default=judge.policy.default,
            unknown=judge.policy.unknown,
            ask_seconds=judge.policy.ask_seconds,
            rules=_rules(judge),
            security_model=judge.policy.security.model,
            security_may_allow=judge.policy.security.may_allow,
            waiting=len(parts.engine.approvals.open()),
        )

    @app.post("/v1/policy/explain", responses=errors(404))
    async def explain(request: wire.CallRequest) -> ExplainReply:
        """What the policy says about a call. Nothing is run, asked or recorded."""
        return await parts.engine.explain(parts.engine.toolbox.job(request))


def _rules(judge: Judge) -> tuple[RuleInfo, ...]:
    own = set(judge.policy.rules)
    return tuple(
        RuleInfo(
            name=rule.name,
            source="operator" if rule in own else "shipped",
            decision=rule.decision,
            reason=rule.reason,
            conditions={n: list(getattr(rule, n)) for n in _CONDITIONS if getattr(rule, n)},
        )
        for rule in judge.rules
    )


def _add_approvals(app: FastAPI, parts: Parts) -> None:
    def may_answer(request: Request) -> Peer:
        """Who may answer: operators, and the console where the policy trusts it."""
        peer = current_peer(request)
        trusted = parts.engine.judge.policy.console and is_console(peer)
        return peer if trusted else require_operator(request)

    answering = Depends(may_answer)

    @app.get("/v1/approvals", responses=errors(403))
    async def approvals(_peer: Peer = answering) -> ApprovalsReply:
        """The questions that wait."""
        return ApprovalsReply(approvals=tuple(parts.engine.approvals.open()))

    @app.post("/v1/approvals/{approval}", responses=errors(403, 404))
    async def answer(
        approval: Annotated[str, Field(max_length=64)],
        request: Answer,
        peer: Peer = answering,
    ) -> AnswerReply:
        """Answer a question. The first answer counts."""
        by = "an operator" if is_operator(peer) else "the console"
        question = parts.engine.approvals.answer(approval, request, peer.uid, by)
        return AnswerReply(
            id=approval,
            call_id=question.approval.call_id,
            decision=request.decision,
            scope=request.scope,
        )


def _add_audit(app: FastAPI, parts: Parts) -> None:
    directory = parts.engine.audit.directory

    @app.get("/v1/audit", responses=errors(403))
    async def audit(
        _operator: Operator,
        after: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        call: Annotated[str | None, Query(max_length=64)] = None,
    ) -> AuditPage:
        """Records in order, from `after` on; without it, the newest ones."""
        return await asyncio.to_thread(_page, parts, after, limit, call)

    @app.get("/v1/audit/verify", responses=errors(403))
    async def check(
        _operator: Operator,
        seq: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        hash: Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$")] = None,  # noqa: A002
    ) -> AuditVerdict:
        """Check the chain. `seq` and `hash` are of a record that somebody noted earlier."""
        anchor = Head(seq, hash) if seq is not None and hash is not None else None
        return await asyncio.to_thread(verify, directory, anchor)


def _page(parts: Parts, after: int | None, limit: int, call: str | None) -> AuditPage:
    found, newest = [], after is None
    try:
        audit = parts.engine.audit
        since = after or (0 if call else max(0, audit.head.seq - limit))
        for record in walk(audit.directory, since):
            if record.seq <= since or call not in (None, record.call_id):
                continue
            found.append(record)
            if newest:
                found = found[-limit:]
            elif len(found) > limit:
                return AuditPage(records=tuple(found[:limit]), next=found[limit - 1].seq)
    except BrokenError as broken:
        raise MesoError(
            "audit.broken",
            f"the audit is damaged from record {broken.seq} on: {broken.problem}",
            status=503,
            hint="`meso audit verify` says more",
        ) from None
    return AuditPage(records=tuple(found))
