"""The calls of all nodes, one file each; what is written survives a power cut."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from meso_services.contract.edge import CallState, EdgeCall, NewEdgeCall
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log

WAITING: frozenset[CallState] = frozenset({"queued", "delivering"})
# Finished calls are kept for whoever asks what came of them.
KEPT = 1000
_log = Log("meso.proxy.edge")


class Queue:
    """One process owns the directory."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._calls: dict[str, EdgeCall] = {}
        durable.make_directories(place)
        for file in sorted(place.glob("*.json")):
            self._take_up(file)

    def _take_up(self, file: Path) -> None:
        try:
            call = EdgeCall.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            _log.error("a call cannot be read and is left alone", file=file.name)
            return
        self._calls[call.id] = call
        if call.state == "delivering":
            # The process ended while the node had it: sending it again could do it twice.
            self.change(call, state="unknown", problem="the proxy ended while it was delivered")

    def add(self, new: NewEdgeCall, seconds: int, most: int, key: str | None) -> EdgeCall:
        """Keep a call; the same key gives the call that it made. Raises `edge.queue_full`."""
        number = hashlib.sha256(key.encode()).hexdigest()[:16] if key else secrets.token_hex(8)
        if (known := self._calls.get(number)) is not None:
            return self._same(known, new)
        waiting = [c for c in self._calls.values() if c.node == new.node and c.state in WAITING]
        if len(waiting) >= most:
            raise MesoError(
                "edge.queue_full",
                f"{most} calls wait for {new.node} already",
                status=503,
                hint="services.api_proxy.upstreams.queue_max",
                headers={"retry-after": "60"},
            )
        now = datetime.now(UTC)
        call = EdgeCall(
            id=number,
            node=new.node,
            command=new.command,
            arguments=new.arguments,
            state="queued",
            created=now,
            expires=now + timedelta(seconds=new.expires_seconds or seconds),
        )
        self._write(call)
        self._forget()
        return call

    def _same(self, known: EdgeCall, new: NewEdgeCall) -> EdgeCall:
        if (known.node, known.command, known.arguments) != (new.node, new.command, new.arguments):
            raise MesoError(
                "idempotency.conflict", "this key was used for another call", status=409
            )
        return known

    def change(self, call: EdgeCall, **what: object) -> EdgeCall:
        """Write a new state; returns when the disk has it."""
        changed = call.model_copy(update=what)
        self._write(changed)
        return changed

    def get(self, number: str) -> EdgeCall:
        """Raises `edge.not_found`."""
        found = self._calls.get(number)
        if found is None:
            raise MesoError("edge.not_found", f"there is no call {number}", status=404)
        return found

    def listed(self, node: str | None = None, state: str | None = None) -> tuple[EdgeCall, ...]:
        """Oldest first."""
        found = (
            call
            for call in self._calls.values()
            if node in (None, call.node) and state in (None, call.state)
        )
        return tuple(sorted(found, key=lambda call: call.created))

    def cancel(self, number: str) -> EdgeCall:
        """Take a waiting call back. Raises `edge.too_late`."""
        call = self.get(number)
        if call.state != "queued":
            raise MesoError("edge.too_late", f"the call is {call.state}", status=409)
        return self.change(call, state="cancelled")

    def _write(self, call: EdgeCall) -> None:
        path = self._place / f"{call.id}.json"
        try:
            durable.write(path, call.model_dump_json().encode())
        except OSError as problem:
            raise storage_error(problem, path) from problem
        self._calls[call.id] = call

    def _forget(self) -> None:
        """The oldest finished calls leave."""
        finished = [call for call in self.listed() if call.state not in WAITING]
        for call in finished[: max(0, len(finished) - KEPT)]:
            durable.remove(self._place / f"{call.id}.json")
            del self._calls[call.id]
