"""Named hosts for a sandboxed call: by the real egress door, and by nothing else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

# Speaks CONNECT as a client of HTTPS_PROXY does, sends a line and prints what comes back.
CLIENT = r"""
import base64, os, socket, sys, urllib.parse
door = urllib.parse.urlsplit(os.environ.get("HTTPS_PROXY", "http://x:y@127.0.0.1:3128"))
try:
    peer = socket.create_connection((door.hostname, door.port), timeout=20)
except OSError as error:
    sys.exit(f"no door: {error.strerror}")
login = base64.b64encode(f"{door.username}:{door.password}".encode()).decode()
peer.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\r\nHost: {sys.argv[1]}\r\n"
             f"Proxy-Authorization: Basic {login}\r\n\r\n".encode())
head = peer.recv(4096).decode()
print(head.split("\r\n")[0])
if " 200 " in head:
    peer.sendall(b"hello\n")
    print(peer.recv(100).decode(), end="")
"""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that gives back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                while data := peer.recv(4096):
                    peer.sendall(b"echo " + data)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def desk(service: Any, make_bench: Any, echo: int) -> Any:
    """An executor and a proxy: the policy grants two ports of localhost, the door one of them."""
    executor = service("tool-executor", {}, start=False)
    hosts = [f"localhost:{echo}", f"localhost:{echo + 1}"]
    egress = {"allow": hosts[:1], "networks": ["127.0.0.0/8", "::1/128"]}
    service("api-proxy", {"egress": egress})
    place = executor.root / "nix/store/test-1/policy"
    place.mkdir(parents=True)
    rule = {"name": "echo", "decision": "allow", "tools": ["bash"], "hosts": hosts}
    (place / "tools.json").write_text(json.dumps({"rules": [rule]}))
    return make_bench(executor.start())


def reach(desk: Any, target: str, *hosts: str) -> Any:
    params = {"command": f"python3 - {target} <<'E'\n{CLIENT}\nE\n", "hosts": list(hosts)}
    return desk.call("bash", params)


def test_a_granted_host_is_reached_and_no_other(desk: Any, echo: int) -> None:
    granted = f"localhost:{echo}"
    said = reach(desk, granted, granted)
    assert said["result"]["stdout"].endswith("200 Connection established\necho hello\n"), said
    for other in (f"localhost:{echo + 2}", f"127.0.0.1:{echo}", "169.254.169.254:80"):
        said = reach(desk, other, granted)["result"]["stdout"]
        assert " 403 " in said and "echo" not in said, other


def test_without_a_grant_there_is_no_door(desk: Any, echo: int) -> None:
    said = reach(desk, f"localhost:{echo}")["result"]
    assert "no door" in said["stderr"] and not said["stdout"]


def test_the_policy_and_the_door_must_both_agree(desk: Any, echo: int) -> None:
    refused = reach(desk, "example.org:443", "example.org:443")
    assert (refused["state"], refused["error"]["code"]) == ("refused", "policy.denied")
    said = reach(desk, f"localhost:{echo + 1}", f"localhost:{echo + 1}")["result"]["stdout"]
    assert " 403 " in said and "echo" not in said


def test_a_token_is_worth_nothing_after_its_call(desk: Any, echo: int) -> None:
    granted = f"localhost:{echo}"
    shown = desk.call("bash", {"command": "echo $HTTPS_PROXY", "hosts": [granted]})
    old = shown["result"]["stdout"].strip()
    assert old.startswith("http://meso:")
    command = f"HTTPS_PROXY={old} python3 - {granted} <<'E'\n{CLIENT}\nE\n"
    said = desk.call("bash", {"command": command, "hosts": [granted]})["result"]["stdout"]
    assert " 407 " in said or " 403 " in said
    assert "echo" not in said
