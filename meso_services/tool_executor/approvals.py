"""Questions to the operator: a call waits for an answer, and no answer is no."""

from __future__ import annotations

import asyncio
import datetime
import secrets
from dataclasses import dataclass, replace

from meso_services.contract.tools_policy import Answer, Approval
from meso_services.runtime.errors import MesoError

MOST_OPEN = 200


@dataclass(frozen=True)
class Answered:
    """How a question was answered. `uid` is the operator's, None when nobody of them did."""

    allowed: bool
    scope: str
    uid: int | None
    reason: str
    by: str = "an operator"


@dataclass(frozen=True)
class Open:
    """A question that waits. `keys` are the exact actions that it is about."""

    approval: Approval
    keys: frozenset[str]
    answer: asyncio.Future[Answered]


class Approvals:
    """All open questions, and what was allowed for a session. A restart forgets both."""

    def __init__(self) -> None:
        self._open: dict[str, Open] = {}
        self._granted: dict[tuple[str, str], set[str]] = {}

    def granted(self, session: str, branch: str, keys: frozenset[str]) -> bool:
        """Whether an operator allowed all of these for the session."""
        return bool(keys) and keys <= self._granted.get((session, branch), set())

    def ask(self, approval: Approval, keys: frozenset[str]) -> Open:
        """Open a question. Raises `approval.too_many`."""
        if len(self._open) >= MOST_OPEN:
            raise MesoError(
                "approval.too_many",
                f"{MOST_OPEN} questions wait for the operator already",
                status=503,
                hint="`meso approve` lists them",
            )
        question = Open(approval, keys, asyncio.get_running_loop().create_future())
        self._open[approval.id] = question
        return question

    async def wait(self, question: Open, seconds: float) -> Answered:
        """The answer; no, when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                return await question.answer
        except TimeoutError:
            late = f"no operator answered within {seconds:g} s"
            return Answered(False, "once", None, late, "nobody")
        finally:
            self._open.pop(question.approval.id, None)

    def open(self) -> list[Approval]:
        """What waits, oldest first."""
        return [each.approval for each in self._open.values()]

    def advise(self, approval: str, advice: str) -> None:
        """Show with a question what the security instance thinks of it."""
        if (found := self._open.get(approval)) is not None:
            shown = found.approval.model_copy(update={"advice": advice})
            self._open[approval] = replace(found, approval=shown)

    def settle(self, approval: str, answered: Answered) -> None:
        """Answer a question in an operator's place; one that was answered stays as it is."""
        found = self._open.pop(approval, None)
        if found is not None and not found.answer.done():
            found.answer.set_result(answered)

    def answer(self, approval: str, answer: Answer, uid: int, by: str = "an operator") -> Open:
        """Answer a question. Raises `approval.not_found`."""
        found = self._open.pop(approval, None)
        if found is None or found.answer.done():
            raise MesoError(
                "approval.not_found",
                f"no question {approval!r} waits; it was answered, or its time is over",
                status=404,
                hint="`meso approve` lists those that wait",
            )
        allowed = answer.decision == "allow"
        if allowed and answer.scope == "session":
            place = (found.approval.session, found.approval.branch)
            self._granted.setdefault(place, set()).update(found.keys)
        found.answer.set_result(Answered(allowed, answer.scope, uid, answer.reason, by))
        return found


def new_id() -> str:
    """An id that is short enough to type."""
    return secrets.token_hex(3)


def after(seconds: float) -> str:
    """A time from now, ISO 8601 in UTC."""
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return then.isoformat(timespec="seconds").replace("+00:00", "Z")
