"""Calls: from the request to the result, with what the policy, an operator and the audit say."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from meso_services.contract import tools as wire
from meso_services.contract.common import ErrorInfo
from meso_services.contract.tools_policy import Decision
from meso_services.runtime.errors import MesoError
from meso_services.tool_executor.events import Events

# What is remembered of all calls that have ended, and how many may be on their way.
_MOST_REMEMBERED = 64 << 20
_MOST_RUNNING = 256
FINAL = frozenset({"completed", "failed", "refused", "cancelled"})


def now() -> str:
    """ISO 8601 in UTC."""
    time = datetime.datetime.now(datetime.UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Call:
    """One call while it runs, and for a while afterwards."""

    request: wire.CallRequest
    uid: int | None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: wire.CallState = "waiting"
    asked_at: str = field(default_factory=now)
    ended_at: str | None = None
    decision: Decision | None = None
    approval: str | None = None
    result: dict[str, Any] | None = None
    fault: MesoError | None = None
    task: asyncio.Task[None] | None = None
    _events: Events = field(default_factory=Events)
    _size: int = 0
    key: str = ""

    @property
    def ended(self) -> bool:
        return self.state in FINAL

    @property
    def size(self) -> int:
        """Characters that are remembered of it, about."""
        return self._size + self._events.size

    def reply(self) -> wire.CallReply:
        """The call as it is now."""
        request, fault = self.request, self.fault
        return wire.CallReply(
            id=self.id,
            session=request.session,
            branch=request.branch,
            tool=request.tool,
            state=self.state,
            background=request.background,
            asked_at=self.asked_at,
            ended_at=self.ended_at,
            decision=self.decision,
            approval=self.approval,
            result=self.result,
            error=fault and ErrorInfo(
                code=fault.code, message=fault.message, hint=fault.hint, detail=fault.detail
            ),
        )  # fmt: skip

    def output(self, stream: Any, text: str) -> None:
        """A piece of output. Of a flood, whoever comes late sees only the beginning."""
        self._events.say(wire.CallOutput(call_id=self.id, stream=stream, text=text))

    def change(self, state: wire.CallState, message: str = "") -> None:
        """Another state, said to those who follow."""
        self.state = state
        if self.ended:
            self.ended_at, self.approval = now(), None
            self._size += len(self.request.model_dump_json())
            self._size += len(json.dumps(self.result)) + len(json.dumps(_detail(self.fault)))
            self._events.say(wire.CallResult(call=self.reply()))
        else:
            self._events.say(
                wire.CallProgress(
                    call_id=self.id, state=state, message=message, approval=self.approval
                )
            )

    async def follow(self) -> AsyncIterator[wire.CallEvent]:
        """All events from the beginning, up to the result."""
        yield wire.CallStarted(call_id=self.id)
        async for event in self._events.follow():
            yield event

    async def wait(self) -> None:
        """Return when it has ended."""
        if self.task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self.task)


def _detail(fault: MesoError | None) -> Any:
    return None if fault is None else fault.detail


class Calls:
    """The calls that run, and the latest that have ended."""

    def __init__(self, most_ended: int = 500) -> None:
        self._calls: dict[str, Call] = {}
        self._by_key: dict[tuple[int | None, str], Call] = {}
        self._running: dict[str, Call] = {}
        # Those that have ended, the oldest first, and how much is remembered of each.
        self._ended: dict[str, int] = {}
        self._remembered = 0
        self._most_ended = most_ended

    def known(self, uid: int | None, key: str | None, request: wire.CallRequest) -> Call | None:
        """The call that was made under this key. Raises `idempotency.conflict`."""
        found = self._by_key.get((uid, key)) if key else None
        if found is not None and found.request != request:
            raise MesoError(
                "idempotency.conflict",
                "this key was used for another call",
                status=409,
                hint="use a fresh key for each call",
            )
        return found

    def add(self, call: Call, key: str | None) -> None:
        """Remember a call; forget the oldest of those that have ended.

        Raises `tools.too_many_calls` when as many as may be are on their way.
        """
        self._settle()
        if len(self._running) >= _MOST_RUNNING:
            raise MesoError(
                "tools.too_many_calls",
                f"{_MOST_RUNNING} calls are on their way already",
                status=503,
                hint="wait for some of them, or cancel some: `meso tool calls`",
            )
        self._calls[call.id] = self._running[call.id] = call
        if key:
            call.key = key
            self._by_key[call.uid, key] = call

    def _settle(self) -> None:
        """Count those that have ended since, and forget the oldest of them."""
        for one in [one for one in self._running.values() if one.ended]:
            del self._running[one.id]
            self._ended[one.id] = one.size
            self._remembered += one.size
        while self._ended and (
            len(self._ended) > self._most_ended or self._remembered > _MOST_REMEMBERED
        ):
            oldest = next(iter(self._ended))
            self._remembered -= self._ended.pop(oldest)
            gone = self._calls.pop(oldest)
            if gone.key:
                del self._by_key[gone.uid, gone.key]

    def get(self, call: str) -> Call:
        """A call by its id. Raises `tools.no_such_call`."""
        if call not in self._calls:
            raise MesoError(
                "tools.no_such_call",
                f"there is no call {call!r}",
                status=404,
                hint="GET /v1/calls lists those that run and the latest; the audit has all",
            )
        return self._calls[call]

    def list(self, session: str | None) -> list[Call]:
        """Newest first."""
        found = [c for c in self._calls.values() if session in (None, c.request.session)]
        return found[::-1]

    async def cancel(self, call: Call) -> None:
        """Stop a call; return when everything of it is gone."""
        if call.task is not None and not call.task.done():
            call.task.cancel()
            await asyncio.wait([call.task])
