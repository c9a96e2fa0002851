"""Messages of the API proxy's egress door: who may reach which host, and until when.

The door is `/run/meso/egress.sock`. It speaks HTTP CONNECT and wants the grant's token:
`Proxy-Authorization: Bearer TOKEN`, or Basic with the token as password.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from meso_services.contract.common import Message

MAX_HOSTS = 64
MAX_SECONDS = 86_400
# `name`, `name:port`, `*.name`, an IPv4 address, or an IPv6 address in brackets. No port: 443.
HOST = (
    r"^(?:(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_]"
    r"(?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$"
)


class GrantRequest(Message):
    """Ask for a token (`POST /v1/egress/grants`).

    Only the services that act for others may: the tool executor and the operon loader.
    """

    caller: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9._:/@-]+$",
        description="Whom it is for, as the audit will say: `session/branch/call`",
    )
    hosts: tuple[str, ...] = Field(
        min_length=1,
        max_length=MAX_HOSTS,
        description="`host` or `host:port`; `*.example.org` is every name below it",
    )
    seconds: int = Field(gt=0, le=MAX_SECONDS, description="How long the token counts")


class Grant(Message):
    """A token for the door. Whoever holds it may reach these hosts; it is shown only here."""

    id: str = Field(description="What the audit calls the grant")
    token: str
    hosts: tuple[str, ...]
    expires: datetime


class GrantEnded(Message):
    """Answer of `DELETE /v1/egress/grants/{token}`; also for a token that was gone already."""

    ended: bool
    connections_closed: int = 0
