"""The door itself: one connection comes in, is looked at, and goes out or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from meso_services.api_proxy.egress import tunnel
from meso_services.api_proxy.egress.addresses import Address, Dialer
from meso_services.api_proxy.egress.connect import END, MAX_HEAD, Connect, no_token, parse
from meso_services.api_proxy.egress.grants import GrantBook, Held
from meso_services.api_proxy.egress.hosts import Host, Rule, allowed
from meso_services.runtime.errors import MesoError, standard_body
from meso_services.runtime.logging import Log
from meso_services.runtime.peer import peer_of

HEAD_SECONDS = 10.0
# Connections that have not shown a token yet; beyond it nobody is listened to.
MAX_STRANGERS = 64
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_log = Log("meso.proxy.egress")
Audit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Policy:
    """What the operator allows, and the bounds."""

    rules: tuple[Rule, ...] = ()
    dialer: Dialer = field(default_factory=Dialer)
    max_tunnels: int = 64
    max_tunnels_each: int = 16
    bounds: tunnel.Bounds = field(default_factory=lambda: tunnel.Bounds(2**30, 3600.0, 120.0))


class EgressDoor:
    """`/run/meso/egress.sock`. Lives as long as the process; `policy` is set by each reload."""

    name = "egress"

    def __init__(self, grants: GrantBook, audit: Audit) -> None:
        self.policy = Policy()
        self._grants = grants
        self._audit = audit
        self._strangers = 0
        self._tunnels = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        peer = peer_of(writer.get_extra_info("socket"))
        visit = Visit(uid=peer.uid if peer else None)
        try:
            await self._serve(reader, writer, visit)
        except MesoError as problem:
            visit.code = problem.code
            self._write_down("refused", visit)
            await _answer(writer, problem)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Gone, or ended with its grant: there is nobody to tell.
            visit.code = "egress.gone"
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def close(self) -> None:
        """End every grant and with it every connection."""
        self._grants.end_all()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, visit: Visit
    ) -> None:
        asked = await self._ask(reader)
        visit.host = asked.host
        held = visit.held = self._grants.find(asked.token)
        if held is None:
            raise no_token("no grant has this token, or its time is over")
        self._check(held, asked.host)
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 (asyncio serves a connection in a task)
        held.tunnels.add(task)
        self._tunnels += 1
        try:
            await self._open(reader, writer, visit, held)
        finally:
            self._tunnels -= 1
            held.tunnels.discard(task)

    async def _ask(self, reader: asyncio.StreamReader) -> Connect:
        if self._strangers >= MAX_STRANGERS:
            raise _busy("too many connections are at the door")
        self._strangers += 1
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(END)
        except TimeoutError:
            raise MesoError("egress.slow", "the request is not complete", status=408) from None
        except asyncio.LimitOverrunError:
            raise _too_long() from None
        finally:
            self._strangers -= 1
        if len(head) > MAX_HEAD:
            raise _too_long()
        return parse(head)

    def _check(self, held: Held, host: Host) -> None:
        policy = self.policy
        if not held.covers(host):
            raise MesoError(
                "egress.not_granted",
                f"the grant does not name {host}",
                status=403,
                hint="the policy of the tool says which hosts it may reach",
            )
        if not allowed(policy.rules, host):
            raise MesoError(
                "egress.not_allowed",
                f"the operator does not allow {host}",
                status=403,
                hint="services.api_proxy.egress.allow names the hosts",
            )
        if self._tunnels >= policy.max_tunnels or len(held.tunnels) >= policy.max_tunnels_each:
            raise _busy("too many connections are open through the door")

    async def _open(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        visit: Visit,
        held: Held,
    ) -> None:
        policy, host = self.policy, visit.host
        assert host is not None  # noqa: S101 (set with the request)
        dialled, visit.address = await policy.dialer.dial(host)
        far_reader, far_writer = await _streams(dialled)
        self._write_down("opened", visit)
        bounds = policy.bounds
        seconds = min(bounds.seconds, self._grants.left(held))
        try:
            writer.write(OPENED)
            await tunnel.carry(
                (reader, writer),
                (far_reader, far_writer),
                tunnel.Bounds(bounds.max_bytes, seconds, bounds.idle_seconds),
                visit.flow,
            )
        except asyncio.CancelledError:
            # The grant ended, or the service stops; the connection's task ends in order.
            visit.flow.why = "ended"
        finally:
            far_writer.close()
            self._write_down("closed", visit)

    def _write_down(self, event: str, visit: Visit) -> None:
        line = {"kind": "egress", "event": event, **visit.facts()}
        self._audit(line)
        _log.info(
            f"egress {event}", **{k: v for k, v in line.items() if k not in ("kind", "event")}
        )


@dataclass
class Visit:
    """One connection, as the audit tells it."""

    uid: int | None
    held: Held | None = None
    host: Host | None = None
    address: Address | None = None
    code: str = ""
    flow: tunnel.Flow = field(default_factory=tunnel.Flow)
    began: float = field(default_factory=time.monotonic)

    def facts(self) -> dict[str, Any]:
        """Without what is not known."""
        known = {
            "uid": self.uid,
            "grant": self.held.id if self.held else None,
            "caller": self.held.caller if self.held else None,
            "host": str(self.host) if self.host else None,
            "address": str(self.address) if self.address else None,
            "code": self.code or None,
            "up": self.flow.up or None,
            "down": self.flow.down or None,
            "ended_by": self.flow.why or None,
            "seconds": round(time.monotonic() - self.began, 3),
        }
        return {name: value for name, value in known.items() if value is not None}


async def _streams(
    connected: socket.socket,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(sock=connected)
    except BaseException:
        connected.close()
        raise


async def _answer(writer: asyncio.StreamWriter, error: MesoError) -> None:
    body = json.dumps(standard_body(error, "")).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **error.headers,
    }
    head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(HEAD_SECONDS):
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()


def _busy(why: str) -> MesoError:
    return MesoError("egress.busy", why, status=503, headers={"retry-after": "1"})


def _too_long() -> MesoError:
    return MesoError(
        "egress.malformed", f"the request's head is longer than {MAX_HEAD} bytes", status=431
    )
