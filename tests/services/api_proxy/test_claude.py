"""The real `claude` client through the proxy: with tools, streaming, long output, cancellation,
and what it sees is what it sees without a proxy."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_host.testing import claude
from meso_host.testing.model_api import ModelApi, running

KEY = "client-key-for-tests"
BASH = 'CALL Bash {"command":"echo from-the-shell | rev","description":"turn it round"} '
# What differs from one run of the client to the next, proxy or not.
_VARYING = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|meso-[a-z0-9_]{8}|cch=[0-9a-f]+"
    rb"|\d{4}-\d\d-\d\dT[\d:.]+Z"
)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def ways(shared_service: Any) -> Iterator[tuple[ModelApi, str, str, Any]]:
    """The API, its address, and the proxy's; `gpt-x` is translated to chat completions."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with running() as api:
        settings = {
            "tcp_port": port,
            "clients": [{"name": "code", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
            "upstreams": [
                {"name": "claude", "kind": "anthropic", "url": api.url},
                {"name": "gpt", "kind": "openai", "url": api.url, "models": ["gpt-*"]},
            ],
            "limits": {"requests_per_minute": 0},
        }
        proxy = shared_service("api-proxy", settings)
        yield api, api.url, f"http://127.0.0.1:{port}", proxy


def ask(prompt: str, url: str, home: Path, *more: str) -> dict[str, Any]:
    child = claude.start(prompt, url, KEY, home, "--output-format", "json", *more)
    out, err = child.communicate(timeout=200)
    assert child.returncode == 0, (out[-2000:], err[-2000:])
    return dict(json.loads(out))


def seen(api: ModelApi) -> list[tuple[str, str, bytes]]:
    """What the API was asked, without what differs from run to run."""
    found = [(one.method, one.path, _VARYING.sub(b"*", one.raw)) for one in api.asked]
    api.asked.clear()
    return found


def test_with_a_tool_it_cannot_tell_the_difference(
    ways: tuple[ModelApi, str, str, Any], tmp_path: Path
) -> None:
    """Two turns and a real command in between; requests and results are compared."""
    api, direct, proxied, _ = ways
    results, requests = [], []
    for name, url in (("home-a", direct), ("home-b", proxied)):
        home = tmp_path / name
        home.mkdir()
        api.asked.clear()
        results.append(ask(BASH, url, home))
        requests.append([(m, p, raw.replace(name.encode(), b"home")) for m, p, raw in seen(api)])
    assert results[0]["result"] == results[1]["result"] == "The tool said: llehs-eht-morf"
    for key in ("usage", "modelUsage", "num_turns", "stop_reason", "is_error"):
        assert results[0][key] == results[1][key], key
    assert [one[:2] for one in requests[0]] == [one[:2] for one in requests[1]]
    for one, other in zip(*requests, strict=True):
        mine, theirs = json.loads(one[2]), json.loads(other[2])
        assert mine.keys() == theirs.keys()
        assert [m["role"] for m in mine["messages"]] == [m["role"] for m in theirs["messages"]]
        assert mine["tools"] == theirs["tools"]


def audited(proxy: Any, last: int) -> list[dict[str, Any]]:
    """The audit's newest lines; the last one comes a moment after the client has its answer."""
    deadline = time.monotonic() + 60
    while True:
        with proxy.client as client:
            lines = client.get("/v1/proxy/audit", params={"last": last}).json()["lines"]
        if len(lines) == last:
            return list(lines)
        assert time.monotonic() < deadline, lines
        time.sleep(0.1)


def test_translated_to_another_api_its_tools_still_work(
    ways: tuple[ModelApi, str, str, Any], tmp_path: Path
) -> None:
    api, _, proxied, proxy = ways
    api.asked.clear()
    found = ask(BASH, proxied, tmp_path, "--model", "gpt-x")
    assert found["result"] == "The tool said: llehs-eht-morf"
    assert {one.path for one in api.asked} == {"/v1/chat/completions"}
    assert found["usage"]["cache_read_input_tokens"] == 200
    # It names its session by itself: a session's budget holds for it.
    assert {line.get("session") for line in audited(proxy, 2)} == {found["session_id"]}


def test_long_output_comes_whole(ways: tuple[ModelApi, str, str, Any], tmp_path: Path) -> None:
    _, _, proxied, _ = ways
    assert ask("SAY 4000", proxied, tmp_path)["result"].split()[-1] == "word3999"


def test_interrupting_it_ends_the_upstreams_work(
    ways: tuple[ModelApi, str, str, Any], tmp_path: Path
) -> None:
    api, _, proxied, proxy = ways
    api.asked.clear()
    before = api.cancelled
    api.pause = 0.1
    child = claude.start("SAY 500", proxied, KEY, tmp_path)
    try:
        deadline = time.monotonic() + 60
        while not api.asked and time.monotonic() < deadline:
            time.sleep(0.1)
        assert api.asked, "it never asked"
        time.sleep(0.5)
        os.killpg(child.pid, signal.SIGINT)
        child.communicate(timeout=30)
        while api.cancelled == before and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        api.pause = 0.0
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    assert api.cancelled > before
    assert "error:" not in proxy.log
