"""What every service does with requests: one error shape, limits, identity, one log line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest


def talk(path: Path, sent: bytes, seconds: float = 10.0) -> bytes:
    """Send raw bytes and return all that comes until the service closes."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(seconds)
        raw.connect(str(path))
        raw.sendall(sent)
        received = b""
        while piece := raw.recv(65536):
            received += piece
        return received


def test_a_refusal_has_the_one_shape(plain: Any) -> None:
    with plain.client as client:
        reply = client.get("/refuse")
    assert reply.status_code == 418
    assert reply.json() == {
        "error": {
            "code": "demo.teapot",
            "message": "no coffee",
            "hint": "ask for tea",
            "detail": {"a": 1},
        }
    }


@pytest.mark.parametrize(
    ("route", "body", "status", "code"),
    [
        (("GET", "/nowhere"), None, 404, "request.no_such_route"),
        (("GET", "/greeting/"), None, 404, "request.no_such_route"),
        (("DELETE", "/greeting"), None, 405, "request.method_not_allowed"),
        (("POST", "/echo"), b"{", 422, "request.invalid"),
        (("POST", "/echo"), b"\xff\xfe", 422, "request.invalid"),
        (("POST", "/echo"), b'{"words": 1}', 422, "request.invalid"),
        (("POST", "/echo"), b'{"words": "a", "more": "b"}', 422, "request.invalid"),
        (("GET", "/sleep?seconds=x"), None, 422, "request.invalid"),
    ],
)
def test_bad_requests(
    plain: Any, route: tuple[str, str], body: bytes | None, status: int, code: str
) -> None:
    with plain.client as client:
        reply = client.request(*route, content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.headers["x-request-id"]


def test_what_was_sent_is_not_sent_back(plain: Any) -> None:
    """A rejected value may be a secret; the answer names its place only."""
    with plain.client as client:
        reply = client.post("/echo", json={"words": "w", "api_key": "the-secret-value"})
    assert "body.api_key" in reply.text
    assert "the-secret-value" not in reply.text


def test_a_mistake_of_ours_is_a_500_whose_cause_stays_in_the_journal(plain: Any) -> None:
    running = plain
    with running.client as client:
        reply = client.get("/boom", headers={"x-request-id": "my-id.1"})
        assert client.get("/greeting").status_code == 200
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
    assert "RuntimeError" not in reply.text
    assert reply.headers["x-request-id"] == "my-id.1"
    assert "RuntimeError: api_key=[redacted]" in running.log
    assert "request=my-id.1" in running.log
    assert "sk-0123456789abcdef" not in running.log


def test_the_log_has_one_line_per_request(demo: Any) -> None:
    running = demo()
    with running.client as client:
        client.get("/refuse")
        client.get("/healthz")
    lines = [line for line in running.log.splitlines() if "info: request " in line]
    assert len(lines) == 1  # health is asked for all the time and says nothing when all is well
    for fact in ("path=/refuse", "status=418", "code=demo.teapot", "ms=", f"uid={os.getuid()}"):
        assert fact in lines[0]


def test_a_large_body_is_refused_with_and_without_a_length(demo: Any) -> None:
    with demo({"max_body": "64K"}).client as client:
        announced = client.post("/echo", content=b"x" * 65537)
        chunked = client.post(
            "/echo",
            content=(b"x" * 1024 for _ in range(65)),
            headers={"content-type": "application/json"},
        )
        fitting = client.post("/echo", json={"words": "x" * 60_000})
    for reply in (announced, chunked):
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request.too_large")
        assert reply.json()["error"]["detail"]["limit_bytes"] == 65536
    assert fitting.status_code == 200


def test_a_client_that_does_not_finish_its_head_is_let_go(demo: Any) -> None:
    running = demo({"header_seconds": 0.3})
    for sent in (b"", b"GET /greeting HTTP/1.1\r\nhost:"):
        began = time.monotonic()
        assert (b"408" in talk(running.socket, sent)) is True
        assert time.monotonic() - began < 5


def test_a_client_that_stops_in_its_body_is_let_go(demo: Any) -> None:
    running = demo({"idle_seconds": 0.3})
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    answer = talk(running.socket, head + b"content-length: 50\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request.timeout" in answer


def test_a_reader_that_takes_nothing_is_let_go(demo: Any) -> None:
    """An endless answer is not buffered for a client that does not read it."""
    running = demo({"idle_seconds": 0.5})
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(running.socket))
        raw.sendall(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n")
        deadline = time.monotonic() + 15
        while "client.stalled" not in running.log:
            assert time.monotonic() < deadline, running.log
            time.sleep(0.05)
    with running.client as client:
        assert client.get("/greeting").status_code == 200


def test_malformed_http_gets_the_error_shape(plain: Any) -> None:
    running = plain
    assert b"request.malformed" in talk(running.socket, b"\x16\x03\x01 hello\r\n\r\n")
    long = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 70_000
    assert talk(running.socket, long).startswith(b"HTTP/1.1 431")


def test_one_request_too_many_is_told_to_come_back(demo: Any) -> None:
    running = demo({"max_requests": 2})

    def ask(_: int) -> Any:
        with running.client as client:
            return client.get("/sleep", params={"seconds": 3})

    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(ask, range(6)))
    refused = [reply for reply in replies if reply.status_code == 503]
    served = [reply for reply in replies if reply.status_code == 200]
    assert len(refused) + len(served) == 6
    assert 1 <= len(refused) <= 4
    assert {reply.json()["error"]["code"] for reply in refused} == {"service.busy"}
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)


def test_one_connection_too_many_is_refused(demo: Any) -> None:
    running = demo({"max_connections": 3})
    with running.client as client:
        client.get("/greeting")  # whoever asked whether it is up has been let go by now
    held = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    try:
        for one in held:
            one.connect(str(running.socket))
        time.sleep(0.2)
        assert b"service.too_many_connections" in talk(running.socket, b"")
    finally:
        for one in held:
            one.close()
    time.sleep(0.2)
    with running.client as client:
        assert client.get("/greeting").status_code == 200


def test_idle_connections_are_closed(demo: Any) -> None:
    running = demo({"keep_alive_seconds": 1})
    answer = talk(running.socket, b"GET /greeting HTTP/1.1\r\nhost: x\r\n\r\n", 10)
    assert answer.startswith(b"HTTP/1.1 200")


def test_the_peer_is_who_the_kernel_says(plain: Any) -> None:
    """A header cannot claim to be somebody else."""
    with plain.client as client:
        who = client.get("/whoami", headers={"meso.peer": "0", "x-peer-uid": "0"}).json()
    assert (who["pid"], who["uid"], who["gid"]) == (os.getpid(), os.getuid(), os.getgid())
    assert who["groups"] == len(os.getgroups())


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_only_an_operator_may_use_an_operators_route(demo: Any, root: Path) -> None:
    running = demo()
    for place in (root, running.socket.parent.parent, running.socket.parent, running.socket):
        place.chmod(0o777)
    with running.client as client:
        assert client.get("/secret").status_code == 200
    code = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'GET /secret HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n');"
        "print(b''.join(iter(lambda: s.recv(9999), b'')).decode())"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code, str(running.socket)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "403" in asked.stdout
    assert "peer.not_operator" in asked.stdout
