"""Clients that are slow: each has a clear end, holds little memory, and holds nobody else up."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from meso_host.bench.proxy import resident
from meso_host.testing.model_api import running
from tests.services.api_proxy.conftest import both

PATHS = {"/v1/messages": "claude-x", "/v1/chat/completions": "gpt-x"}
LONG = 400_000
MIB = 80.0


@pytest.fixture(scope="module")
def proxy(shared_service: Any) -> Iterator[Any]:
    with running(remember=False) as api:
        limits = {"requests_per_minute": 0}
        yield shared_service("api-proxy", {**both(api.url), "idle_seconds": 2.0, "limits": limits})


def connected(proxy: Any) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.settimeout(60)
    found.connect(str(proxy.socket))
    return found


def head(path: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: meso\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def body(model: str, text: str, **more: Any) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "max_tokens": 9, "messages": messages, **more}).encode()


def everything(connection: socket.socket) -> bytes:
    got = b""
    while piece := connection.recv(65536):
        got += piece
    return got


def is_served(proxy: Any) -> None:
    with proxy.client as client:
        assert client.post("/v1/messages", content=body("claude-x", "hi")).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_who_stops_in_the_middle_of_a_request_is_told_so(proxy: Any, path: str) -> None:
    with connected(proxy) as connection:
        connection.sendall(head(path, 1000) + b'{"model": ')
        is_served(proxy)
        got = everything(connection)
    assert got.startswith(b"HTTP/1.1 408 ")
    error = json.loads(got.partition(b"\r\n\r\n")[2])
    assert error["error"]["code"] == "request.timeout"
    assert ("type" in error) == (path == "/v1/messages")


def test_who_does_not_read_a_long_answer_is_dropped_and_costs_no_memory(proxy: Any) -> None:
    """The upstream has megabytes to say; what the client does not take, the proxy does not."""
    asked = body("claude-x", f"SAY {LONG}", stream=True)
    connections = [connected(proxy) for _ in range(8)]
    try:
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head("/v1/messages", len(asked)) + asked)
        most, deadline = 0.0, time.monotonic() + 60
        while running_now(proxy) and time.monotonic() < deadline:
            most = max(most, resident(proxy.process.pid))
            is_served(proxy)
            time.sleep(0.1)
        assert running_now(proxy) == 0, "they are held for ever"
        assert most < MIB
    finally:
        for connection in connections:
            connection.close()


def running_now(proxy: Any) -> int:
    with proxy.client as client:
        return int(client.get("/v1/proxy/top").json()["running"])


def test_a_strangers_body_is_not_waited_for(service: Any) -> None:
    """Without a key that is known nothing is held in memory; the answer arrives all the same,
    also where the body comes after the head, in pieces."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running() as api:
        service("api-proxy", {**both(api.url), "tcp_port": port})
        for path in PATHS:
            with socket.create_connection(("127.0.0.1", port), 60) as connection:
                connection.sendall(head(path, 30_000_000) + b'{"model": ')
                got = everything(connection)
            assert got.startswith(b"HTTP/1.1 401 ")
            error = json.loads(got.partition(b"\r\n\r\n")[2])
            assert error["error"]["code"] == "client.unknown_key"
            with socket.create_connection(("127.0.0.1", port), 60) as connection:
                connection.sendall(head(path, 500_000))
                for _ in range(50):
                    time.sleep(0.005)
                    connection.sendall(b"x" * 10_000)
                assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert api.asked == []
