"""Routes by cost and by availability, and a compressed answer that is given again."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from meso_host.testing.model_api import ModelApi, running

TO = ["dear/x", "unpriced/x", "cheap/x"]


def settings(api: ModelApi, **more: Any) -> dict[str, Any]:
    """Three providers on the internet, as far as the operator says."""
    names = ("dear", "unpriced", "cheap")
    return {
        "upstreams": [
            {"name": name, "kind": "anthropic", "url": api.url, "place": "internet",
             "models": [name]} for name in names
        ],
        "routes": [
            {"name": "thrifty", "when": {"models": ["any"]}, "to": TO, "prefer": "cheapest"},
            {"name": "kept", "when": {"models": ["kept-*"]}, "to": ["cheap"], "cache": True},
        ],
        "prices": [
            {"model": "x", "upstream": "dear", "input": 10.0, "output": 50.0},
            {"model": "x", "upstream": "cheap", "input": 1.0, "output": 2.0},
        ],
        "retry": {"attempts": 0},
        **more,
    }  # fmt: skip


def ask(proxy: Any, model: str, **headers: str) -> Any:
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with proxy.client as client:
        reply = client.post("/v1/messages", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply


def chain(proxy: Any, model: str) -> list[str]:
    body = {"model": model, "max_tokens": 9, "messages": []}
    with proxy.client as client:
        found = client.post("/v1/explain", json={"body": body, "face": "anthropic"}).json()
    return [target["upstream"] for target in found["chain"]]


def test_the_cheapest_is_asked_and_what_has_no_price_comes_last(
    service: Any, api: ModelApi
) -> None:
    proxy = service("api-proxy", settings(api))
    assert chain(proxy, "any") == ["cheap", "dear", "unpriced"]
    assert ask(proxy, "any").headers["x-meso-upstream"] == "cheap"


@pytest.fixture
def port() -> Iterator[int]:
    """A port where nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        found = int(free.getsockname()[1])
    yield found


def test_who_fails_is_left_alone_and_comes_back_when_it_serves_again(
    service: Any, api: ModelApi, port: int
) -> None:
    chosen = settings(api, breaker={"failures": 2, "open_seconds": 1.0})
    chosen["upstreams"].append(
        {"name": "gone", "kind": "anthropic", "url": f"http://127.0.0.1:{port}", "models": ["g"]}
    )
    chosen["routes"] = [{"name": "first", "when": {"models": ["any"]}, "to": ["gone/x", "cheap/x"]}]
    proxy = service("api-proxy", chosen)
    assert chain(proxy, "any") == ["gone", "cheap"]
    for _ in range(2):
        assert ask(proxy, "any").headers["x-meso-upstream"] == "cheap"
    assert chain(proxy, "any") == ["cheap", "gone"], "it is left alone"
    with proxy.client as client:
        states = client.get("/v1/routes").json()["upstreams"]
    assert {one["name"]: one["breaker"] for one in states}["gone"] == "open"
    with running(port=port) as again:
        deadline = time.monotonic() + 30
        while ask(proxy, "any").headers["x-meso-upstream"] != "gone":
            assert time.monotonic() < deadline, "it never came back"
            time.sleep(0.1)
    assert again.asked


def test_a_compressed_answer_is_given_again_to_whom_can_read_it(
    service: Any, api: ModelApi
) -> None:
    proxy = service("api-proxy", settings(api))
    for encoding in ("gzip", "gzip", "identity", "identity"):
        reply = ask(proxy, "kept-packed", **{"accept-encoding": encoding})
        assert reply.json()["content"][0]["text"].startswith("Hello there")
    assert [one.headers["accept-encoding"] for one in api.asked] == ["gzip", "identity"]
