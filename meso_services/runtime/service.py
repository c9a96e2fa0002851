"""Run a service: arguments, settings, socket, and the life between ready and stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from starlette.types import ASGIApp

from meso_services.runtime import logging
from meso_services.runtime.configuration import load_settings
from meso_services.runtime.context import Context, Kept
from meso_services.runtime.doors import Door, no_doors, no_listeners
from meso_services.runtime.errors import MesoError, standard_body
from meso_services.runtime.health import Check, Finding
from meso_services.runtime.limits import ErrorBody, Gate, Live, RequestLimits
from meso_services.runtime.notify import Notifier
from meso_services.runtime.paths import Paths
from meso_services.runtime.protocol import ConnectionLimits
from meso_services.runtime.server import Owner, Server
from meso_services.runtime.settings import ServiceSettings
from meso_services.runtime.sockets import Sockets
from meso_services.runtime.version import VERSION

S = TypeVar("S", bound=ServiceSettings)
_log = logging.Log("meso.service")


@dataclass(frozen=True)
class Service(Generic[S]):
    """What makes a service one: its id, its settings model and how its application is built.

    `build` may block (it opens stores and repairs them); the service is ready when it returns.
    `doors` are further sockets with a protocol of their own, `listeners` further ones for the
    same application (a caller there has no peer); both live as long as the process.
    """

    id: str
    settings: type[S]
    build: Callable[[Context[S]], ASGIApp]
    error_body: ErrorBody = standard_body
    doors: Callable[[Context[S]], Sequence[Door]] = no_doors
    listeners: Callable[[Context[S]], Sequence[socket.socket]] = no_listeners
    # Seconds without a request after which the process ends, for units that systemd starts on
    # demand; None stays.
    idle_exit: Callable[[S], float | None] = lambda _: None


def main(service: Service[S], arguments: Sequence[str] | None = None) -> None:
    """Run `service` until it is told to stop; exit 1 with one clear line if it cannot start."""
    # Until the loop listens for it: the configuration is about to be read anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    options = _parse(service.id, arguments)
    logging.configure(f"meso-{service.id}", "info")
    paths = Paths(options.root.resolve())
    try:
        runner = Runner(service, paths)
        runner.serve(options.socket or paths.socket(service.id))
    except MesoError as problem:
        _log.error(problem.message, code=problem.code, hint=problem.hint or None)
        sys.exit(1)


def _parse(service: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"meso-{service}", description="A service of MESO OS; systemd starts it."
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="directory that stands for / (development and tests)",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="socket to serve on when systemd passes none (default: DIR/run/meso/ID.sock)",
    )
    return parser.parse_args(arguments)


class Runner(Generic[S]):
    """Holds the live state of one service's process."""

    def __init__(self, service: Service[S], paths: Paths) -> None:
        self._service = service
        self._paths = paths
        self._kept = Kept()
        self._notifier = Notifier.from_environment()
        self._context = self._read()
        self._gate = Gate(self._live(self._context))

    def serve(self, socket_path: Path) -> None:
        """Serve until SIGTERM or SIGINT; then finish what runs, within the drain time."""
        passed = Sockets()
        listener = passed.take(socket_path)
        # Beside the service's own socket, wherever that is.
        doors = [
            (door, passed.take(socket_path.with_name(f"{door.name}.sock")))
            for door in self._service.doors(self._context)
        ]
        passed.finish()
        more = self._service.listeners(self._context)
        server = Server(
            self._gate,
            self._notifier,
            Owner(
                limits=self._connection_limits,
                reload=self._reload,
                status=self._status,
                idle=self._idle,
                drain_seconds=self._context.settings.drain_seconds,
                doors=doors,
            ),
        )
        try:
            asyncio.run(server.serve([listener, *more]))
        finally:
            self._kept.close()
        _log.info("stopped")

    def _read(self) -> Context[S]:
        loaded = load_settings(self._service.settings, self._service.id, self._paths)
        logging.configure(f"meso-{self._service.id}", loaded.settings.log_level)
        return Context(
            service=self._service.id,
            version=VERSION,
            generation=loaded.generation,
            settings=loaded.settings,
            paths=self._paths,
            kept=self._kept,
        )

    def _live(self, context: Context[S]) -> Live:
        settings = context.settings
        limits = RequestLimits(settings.max_body, settings.max_requests, settings.idle_seconds)
        return Live(self._service.build(context), limits, self._service.error_body)

    async def _reload(self) -> None:
        """Swap in what the configuration says now; requests that run keep what they have.

        A configuration that cannot be used changes nothing: the old one goes on serving, and
        health says so until a good one is read.
        """
        try:
            context = await asyncio.to_thread(self._read)
            live = await asyncio.to_thread(self._live, context)
        except Exception as problem:
            reason = _refused(problem)
            context = replace(self._context, own_checks=(_stale(reason),))
            live = await asyncio.to_thread(self._live, context)
        self._context, self._gate.live = context, live
        _log.info("reloaded", generation=context.generation)

    def _connection_limits(self) -> ConnectionLimits:
        settings = self._context.settings
        return ConnectionLimits(
            settings.max_connections, settings.header_seconds, settings.keep_alive_seconds
        )

    def _idle(self) -> bool:
        allowed = self._service.idle_exit(self._context.settings)
        return allowed is not None and self._gate.idle_seconds() >= allowed

    def _status(self) -> str:
        return f"Serving generation {self._context.generation}"


def _refused(problem: Exception) -> str:
    if isinstance(problem, MesoError):
        _log.error("kept the old configuration", code=problem.code, reason=problem.message)
        return problem.message
    _log.exception("kept the old configuration", problem)
    return f"{type(problem).__name__}; the journal has the details"


def _stale(reason: str) -> Check:
    async def run() -> Finding:
        return Finding(False, f"the last reload was refused: {reason}")

    return Check("configuration", run, required=False)
