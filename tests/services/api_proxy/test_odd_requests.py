"""Requests that no proxy expects: each has its answer, its line in the audit and its price."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meso_host.testing.model_api import ModelApi
from tests.services.api_proxy.conftest import both
from tests.services.api_proxy.test_care import PRICES, records, until

HALF = "\ud83d"
PATHS = {"/v1/messages": "claude-x", "/v1/chat/completions": "gpt-x"}


def body(model: str, text: str = "hi", **more: Any) -> bytes:
    """A request as bytes; half of a surrogate pair stands there as JSON allows it, escaped."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "max_tokens": 9, "messages": messages, **more}).encode()


@pytest.fixture
def proxy(service: Any, api: ModelApi) -> Any:
    limits = {"requests_per_minute": 0}
    return service("api-proxy", {**both(api.url), "prices": PRICES, "limits": limits})


def asked(proxy: Any) -> list[dict[str, Any]]:
    return [line for line in records(proxy, "audit") if line["kind"] == "request"]


@pytest.mark.parametrize("path", PATHS)
def test_a_name_of_half_a_character_does_not_end_the_books(proxy: Any, path: str) -> None:
    """A model may be called anything in JSON; the writer of the audit and the ledger goes on."""
    with proxy.client as client:
        odd = client.post(path, content=body(f"claude-{HALF}"))
        assert odd.status_code == 400, odd.text
        assert client.post(path, content=body(PATHS[path])).status_code == 200
    assert until(lambda: asked(proxy), 2)[-1]["event"] == "ok"
    until(lambda: [x for x in records(proxy, "ledger") if "done" in x])


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
@pytest.mark.parametrize("path", PATHS)
def test_half_a_character_in_a_text_passes_as_it_came(
    proxy: Any, api: ModelApi, path: str, model: str
) -> None:
    """Also through a translation: what to make of it is the upstream's business."""
    with proxy.client as client:
        reply = client.post(path, content=body(model, f"a{HALF}b"))
    assert reply.status_code == 200, reply.text
    assert b"a\\ud83db" in api.asked[-1].raw


def test_a_name_has_a_largest_length(proxy: Any) -> None:
    """It stands in sums and labels, which must not grow with what a client writes there."""
    with proxy.client as client:
        for path in PATHS:
            reply = client.post(path, content=body("m" * 1000))
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "request.invalid")


def test_every_request_leaves_a_line_also_one_that_goes_nowhere(proxy: Any) -> None:
    """Malformed, unknown, wrongly marked, not to be said: who, what and why, each time."""
    with proxy.client as client:
        client.post("/v1/messages", content=b"{", headers={"x-request-id": "broken"})
        client.post("/v1/messages", content=body("nobody"), headers={"x-request-id": "unknown"})
        marked = {"x-meso-privacy": "please", "x-request-id": "marked"}
        client.post("/v1/messages", content=body("claude-x"), headers=marked)
        no = {"x-request-id": "no-words"}
        client.post("/v1/messages", content=body("gpt-x", mcp_servers=[{"url": "u"}]), headers=no)
    lines = {line["request"]: line for line in until(lambda: asked(proxy), 4)}
    assert lines["broken"]["code"] == "request.invalid"
    assert lines["unknown"]["code"] == "proxy.unknown_model"
    assert "nobody" in lines["unknown"]["why"]
    assert {"client", "uid", "face", "why"} <= set(lines["unknown"])
    assert lines["marked"]["code"] == "request.invalid"
    assert lines["no-words"]["status"] == 400
    with proxy.client as client:
        page = client.get("/v1/proxy/audit", params={"event": "refused", "last": 2}).json()
        one = client.get("/v1/proxy/audit", params={"request": "no-words"}).json()
    assert [line["request"] for line in page["lines"]] == ["unknown", "marked"]
    assert one["lines"] == [lines["no-words"]]


def test_counting_tokens_costs_nothing(proxy: Any) -> None:
    """Neither asked of Claude's API, which counts for nothing, nor estimated here."""
    with proxy.client as client:
        for model in ("claude-x", "gpt-x"):
            reply = client.post("/v1/messages/count_tokens", content=body(model, "word " * 500))
            assert reply.status_code == 200
            assert reply.json()["input_tokens"] > 1
        total = client.get("/v1/proxy/ledger").json()["total"]
    assert (total["usd"], sum(total["tokens"].values())) == (0, 0)


def test_counting_is_allowed_when_the_budget_is_spent_but_for_a_word(
    service: Any, api: ModelApi
) -> None:
    """Clients count in order to shorten a conversation that has become too dear."""
    budgets = {"day_tokens": 100}
    proxy = service("api-proxy", {**both(api.url), "prices": PRICES, "budgets": budgets})
    with proxy.client as client:
        long = body("claude-x", "word " * 500)
        assert client.post("/v1/messages", content=long).status_code == 402
        assert client.post("/v1/messages/count_tokens", content=long).status_code == 200


def test_embeddings_hold_no_output(service: Any, api: ModelApi) -> None:
    budgets = {"day_tokens": 1000}
    proxy = service("api-proxy", {**both(api.url), "prices": PRICES, "budgets": budgets})
    with proxy.client as client:
        reply = client.post("/v1/embeddings", json={"model": "gpt-embed", "input": "word"})
    assert reply.status_code == 200, reply.text


def test_a_body_in_pieces_without_a_length_is_bounded_too(service: Any) -> None:
    proxy = service("api-proxy", {"max_body": "64K"})
    kinds = {"/v1/messages": "request_too_large", "/v1/chat/completions": "invalid_request_error"}
    with proxy.client as client:
        for path, kind in kinds.items():
            reply = client.post(path, content=(b"x" * 8192 for _ in range(16)))
            assert (reply.status_code, reply.json()["error"]["type"]) == (413, kind)


@pytest.mark.parametrize("path", PATHS)
def test_a_server_that_does_not_stream_is_translated_into_a_stream(proxy: Any, path: str) -> None:
    """Its answer comes in one piece, in the events that the client has asked for."""
    model = "gpt-contrary" if path == "/v1/messages" else "claude-contrary"
    with proxy.client as client:
        reply = client.post(path, content=body(model, "SAY 50", stream=True))
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "word49" in reply.text
    end = "event: message_stop" if path == "/v1/messages" else "data: [DONE]"
    assert end in reply.text


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_that_nobody_asked_for_is_not_taken_for_an_answer(proxy: Any, path: str) -> None:
    model = "gpt-contrary" if path == "/v1/messages" else "claude-contrary"
    with proxy.client as client:
        reply = client.post(path, content=body(model))
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "proxy.upstream_malformed")
