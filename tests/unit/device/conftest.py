"""A small appliance in a directory: its files, and services that answer on real sockets."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from meso_services.boot.machine import SERVICES, Machine

Serve = Callable[[str, dict[str, Any], int], None]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def health(state: str, *checks: dict[str, Any]) -> dict[str, Any]:
    """A health report as the services give it."""
    return {"schema": 1, "version": "1", "generation": "g", "state": state, "checks": list(checks)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """The tree of an appliance that runs version 7."""
    made = Machine(tmp_path)
    for directory in (made.records, made.sockets, made.entries, made.panics):
        directory.mkdir(parents=True)
    put(made.release, 'ID=debian\nIMAGE_ID=meso\nIMAGE_VERSION="7"\n')
    put(made.command_line, "quiet roothash=abcd panic=10\n")
    put(made.boot_id, "boot-1\n")
    return made


def put(path: Path, text: str) -> None:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def serve(machine: Machine) -> Iterator[Serve]:
    """Starts a service that answers every GET with one JSON document."""
    servers: list[_Server] = []

    def start(service: str, body: dict[str, Any], status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def address_string(self) -> str:
                return "local"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        server = _Server(str(machine.socket(service)), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def all_well(serve: Serve) -> None:
    """All six services are there and well."""
    for service in SERVICES:
        serve(service, health("ok"), 200)
