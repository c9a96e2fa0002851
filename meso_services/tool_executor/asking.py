"""One question about one call: opened, shown to the security instance, answered or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from meso_services.contract.tools_policy import Approval
from meso_services.tool_executor.approvals import Answered, Approvals, Open
from meso_services.tool_executor.security import Advice, Security

BY_SECURITY = "the security instance"


@dataclass(frozen=True)
class Asking:
    """Who is asked: operators, and before they come the security instance, if there is one."""

    approvals: Approvals
    seconds: int
    security: Security | None = None

    async def answer(self, question: Open, call: dict[str, Any]) -> Answered:
        """The answer, whoever gives it first; no, when the time is over."""
        async with self._advised(question.approval, call):
            return await self.approvals.wait(question, self.seconds)

    @contextlib.asynccontextmanager
    async def _advised(self, approval: Approval, call: dict[str, Any]) -> AsyncIterator[None]:
        if self.security is None:
            yield
            return
        advising = asyncio.create_task(self._advise(self.security, approval, call))
        try:
            yield
        finally:
            advising.cancel()
            await asyncio.gather(advising, return_exceptions=True)

    async def _advise(self, security: Security, approval: Approval, call: dict[str, Any]) -> None:
        advice = await security.advice(call)
        counts = advice.decision == "deny" or (
            advice.decision == "allow" and security.settings.may_allow
        )
        if counts:
            self.approvals.settle(approval.id, _answered(advice))
        else:
            self.approvals.advise(approval.id, f"{advice.decision}: {advice.reason}")


def _answered(advice: Advice) -> Answered:
    reason = f"{BY_SECURITY}: {advice.reason or advice.decision}"
    return Answered(advice.decision == "allow", "once", None, reason, BY_SECURITY)
