"""uvicorn as systemd wants it: one process, an inherited socket, notifications, a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn

from meso_services.runtime.doors import Door, serve_door
from meso_services.runtime.limits import Gate
from meso_services.runtime.logging import Log
from meso_services.runtime.notify import Notifier
from meso_services.runtime.protocol import MAX_HEAD, ConnectionLimits, MesoProtocol

# uvicorn refreshes the Date header with each tick, so a tick lasts no longer than a second.
TICK_SECONDS = 1.0
_log = Log("meso.server")


@dataclass(frozen=True)
class Owner:
    """What the server asks of whoever runs it."""

    limits: Callable[[], ConnectionLimits]
    reload: Callable[[], Awaitable[None]]
    status: Callable[[], str]
    idle: Callable[[], bool]
    drain_seconds: int
    doors: Sequence[tuple[Door, socket.socket]] = ()


class Server(uvicorn.Server):
    """Serves the gate, and keeps systemd informed."""

    def __init__(
        self,
        gate: Gate,
        notifier: Notifier,
        owner: Owner,
    ) -> None:
        # A class of its own for each server: uvicorn makes one object of it per connection.
        self._protocol: type[MesoProtocol] = type(
            "Protocol", (MesoProtocol,), {"limits": staticmethod(owner.limits)}
        )
        config = uvicorn.Config(
            gate,
            http=self._protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_graceful_shutdown=owner.drain_seconds,
        )
        super().__init__(config)
        self._notifier = notifier
        self._owner = owner
        self._wake = asyncio.Event()
        self._reload_asked = False
        self._doors: list[asyncio.AbstractServer] = []
        self._tick = min(TICK_SECONDS, (notifier.watchdog_seconds or 60) / 3)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._doors = [await serve_door(door, listener) for door, listener in self._owner.doors]
        self._notifier.ready(self._owner.status())
        _log.info("ready", status=self._owner.status())

    async def main_loop(self) -> None:
        # This loop is the only sender of the watchdog's sign: it proves that the loop turns.
        while not await self.on_tick(0):
            if self._notifier.watchdog_seconds:
                self._notifier.alive()
            if self._reload_asked:
                await self._do_reload()
            if self._owner.idle():
                _log.info("nobody asks; systemd starts this again when somebody does")
                self._stop()
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._tick)
            self._wake.clear()

    async def _do_reload(self) -> None:
        self._reload_asked = False
        self._notifier.reloading()
        try:
            await self._owner.reload()
        except Exception as problem:
            _log.exception("the reload failed; the old state goes on serving", problem)
        self._notifier.ready(self._owner.status())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._notifier.stopping()
        self._protocol.draining = True
        for listening in self._doors:
            listening.close()
        await super().shutdown(sockets)
        for door, _ in self._owner.doors:
            await door.close()
        if unfinished := len(self.server_state.tasks):
            _log.warning("stopped before these requests were finished", requests=unfinished)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals reach the loop, not whatever code happens to run; a stop ends with exit code 0.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._ask_reload)
        yield

    def _stop(self, *_: Any) -> None:
        self.should_exit = True
        self._wake.set()

    def _ask_reload(self) -> None:
        self._reload_asked = True
        self._wake.set()
