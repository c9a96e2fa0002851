"""The egress door over its real socket: CONNECT, tokens, the operator's list, bounds, audit."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Echo(threading.Thread):
    """A TCP server on loopback that gives back what it gets."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        super().__init__(daemon=True)
        address = "127.0.0.1" if family == socket.AF_INET else "::1"
        self.listener = socket.create_server((address, 0), family=family)
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    server.start()
    yield server
    server.listener.close()


def egress(echo: Echo, **more: Any) -> dict[str, Any]:
    allow = [f"localhost:{echo.port}", f"127.0.0.1:{echo.port}"]
    networks = ["127.0.0.0/8", "::1/128"]
    return {"egress": {"allow": allow, "networks": networks, **more}}


def grant(proxy: Any, *hosts: str, seconds: int = 60) -> str:
    with proxy.client as client:
        wanted = {"caller": "s1/main/c1", "hosts": hosts, "seconds": seconds}
        given = client.post("/v1/egress/grants", json=wanted)
        assert given.status_code == 201, given.text
        token: str = given.json()["token"]
        return token


def door(proxy: Any) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(15)
    made.connect(str(proxy.socket.with_name("egress.sock")))
    return made


def connect(proxy: Any, host: str, token: str) -> tuple[socket.socket, int, str]:
    """The connection, the answer's status and its body."""
    made = door(proxy)
    made.sendall(
        f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n"
        f"Proxy-Authorization: Bearer {token}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = made.recv(4096)
        if not data:
            break
        answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    while status != 200 and (data := made.recv(4096)):
        body += data
    return made, status, body.decode()


def audit(proxy: Any, wanted: int) -> list[dict[str, Any]]:
    """The audit's lines, once there are that many."""
    deadline = time.monotonic() + 10
    while True:
        files = sorted((proxy.root / "var/lib/meso/api-proxy/audit").glob("audit-*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        if len(lines) >= wanted:
            return lines
        assert time.monotonic() < deadline, lines
        time.sleep(0.05)


def test_bytes_go_both_ways_and_leave_two_lines(service: Any, echo: Echo) -> None:
    proxy = service("api-proxy", egress(echo))
    token = grant(proxy, f"localhost:{echo.port}")
    made, status, _ = connect(proxy, f"localhost:{echo.port}", token)
    assert status == 200
    sent = os.urandom(300_000)
    threading.Thread(target=made.sendall, args=[sent]).start()
    got = b""
    while len(got) < len(sent):
        got += made.recv(65536)
    assert got == sent
    made.shutdown(socket.SHUT_WR)
    assert made.recv(1) == b""
    opened, closed = audit(proxy, 2)
    assert (opened["event"], closed["event"]) == ("opened", "closed")
    assert (closed["caller"], closed["host"]) == ("s1/main/c1", f"localhost:{echo.port}")
    assert closed["up"] == closed["down"] == len(sent)
    assert closed["address"] in ("127.0.0.1", "::1")
    assert token not in json.dumps([opened, closed]) + proxy.log


def test_a_real_client_uses_it_as_its_proxy(service: Any, root: Path, tmp_path: Path) -> None:
    """httpx through a forwarder on 127.0.0.1, as the executor's sandbox has one."""
    handler = http.server.SimpleHTTPRequestHandler
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        rules = {"allow": [f"localhost:{server.server_port}"], "networks": ["127.0.0.0/8"]}
        proxy = service("api-proxy", {"egress": rules})
        host = f"localhost:{server.server_port}"
        made, status, _ = connect(proxy, host, grant(proxy, host))
        assert status == 200
        made.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert made.recv(15) == b"HTTP/1.0 200 OK"
        server.shutdown()


def test_who_may_not_gets_no_further(service: Any, echo: Echo) -> None:
    """Each refusal has its own code, and nothing is opened."""
    proxy = service("api-proxy", egress(echo))
    here = f"localhost:{echo.port}"
    token = grant(proxy, here, "10.1.2.3", f"127.0.0.2:{echo.port}")
    for host, given, status, code in (
        (here, "x" * 43, 407, "egress.no_token"),
        ("example.org:443", token, 403, "egress.not_granted"),
        (f"127.0.0.2:{echo.port}", token, 403, "egress.not_allowed"),
        ("10.1.2.3:443", token, 403, "egress.not_allowed"),
        (f"LOCALHOST.:{echo.port}", token, 200, ""),
    ):
        _, got, body = connect(proxy, host, given)
        assert got == status, (host, body)
        assert code in body
    refused = [line["code"] for line in audit(proxy, 5) if line["event"] == "refused"]
    assert refused == ["egress.no_token", "egress.not_granted", "egress.not_allowed",
                       "egress.not_allowed"]  # fmt: skip


def test_addresses_that_are_not_public_are_refused(service: Any, echo: Echo) -> None:
    rules = {"allow": ["*", f"*:{echo.port}"]}
    proxy = service("api-proxy", {"egress": rules})
    private = ["10.0.0.1:443", "169.254.169.254:443", f"localhost:{echo.port}", "[fe80::1]:443",
               "[::ffff:127.0.0.1]:443", "[fd00::1]:443"]  # fmt: skip
    token = grant(proxy, *private)
    for host in private:
        _, status, body = connect(proxy, host, token)
        assert (status, "egress.address_private" in body) == (403, True), (host, body)


def test_an_ended_grant_closes_its_connections(service: Any, echo: Echo) -> None:
    proxy = service("api-proxy", egress(echo))
    here = f"localhost:{echo.port}"
    token = grant(proxy, here)
    made, _, _ = connect(proxy, here, token)
    with proxy.client as client:
        ended = client.delete(f"/v1/egress/grants/{token}").json()
        assert ended == {"ended": True, "connections_closed": 1}
        assert client.delete(f"/v1/egress/grants/{token}").json()["ended"] is False
    assert made.recv(1) == b""
    assert connect(proxy, here, token)[1] == 407


def test_a_grant_ends_with_its_time(service: Any, echo: Echo) -> None:
    proxy = service("api-proxy", egress(echo))
    here = f"localhost:{echo.port}"
    token = grant(proxy, here, seconds=1)
    made, status, _ = connect(proxy, here, token)
    assert status == 200
    assert made.recv(1) == b""  # the connection ends with the grant
    assert connect(proxy, here, token)[1] == 407


@pytest.mark.parametrize(
    ("bound", "why"), [({"max_bytes": "64K"}, "bytes"), ({"idle_seconds": 0.5}, "idle")]
)
def test_a_connection_ends_at_its_bounds(
    service: Any, echo: Echo, bound: dict[str, Any], why: str
) -> None:
    proxy = service("api-proxy", egress(echo, **bound))
    here = f"localhost:{echo.port}"
    made, _, _ = connect(proxy, here, grant(proxy, here))
    if why == "bytes":
        made.sendall(b"x" * 70_000)
    while made.recv(65536):
        pass
    assert audit(proxy, 2)[-1]["ended_by"] == why


def test_concurrency_is_bounded(service: Any, echo: Echo) -> None:
    proxy = service("api-proxy", egress(echo, max_tunnels=3, max_tunnels_each=2))
    here = f"localhost:{echo.port}"
    one, two = grant(proxy, here), grant(proxy, here)
    held = [connect(proxy, here, one), connect(proxy, here, one)]
    assert connect(proxy, here, one)[1] == 503
    held.append(connect(proxy, here, two))
    assert connect(proxy, here, two)[1] == 503
    assert [status for _, status, _ in held] == [200] * 3
    held[0][0].close()
    deadline = time.monotonic() + 5
    while connect(proxy, here, two)[1] != 200:
        assert time.monotonic() < deadline


def test_a_stranger_learns_nothing_and_holds_nothing_up(service: Any, echo: Echo) -> None:
    """Garbage, an endless head and a silent connection; the next one is served."""
    proxy = service("api-proxy", egress(echo))
    for raw in (b"\0" * 100 + b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A" * 200_000):
        with door(proxy) as made:
            made.sendall(raw)
            assert made.recv(12)[:9] == b"HTTP/1.1 "
    silent = [door(proxy) for _ in range(20)]
    here = f"localhost:{echo.port}"
    assert connect(proxy, here, grant(proxy, here))[1] == 200
    for made in silent:
        made.close()
    assert proxy.process.poll() is None


def test_an_upstream_that_is_not_there_is_a_502(service: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    rules = {"allow": [f"127.0.0.1:{port}", "no.such.name.invalid"], "networks": ["127.0.0.1"]}
    proxy = service("api-proxy", {"egress": rules})
    token = grant(proxy, f"127.0.0.1:{port}", "no.such.name.invalid")
    _, status, body = connect(proxy, f"127.0.0.1:{port}", token)
    assert (status, "egress.unreachable" in body) == (502, True)
    _, status, body = connect(proxy, "no.such.name.invalid:443", token)
    assert (status, "egress.name_unknown" in body) == (502, True)


def test_a_reload_changes_what_is_allowed(service: Any, echo: Echo) -> None:
    proxy = service("api-proxy", egress(echo))
    here = f"localhost:{echo.port}"
    token = grant(proxy, here)
    kept, _, _ = connect(proxy, here, token)
    proxy.configure({"egress": {"allow": []}})
    proxy.reload()
    assert connect(proxy, here, token)[1] == 403
    kept.sendall(b"on")
    assert kept.recv(2) == b"on"  # what is open stays open


def test_a_grant_takes_only_hosts(service: Any) -> None:
    proxy = service("api-proxy")
    with proxy.client as client:
        for hosts in (["a b"], ["http://x"], ["x:99999"], [], ["*.1.2.3.4"]):
            wanted = {"caller": "c", "hosts": hosts, "seconds": 5}
            assert client.post("/v1/egress/grants", json=wanted).status_code == 422, hosts


def test_a_stop_ends_open_connections(service: Any, echo: Echo) -> None:
    proxy = service("api-proxy", egress(echo))
    here = f"localhost:{echo.port}"
    made, _, _ = connect(proxy, here, grant(proxy, here))
    began = time.monotonic()
    assert proxy.stop() == 0
    assert time.monotonic() - began < 8
    assert made.recv(1) == b""
    assert audit(proxy, 2)[-1]["ended_by"] == "ended"
