"""Messages of the API proxy's way to edge nodes: commands, queued while a node is offline."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from meso_services.contract.common import JsonObject, Message

CallState = Literal["queued", "delivering", "done", "failed", "expired", "unknown", "cancelled"]
Value = bool | int | float | str


class NewEdgeCall(Message):
    """A command for a node (`POST /v1/edge/calls`). The node's model is never asked anything."""

    node: str = Field(min_length=1, max_length=32, description="Name of the upstream")
    command: str = Field(min_length=1, max_length=128, description="A command it declares")
    arguments: dict[str, Value] = Field(default_factory=dict, max_length=32)
    expires_seconds: int | None = Field(default=None, ge=1, le=2_592_000)


class EdgeCall(Message):
    """A command and how it went. `unknown`: it was sent, and the node did not say what came of
    it; it is not sent again, since it may have been carried out."""

    id: str
    node: str
    command: str
    arguments: dict[str, Value]
    state: CallState
    created: datetime
    expires: datetime
    tries: int = 0
    problem: str = ""
    result: JsonObject | None = None


class EdgeCalls(Message):
    """Commands, oldest first (`GET /v1/edge/calls`)."""

    calls: tuple[EdgeCall, ...]
