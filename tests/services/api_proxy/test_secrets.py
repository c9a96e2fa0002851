"""Secrets over the socket: set, used, rotated without a restart, and nowhere to be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meso_host.testing.model_api import ModelApi

VALUE = "plain-words-that-look-like-no-key"


@pytest.fixture
def credentials(root: Path) -> dict[str, str]:
    place = root / "credentials"
    place.mkdir()
    (place / "meso.secrets-key").write_bytes(os.urandom(32))
    return {"CREDENTIALS_DIRECTORY": str(place)}


def put(client: Any, name: str, value: str, **more: str) -> Any:
    return client.put(f"/v1/secrets/{name}", json={"value": value, **more})


def test_set_list_rotate_delete(service: Any, credentials: dict[str, str]) -> None:
    proxy = service("api-proxy", environment=credentials)
    with proxy.client as client:
        assert put(client, "near", VALUE).json()["name"] == "near"
        assert put(client, "far", VALUE, mode="rotate").status_code == 404
        assert put(client, "meso.near", VALUE + "2", mode="rotate").json()["rotations"] == 1
        listed = client.get("/v1/secrets")
        assert [one["name"] for one in listed.json()["secrets"]] == ["near"]
        assert listed.json()["protection"] == "passed"
        assert VALUE not in listed.text
    proxy.restart()
    with proxy.client as client:
        assert client.get("/v1/secrets").json()["secrets"][0]["rotations"] == 1
        assert client.delete("/v1/secrets/near").json() == {"name": "near", "deleted": True}
        assert client.get("/v1/secrets").json()["secrets"] == []


def test_no_value_leaves_the_process(service: Any, credentials: dict[str, str]) -> None:
    """Neither in an error, nor in the log, the audit, the command line or the environment."""
    proxy = service("api-proxy", environment=credentials)
    with proxy.client as client:
        put(client, "near", VALUE)
        for name, value in (("near", VALUE + "\n"), ("near", VALUE * 1000), ("a b", VALUE)):
            answer = put(client, name, value)
            assert answer.status_code == 422
            assert VALUE not in answer.text
    process = Path("/proc") / str(proxy.process.pid)
    for place in ("cmdline", "environ"):
        assert VALUE.encode() not in (process / place).read_bytes()
    proxy.stop()
    for path in proxy.root.rglob("*"):
        if path.is_file():
            assert VALUE.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_upstream_that_quotes_its_key_does_not_tell_it_to_the_client(
    service: Any, credentials: dict[str, str], api: ModelApi, stream: bool
) -> None:
    """In its own words, passed on as they are: but for the key, whatever that looks like."""
    key = "Overloaded inside"  # what the upstream's errors say
    upstreams = [{"name": "claude", "kind": "anthropic", "url": api.url, "credential": "meso.c"}]
    chosen = {"upstreams": upstreams, "retry": {"attempts": 0}}
    proxy = service("api-proxy", chosen, environment=credentials)
    body = {"model": "fault-error-later" if stream else "fault-overloaded", "stream": stream}
    with proxy.client as client:
        put(client, "c", key)
        reply = client.post("/v1/messages", json=body | {"max_tokens": 5, "messages": []})
    assert api.asked[-1].headers["x-api-key"] == key
    assert b"[redacted]" in reply.content
    assert key not in reply.text + proxy.log


def test_without_a_device_key_it_says_what_is_missing(service: Any) -> None:
    with service("api-proxy").client as client:
        answer = put(client, "near", VALUE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "secrets.no_key")
        assert client.get("/v1/secrets").json()["protection"] == "none"


def test_somebody_else_is_refused(service: Any, credentials: dict[str, str]) -> None:
    if os.geteuid():
        pytest.skip("needs root to become somebody else")
    proxy = service("api-proxy", environment=credentials)
    proxy.root.chmod(0o755)
    (proxy.socket.parent).chmod(0o755)
    proxy.socket.chmod(0o666)
    script = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(b'GET /v1/secrets HTTP/1.1\\r\\nHost: m\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "print(s.makefile('rb').read().decode())"
    )
    argv = [sys.executable, "-I", "-c", script, str(proxy.socket)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "403" in said.splitlines()[0]
    assert "peer.not_operator" in said
