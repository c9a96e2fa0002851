"""What the audit, operators and the security instance are told about a call."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from meso_services.runtime.redact import redact
from meso_services.tool_executor.approvals import Answered
from meso_services.tool_executor.calls import Call
from meso_services.tool_executor.policy.judge import Judgement
from meso_services.tool_executor.terminal import safe


def asked(call: Call) -> dict[str, Any]:
    """The call, for its record; of the parameters only a digest."""
    request = call.request
    return {
        "summary": summary(call),
        "params": digest(request.params),
        "background": request.background,
    }


def shown(call: Call, judged: Judgement) -> dict[str, Any]:
    """The call as the security instance sees it: whole, for a part could mislead."""
    request = call.request
    return {
        "tool": request.tool,
        "params": request.params,
        "session": request.session,
        "branch": request.branch,
        "rule": judged.decision.rule,
        "asked_because": judged.decision.reason,
        "programs": [list(run.shown()) for run in judged.found.runs[:100]],
        "not_understood": judged.found.unknown[:20],
    }


def said(approval: str, answer: Answered) -> dict[str, Any]:
    """An answer, for its record."""
    return {
        "id": approval,
        "decision": "allow" if answer.allowed else "deny",
        "scope": answer.scope,
        "by": answer.uid,
        "answered_by": answer.by,
        "reason": safe(answer.reason),
    }


def summary(call: Call) -> str:
    """What is asked, for people: safe to print, with anything like a key taken out."""
    params = call.request.params
    for key in ("command", "path"):
        if isinstance(text := params.get(key), str):
            return safe(redact(text))
    return safe(redact(json.dumps(params, ensure_ascii=False)))


def decided(judged: Judgement) -> dict[str, Any]:
    """A decision with those actions that led to it, for its record."""
    decision = judged.decision
    telling = [
        action.model_dump() for action in decision.actions if action.verdict == decision.verdict
    ]
    return {
        "verdict": decision.verdict,
        "rule": decision.rule,
        "reason": decision.reason,
        "actions": telling[:10],
    }


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of `value`, hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def facts(result: dict[str, Any]) -> dict[str, Any]:
    """What of a result stands in the audit."""
    names = ("exit_code", "seconds", "path", "size", "sha256", "replacements")
    facts = {name: result[name] for name in names if name in result}
    return {k: safe(v) if isinstance(v, str) else v for k, v in facts.items()}
