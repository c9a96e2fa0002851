"""One call's way: understood, judged, asked about, recorded, run, recorded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from meso_services.contract.tools_policy import Approval, ExplainReply
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.tool_executor import telling
from meso_services.tool_executor.approvals import Approvals, after, new_id
from meso_services.tool_executor.asking import Asking
from meso_services.tool_executor.audit.log import Audit
from meso_services.tool_executor.calls import Call, now
from meso_services.tool_executor.hiding import Covers
from meso_services.tool_executor.occupied import Occupied
from meso_services.tool_executor.policy.judge import Judge, Judgement, Question
from meso_services.tool_executor.security import Security
from meso_services.tool_executor.terminal import safe
from meso_services.tool_executor.toolbox import Job, Toolbox

# Errors that mean: a call met a wall.
_VIOLATIONS = frozenset(
    {
        *("tools.path_escape", "tools.not_a_file", "tools.timeout", "tools.killed"),
        *("tools.output_limit", "tools.disk_limit", "tools.sandbox_unavailable"),
    }
)
# Characters of a command line that is judged beside the event loop.
_LONG = 4_000
_log = Log("meso.tools")


@dataclass(frozen=True)
class Engine:
    """Runs calls under one configuration."""

    toolbox: Toolbox
    judge: Judge
    approvals: Approvals
    audit: Audit
    covers: Covers
    security: Security | None = None
    occupied: Occupied = field(default_factory=Occupied)

    async def explain(self, job: Job) -> ExplainReply:
        """What would happen to a call; nothing is run or recorded."""
        judged = await self._decision(job.question)
        return ExplainReply(
            decision=judged.decision,
            commands=tuple(tuple(map(safe, run.shown())) for run in judged.found.runs),
            unknown=tuple(map(safe, judged.found.unknown)),
        )

    async def run(self, call: Call, place: Path) -> None:
        """Take a call to its end, whatever that is."""
        try:
            call.result = await self._run(call, place)
            self._end(call, "completed")
        except asyncio.CancelledError:
            call.fault = MesoError("tools.cancelled", "the call was cancelled", status=409)
            self._end(call, "cancelled")
        except MesoError as fault:
            call.fault = fault
            self._end(call, "refused" if fault.code.startswith("policy.") else "failed")
        except Exception as error:
            _log.exception("a call failed", error, call=call.id)
            call.fault = MesoError(
                "internal",
                "the service made a mistake; the journal has it",
                status=500,
                detail={"call": call.id},
            )
            self._end(call, "failed")

    async def _run(self, call: Call, place: Path) -> dict[str, Any]:
        try:
            job = self.toolbox.job(call.request)
            job, judged = await self._judged(job, place)
        except MesoError as fault:
            self._record(call, "call", {**telling.asked(call), "error": fault.code})
            raise
        call.decision = judged.decision
        self._record(call, "call", {**telling.asked(call), "decision": telling.decided(judged)})
        if judged.decision.verdict == "deny":
            raise _denied(judged.decision.reason, judged.decision.rule)
        if judged.decision.verdict == "ask":
            await self._ask(call, judged)
        with self.occupied.shared(call.request.session, call.request.branch):
            job = await self._covered(job, judged, place)
            if job.is_file:
                call.change("running")
                return await self.toolbox.file(job, place, self.audit.flushed)
            await self.audit.flushed()
            call.change("running")
            return await self.toolbox.run(job, place, call.request.seconds, call.output)

    async def _covered(self, job: Job, judged: Judgement, place: Path) -> Job:
        """With covers over what rules about paths keep from it. File tools need none: the
        policy was asked about the one path that they touch."""
        kept = None if job.question.paths else self.judge.keeps(job.question, judged.found)
        if kept is None:
            return job
        covers = await asyncio.to_thread(self.covers.over, place, kept)
        return replace(job, covers=covers)

    async def _judged(self, job: Job, place: Path) -> tuple[Job, Judgement]:
        """The policy's word. Where it looks at paths, links are resolved first."""
        question = job.question
        if question.paths and self.judge.looks_at_paths:
            paths = []
            for path in question.paths:
                request = {"tool": "resolve", "path": path}
                found = await self.toolbox.helpers.ask(place, request)
                paths.append(str(found["path"]))
            question = replace(question, paths=paths)
            job = replace(job, question=question, resolved=paths[0])
        return job, await self._decision(question)

    async def _decision(self, question: Question) -> Judgement:
        if len(question.command or "") < _LONG:
            return self.judge.judge(question)
        # Other calls should not wait while a long text is read.
        return await asyncio.to_thread(self.judge.judge, question)

    async def _ask(self, call: Call, judged: Judgement) -> None:
        request = call.request
        if self.approvals.granted(request.session, request.branch, judged.asked):
            self._record(call, "approval", {"decision": "allow", "scope": "session"})
            return
        seconds = self.judge.policy.ask_seconds
        approval = Approval(
            id=new_id(),
            call_id=call.id,
            session=request.session,
            branch=request.branch,
            tool=request.tool,
            summary=telling.summary(call),
            rule=judged.decision.rule,
            reason=judged.decision.reason,
            asked_at=now(),
            expires_at=after(seconds),
            uid=call.uid,
        )
        question = self.approvals.ask(approval, judged.asked)
        call.approval = approval.id
        call.change("waiting", f"an operator is asked: {judged.decision.reason}")
        _log.info("an operator is asked", approval=approval.id, call=call.id)
        asking = Asking(self.approvals, seconds, self.security)
        answer = await asking.answer(question, telling.shown(call, judged))
        call.approval = None
        self._record(call, "approval", telling.said(approval.id, answer))
        if not answer.allowed:
            why = answer.reason or "the operator said no"
            raise _denied(why, judged.decision.rule, "policy.not_approved")

    def _record(self, call: Call, kind: Any, data: dict[str, Any]) -> None:
        request = call.request
        self.audit.record(
            kind,
            call_id=call.id,
            uid=call.uid,
            session=request.session,
            branch=request.branch,
            tool=request.tool,
            data=data,
        )

    def _end(self, call: Call, state: Any) -> None:
        """Record how it ended; a call whose end cannot be recorded has failed."""
        data: dict[str, Any] = {"state": state}
        try:
            if call.fault is not None:
                data["error"] = call.fault.code
                if call.fault.code in _VIOLATIONS:
                    about = {"code": call.fault.code, "message": safe(call.fault.message)}
                    self._record(call, "violation", about)
            for violation in (call.result or {}).get("violations", ()):
                self._record(call, "violation", {"code": violation})
            if call.result is not None:
                data |= {"digest": telling.digest(call.result)} | telling.facts(call.result)
            self._record(call, "result", data)
        except MesoError as fault:
            call.fault, state = fault, "failed"
        call.change(state)


def _denied(reason: str, rule: str, code: str = "policy.denied") -> MesoError:
    return MesoError(
        code,
        reason,
        status=403,
        hint="`meso policy explain` shows the rule; only the operator changes the policy",
        detail={"rule": rule},
    )
