"""The real Pi through the proxy, in both of the APIs that it speaks: with a tool, streaming,
long output and cancellation."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_host.testing import pi
from meso_host.testing.model_api import ModelApi, running

KEY = "client-key-for-tests"
BASH = 'CALL bash {"command":"echo from-the-shell | rev"} '
SECONDS = 200
# What Pi calls an API, the address that it wants, and the path that it then asks.
APIS = {
    "anthropic-messages": ("", "/v1/messages"),
    "openai-completions": ("/v1", "/v1/chat/completions"),
}
# `claude-x` is served by an upstream of the Messages API, `gpt-x` by one of chat completions.
SERVED = {"claude-x": "/v1/messages", "gpt-x": "/v1/chat/completions"}
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stage(shared_service: Any) -> Iterator[tuple[ModelApi, str]]:
    """The model API, and the proxy's address."""
    pi.program()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with running() as api:
        settings = {
            "tcp_port": port,
            "clients": [{"name": "pi", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
            "upstreams": [
                {"name": "claude", "kind": "anthropic", "url": api.url, "models": ["claude-*"]},
                {"name": "gpt", "kind": "openai", "url": api.url, "models": ["gpt-*"]},
            ],
            "limits": {"requests_per_minute": 0},
        }
        shared_service("api-proxy", settings)
        yield api, f"http://127.0.0.1:{port}"


def begin(prompt: str, url: str, api: str, model: str, home: Path) -> Any:
    base, _ = APIS[api]
    return pi.start(prompt, {"baseUrl": url + base, "api": api, "apiKey": KEY}, model, home)


@pytest.mark.parametrize("model", SERVED)
@pytest.mark.parametrize("spoken", APIS)
def test_a_tool_is_called_and_its_result_comes_back(
    stage: tuple[ModelApi, str], tmp_path: Path, spoken: str, model: str
) -> None:
    """Two turns and a real command in between, passed on and translated."""
    api, url = stage
    api.asked.clear()
    out, err = begin(BASH, url, spoken, model, tmp_path).communicate(timeout=SECONDS)
    assert b"The tool said: llehs-eht-morf" in out, (out[-2000:], err[-2000:])
    assert {one.path.partition("?")[0] for one in api.asked} == {SERVED[model]}
    assert all(one.body["stream"] for one in api.asked)


@pytest.mark.parametrize("model", SERVED)
def test_long_output_comes_whole(stage: tuple[ModelApi, str], tmp_path: Path, model: str) -> None:
    _, url = stage
    child = begin("SAY 4000", url, "anthropic-messages", model, tmp_path)
    out, err = child.communicate(timeout=SECONDS)
    assert out.split()[-1] == b"word3999", err[-2000:]


def test_ending_it_ends_the_upstreams_work(stage: tuple[ModelApi, str], tmp_path: Path) -> None:
    api, url = stage
    api.asked.clear()
    before, api.pause = api.cancelled, 0.1
    child = begin("SAY 500", url, "openai-completions", "gpt-x", tmp_path)
    try:
        deadline = time.monotonic() + SECONDS
        while not api.asked and time.monotonic() < deadline:
            time.sleep(0.1)
        assert api.asked, "it never asked"
        time.sleep(0.5)
        os.killpg(child.pid, signal.SIGTERM)
        child.communicate(timeout=60)
        while api.cancelled == before and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        api.pause = 0.0
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    assert api.cancelled > before
