"""Care in a running proxy: budgets that end it, books that outlive it, keys that rotate."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from meso_cli.output import Output
from meso_cli.verbs import proxy as proxy_verb
from meso_cli.verbs import secret as secret_verb
from meso_host.testing.model_api import ModelApi, running
from meso_services.contract import client as client_module
from tests.services.api_proxy.conftest import both

PRICES = [
    {"model": "claude-*", "input": 3.0, "output": 15.0},
    {"model": "gpt-*", "input": 1.0, "output": 2.0},
]
ASK = {"model": "claude-x", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


def settings(api: ModelApi, **more: Any) -> dict[str, Any]:
    return {**both(api.url), "prices": PRICES, **more}


def records(proxy: Any, kind: str) -> list[dict[str, Any]]:
    """The lines of `audit` or `ledger` that are on the disk."""
    files = sorted((proxy.root / "var/lib/meso/api-proxy" / kind).glob(f"{kind}-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def until(found: Any, wanted: int = 1) -> Any:
    deadline = time.monotonic() + 10
    while len(got := found()) < wanted:
        assert time.monotonic() < deadline, got
        time.sleep(0.05)
    return got


def refused(proxy: Any) -> list[dict[str, Any]]:
    return [line for line in records(proxy, "audit") if line.get("event") == "refused"]


def test_the_official_clients_do_not_come_again_when_the_budget_is_spent(
    service: Any, api: ModelApi
) -> None:
    """A cap that looks like a passing fault is asked again and again; this one is asked once."""
    proxy = service("api-proxy", settings(api, budgets={"day_tokens": 0}))
    transport = httpx2.HTTPTransport(uds=str(proxy.socket))
    with httpx2.Client(transport=transport) as client:
        url = "http://meso"
        claude = anthropic.Anthropic(api_key="x", base_url=url, http_client=client, max_retries=5)
        with pytest.raises(anthropic.APIStatusError) as first:
            claude.messages.create(**ASK)  # type: ignore[call-overload]
        gpt = openai.OpenAI(api_key="x", base_url=f"{url}/v1", http_client=client, max_retries=5)
        with pytest.raises(openai.APIStatusError) as second:
            gpt.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "a"}])
    assert (first.value.status_code, second.value.status_code) == (402, 402)
    assert "budget of the day" in first.value.message
    assert second.value.code == "budget.spent"
    assert [line["code"] for line in until(lambda: refused(proxy), 2)] == ["budget.spent"] * 2
    assert api.asked == []


def test_requests_side_by_side_do_not_overshoot(service: Any, api: ModelApi) -> None:
    """Forty at once against a budget for a few: what was charged stays within it."""
    # Long enough that the input which the loopback model claims is not more than is held.
    words = [{"role": "user", "content": "word " * 120}]
    limits = {"requests_per_minute": 0, "concurrent": 40}
    proxy = service("api-proxy", settings(api, budgets={"day_tokens": 900}, limits=limits))

    def one(_: int) -> int:
        with proxy.client as client:
            return int(client.post("/v1/messages", json={**ASK, "messages": words}).status_code)

    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(one, range(40)))
    with proxy.client as client:
        table = client.get("/v1/proxy/ledger").json()
    assert set(codes) <= {200, 402, 429}
    assert codes.count(200) >= 1
    assert sum(table["total"]["tokens"].values()) <= 900


def test_the_ledger_outlives_a_crash(service: Any, api: ModelApi) -> None:
    """Killed without warning; what was running is charged in full."""
    proxy = service("api-proxy", settings(api))
    with proxy.client as client:
        for _ in range(3):
            assert client.post("/v1/messages", json=ASK).status_code == 200
        before = client.get("/v1/proxy/ledger").json()["total"]
    assert before["requests"] == 3
    assert before["usd"] > 0
    with running(pause=30.0) as slow:
        proxy.configure(settings(slow))
        proxy.reload()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(proxy.socket))
            body = json.dumps({**ASK, "stream": True, "max_tokens": 1000}).encode()
            caller.sendall(
                b"POST /v1/messages HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )
            until(lambda: [line for line in records(proxy, "ledger") if "hold" in line], 4)
            proxy.kill()
    proxy.configure(settings(api))
    proxy.start()
    with proxy.client as client:
        after = client.get("/v1/proxy/ledger").json()["total"]
        assert client.get("/v1/proxy/top").json()["usd_held"] == 0
    assert after["requests"] == 4
    assert after["usd"] >= before["usd"] + 1000 * 15 / 1e6
    assert "charged requests that were cut off" in proxy.log


def test_a_route_that_says_so_answers_again_from_the_cache(service: Any, api: ModelApi) -> None:
    """Whole answers and streams, byte for byte; others and private requests ask anew."""
    routes = [{"name": "again", "when": {"models": ["claude-*"]}, "to": ["claude"], "cache": True}]
    proxy = service("api-proxy", settings(api, routes=routes))
    with proxy.client as client:

        def ask(body: dict[str, Any], **headers: str) -> bytes:
            answer = client.post("/v1/messages", json=body, headers=headers)
            assert answer.status_code == 200
            return answer.content

        for stream in (False, True):
            body = {**ASK, "stream": stream}
            assert ask(body) == ask(body)
        assert len(api.asked) == 2
        ask({**ASK, "max_tokens": 65})
        ask(ASK, **{"anthropic-beta": "another"})
        assert len(api.asked) == 4
        metrics = client.get("/metrics").text
        table = client.get("/v1/proxy/ledger").json()["total"]
    (hits,) = [line for line in metrics.splitlines() if 'result="hit"' in line and "_total" in line]
    assert hits.endswith(" 2.0")
    assert table["requests"] == 4


def test_a_session_that_the_client_names_itself_has_its_budget(service: Any, api: ModelApi) -> None:
    """As the `claude` client does; a name of another form is none, and passes as it came."""
    proxy = service("api-proxy", settings(api, budgets={"session_tokens": 200}))
    name = "x-claude-code-session-id"
    with proxy.client as client:

        def ask(session: str) -> int:
            return int(client.post("/v1/messages", json=ASK, headers={name: session}).status_code)

        assert [ask("one"), ask("one"), ask("two"), ask("not a word"), ask("not a word")] == [
            *(200, 402, 200, 200, 200)
        ]
    assert [one.headers[name] for one in api.asked] == ["one", "two", "not a word", "not a word"]


def test_metrics_and_ledger_tell_who_and_what(service: Any, api: ModelApi) -> None:
    proxy = service("api-proxy", settings(api))
    with proxy.client as client:
        client.post("/v1/messages", json=ASK)
        client.post("/v1/chat/completions", json={"model": "gpt-x", "messages": ASK["messages"]})
        text = client.get("/metrics").text
        rows = client.get("/v1/proxy/ledger", params={"by": "model"}).json()["rows"]
        wrong = client.get("/v1/proxy/ledger", params={"by": "colour"})
        top = client.get("/v1/proxy/top").json()
    assert 'meso_proxy_requests_total{client="root",outcome="ok"' in text or os.geteuid()
    assert "meso_proxy_cost_usd_total" in text
    assert "meso_proxy_request_seconds_bucket" in text
    assert {row["model"] for row in rows} == {"claude-x", "gpt-x"}
    assert wrong.status_code == 422
    assert {one["upstream"] for one in top["upstreams"]} == {"claude", "gpt"}
    assert top["requests_today"] == 2
    lines = until(lambda: [x for x in records(proxy, "audit") if x["kind"] == "request"], 2)
    assert {"client", "route", "why", "usd", "upstream", "model"} <= set(lines[0])


def test_the_verbs_show_it(
    service: Any, api: ModelApi, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """`meso proxy top --once` and `ledger`, in words and as JSON; `meso secret list` too."""
    proxy = service("api-proxy", settings(api, budgets={"day_usd": 5.0}))
    monkeypatch.setattr(client_module.Connection.__init__, "__defaults__", (proxy.socket.parent,))
    with proxy.client as client:
        client.post("/v1/messages", json=ASK)

    def said(verb: Any, *words: str, as_json: bool = False) -> str:
        parser = argparse.ArgumentParser()
        verb.configure(parser)
        assert verb.run(verb.parse(parser.parse_args(words)), Output(json=as_json)) == 0
        shown: str = capsys.readouterr().out
        return shown

    top = said(proxy_verb, "top", "--once")
    assert "of 5.00 USD" in top
    assert "claude    closed" in top
    by = said(proxy_verb, "top", "--once", "--by", "route,upstream")
    (row,) = [line.split() for line in by.splitlines() if line.startswith("by-model")]
    assert row[:5] == ["by-model", "claude", "1", "0", "0"]
    assert float(row[-1]) >= float(row[-2]) > 0
    flows = json.loads(said(proxy_verb, "top", "--once", as_json=True))["flows"]
    assert [(flow["route"], flow["upstream"], flow["failed"]) for flow in flows] == [
        ("by-model", "claude", 0)
    ]
    table = said(proxy_verb, "ledger", "--by", "model")
    assert table.splitlines()[0].split()[:2] == ["MODEL", "REQUESTS"]
    assert table.splitlines()[-1].startswith("together")
    found = json.loads(said(proxy_verb, "ledger", as_json=True))
    assert found["rows"][0]["model"] == "claude-x"
    until(lambda: [x for x in records(proxy, "audit") if x["kind"] == "request"])
    line = said(proxy_verb, "audit", "--event", "ok", "--kind", "request")
    assert " request ok root by-model claude claude-x " in line
    assert "(by-model: no route took it" in line
    assert said(proxy_verb, "audit", "--client", "nobody") == "nothing is written down\n"
    (one,) = json.loads(said(proxy_verb, "audit", as_json=True))["lines"]
    assert (one["tokens"], one["status"]) == (142, 200)
    assert "nothing can be kept" in said(secret_verb, "list").replace("no key: ", "")


def test_on_tcp_a_client_is_its_key(service: Any, api: ModelApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    clients = [
        {"name": "laptop", "key_sha256": hashlib.sha256(b"the-laptops-key").hexdigest()},
        {"name": "poor", "key_sha256": hashlib.sha256(b"the-poor-key").hexdigest(), "day_usd": 0},
    ]
    proxy = service("api-proxy", settings(api, tcp_port=port, clients=clients))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def ask(**headers: str) -> Any:
            return client.post("/v1/messages", json=ASK, headers=headers)

        assert ask().status_code == ask(**{"x-api-key": "other"}).status_code == 401
        assert ask(**{"x-api-key": "the-laptops-key"}).status_code == 200
        assert ask(authorization="Bearer the-poor-key").status_code == 402
        assert "the-laptops-key" not in str(api.asked)
        for path in ("/v1/secrets", "/v1/proxy/ledger", "/v1/proxy/top"):
            assert client.get(path).status_code in (403, 404), path
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"x-api-key": "the-poor-key"}).status_code == 200
    with proxy.client as client:
        rows = client.get("/v1/proxy/ledger", params={"by": "client"}).json()["rows"]
    assert [row["client"] for row in rows] == ["laptop"]


def test_a_secret_is_the_upstreams_key_and_rotates_without_a_restart(
    service: Any, api: ModelApi, root: Path
) -> None:
    place = root / "credentials"
    place.mkdir()
    (place / "meso.secrets-key").write_bytes(os.urandom(32))
    upstreams = [{"name": "claude", "kind": "anthropic", "url": api.url, "credential": "meso.c"}]
    proxy = service(
        "api-proxy",
        {"upstreams": upstreams},
        environment={"CREDENTIALS_DIRECTORY": str(place)},
    )
    with proxy.client as client:
        missing = client.post("/v1/messages", json=ASK)
        assert missing.status_code == 503
        assert "meso secret set c" in missing.text
        for value in ("first value of it", "second value of it"):
            client.put("/v1/secrets/c", json={"value": value})
            assert client.post("/v1/messages", json=ASK).status_code == 200
            assert api.asked[-1].headers["x-api-key"] == value
        client.delete("/v1/secrets/c")
        assert client.post("/v1/messages", json=ASK).status_code == 503
    assert "value of it" not in proxy.log


def test_who_asks_too_often_is_told_when_to_come_back(service: Any, api: ModelApi) -> None:
    proxy = service("api-proxy", settings(api, limits={"requests_per_minute": 2}))
    with proxy.client as client:
        codes = [client.post("/v1/messages", json=ASK) for _ in range(3)]
    assert [answer.status_code for answer in codes] == [200, 200, 429]
    assert 1 <= int(codes[-1].headers["retry-after"]) <= 61
    assert codes[-1].json()["error"]["code"] == "limit.requests"
    assert codes[-1].json()["error"]["type"] == "rate_limit_error"


def test_a_flood_of_one_client_leaves_room_for_another(service: Any) -> None:
    """Two clients over TCP, one place: the late one does not wait for the flood to end."""
    with running(pause=0.02) as api, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        clients = [
            {"name": name, "key_sha256": hashlib.sha256(name.encode()).hexdigest()}
            for name in ("flood", "late")
        ]
        limits = {"concurrent_all": 1, "requests_per_minute": 0}
        chosen = settings(api, tcp_port=port, clients=clients, limits=limits)
        service("api-proxy", chosen)
        order: list[str] = []

        def ask(name: str) -> None:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                body = {**ASK, "stream": True}
                answer = client.post("/v1/messages", json=body, headers={"x-api-key": name})
                assert answer.status_code == 200
                order.append(name)

        flood = [threading.Thread(target=ask, args=["flood"]) for _ in range(12)]
        for thread in flood:
            thread.start()
        time.sleep(0.4)
        done = len(order)
        ask("late")
        behind = order.index("late") - done
        for thread in flood:
            thread.join()
    assert behind <= 4, order
