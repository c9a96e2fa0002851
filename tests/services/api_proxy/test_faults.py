"""Everything that upstreams do wrong: a clear error in the face's own shape, bounded memory,
and other requests that do not notice."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from meso_host.testing.model_faults import FAULTS, packed

BEFORE = {
    "hang": ("proxy.upstream_timeout", 504),
    "no-answer": ("proxy.upstream_cut", 502),
    "not-http": ("proxy.upstream_malformed", 502),
    "not-json": ("proxy.upstream_malformed", 502),
    "empty": ("proxy.upstream_malformed", 502),
    "cut-body": ("proxy.upstream_cut", 502),
    "short-length": ("proxy.upstream_malformed", 502),
    "redirect": ("proxy.upstream_redirect", 502),
    "error-in-200": ("overloaded_error", 529),
    "error-first": ("overloaded_error", 529),
    "oversized": ("proxy.upstream_oversized", 502),
    "bomb": ("proxy.upstream_oversized", 502),
    "odd-status": ("proxy.upstream_malformed", 502),
    "switching": ("proxy.upstream_malformed", 502),
    "no-content": ("proxy.upstream_malformed", 502),
    "endless-head": ("proxy.upstream_malformed", 502),
    "no-gzip": ("proxy.upstream_malformed", 502),
    "deep": ("proxy.upstream_malformed", 502),
}
DURING = {
    "cut-stream": "proxy.upstream_cut",
    "early-end": "proxy.upstream_cut",
    "half-event": "proxy.upstream_cut",
    "broken-event": "proxy.upstream_malformed",
    "not-utf8": "proxy.upstream_malformed",
    "stall": "proxy.upstream_timeout",
    "endless-event": "proxy.upstream_oversized",
    "bad-chunk": "proxy.upstream_cut",
}
# An upstream that says itself what went wrong, and then ends its stream as it should.
SAID_LATER = {"error-later"}
PASSED_ON = {"overloaded": 529, "slow-down": 429, "come-back-tomorrow": 429, "bad-request": 400}
FACES = {
    ("/v1/messages", "anthropic"): "verbatim",
    ("/v1/chat/completions", "openai"): "verbatim",
    ("/v1/messages", "openai"): "translated",
    ("/v1/chat/completions", "anthropic"): "translated",
}
faces = pytest.mark.parametrize(
    ("path", "kind"), FACES, ids=lambda value: str(value).rsplit("/", maxsplit=1)[-1]
)
MIB = 1 << 20


@pytest.fixture(scope="module")
def proxies(shared_service: Any, shared_api: Any) -> dict[str, Any]:
    """One proxy; the kind of its upstream follows from the task that the request names."""
    packed()
    upstreams = [
        {"name": kind, "kind": kind, "url": shared_api.url, "models": ["fine", "fault-*"]}
        for kind in ("anthropic", "openai")
    ]
    routes = [
        {"name": kind, "when": {"tasks": [kind]}, "to": [kind]} for kind in ("anthropic", "openai")
    ]
    return shared_service(
        "api-proxy",
        {
            "upstreams": upstreams,
            "routes": routes,
            "retry": {"attempts": 1, "first_seconds": 0.01, "longest_seconds": 1.0},
            "answer_seconds": 1.5,
            "idle_seconds": 1.5,
            "max_answer": "4M",
            # Here every request is to meet its fault.
            "breaker": {"failures": 1000},
            "limits": {"requests_per_minute": 0},
        },
    )


def ask(proxy: Any, path: str, kind: str, model: str, *, stream: bool) -> httpx.Response:
    body = {"model": model, "max_tokens": 10, "stream": stream}
    body["messages"] = [{"role": "user", "content": "hi"}]
    with proxy.client as client:
        return client.post(path, json=body, headers={"x-meso-task": kind})


def error_of(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The error, after a look at its shape."""
    if path == "/v1/messages":
        assert body["type"] == "error"
    else:
        assert "type" not in body
    assert isinstance(body["error"]["message"], str)
    assert isinstance(body["error"]["type"], str)
    return dict(body["error"])


def resident(pid: int) -> float:
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in x]
    return int(line.split()[1]) / 1024


def test_every_fault_is_judged() -> None:
    assert set(FAULTS) == set(BEFORE) | set(DURING) | set(PASSED_ON) | SAID_LATER


@faces
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", BEFORE)
def test_a_fault_before_the_first_byte_is_an_error_reply(
    proxies: Any, path: str, kind: str, fault: str, stream: bool
) -> None:
    """Whether the client has asked for a stream or not: there is none to speak in yet."""
    code, status = BEFORE[fault]
    reply = ask(proxies, path, kind, f"fault-{fault}", stream=stream)
    error = error_of(path, reply.json())
    assert (reply.status_code, error["code"]) == (status, code)
    assert resident(proxies.process.pid) < 150


@faces
@pytest.mark.parametrize("fault", DURING)
def test_a_fault_in_a_stream_is_an_error_event_and_no_proper_end(
    proxies: Any, path: str, kind: str, fault: str
) -> None:
    body = {"model": f"fault-{fault}", "max_tokens": 10, "stream": True}
    body["messages"] = [{"role": "user", "content": "hi"}]
    got = b""
    with (
        proxies.client as client,
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("POST", path, json=body, headers={"x-meso-task": kind}) as reply,
    ):
        assert reply.status_code == 200
        for piece in reply.iter_raw():
            got += piece
    *before, last = [event for event in got.split(b"\n\n") if event]
    assert before, "the first event came before the fault"
    assert (b"event: error" in last) == (path == "/v1/messages")
    data = last.partition(b"data: ")[2]
    assert error_of(path, json.loads(data))["code"] == DURING[fault]
    assert resident(proxies.process.pid) < 150


@faces
def test_an_error_that_the_upstream_says_in_its_stream_is_passed_on(
    proxies: Any, path: str, kind: str
) -> None:
    got = ask(proxies, path, kind, "fault-error-later", stream=True).content
    *before, last = [event for event in got.split(b"\n\n") if event]
    assert before
    assert b"[DONE]" not in got
    assert b"message_stop" not in got
    assert (b"event: error" in last) == (path == "/v1/messages")
    error = json.loads(last.partition(b"data: ")[2])["error"]
    assert error["message"] == "Overloaded inside"


@faces
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", PASSED_ON)
def test_an_error_of_the_upstream_keeps_its_status(
    proxies: Any, path: str, kind: str, fault: str, stream: bool
) -> None:
    reply = ask(proxies, path, kind, f"fault-{fault}", stream=stream)
    assert reply.status_code == PASSED_ON[fault]
    if FACES[path, kind] == "translated":
        assert error_of(path, reply.json())["message"] in ("Overloaded inside", "no")
    elif path == "/v1/messages":
        assert b'"type": "error"' in reply.content
    if fault == "come-back-tomorrow":
        assert reply.headers["retry-after"] == "86400"


def test_retry_after_is_obeyed_and_a_caller_is_not_kept_waiting_for_a_day(
    proxies: Any, shared_api: Any
) -> None:
    for fault, tries, least in (("slow-down", 2, 1.0), ("come-back-tomorrow", 1, 0.0)):
        before, began = len(shared_api.asked), time.monotonic()
        ask(proxies, "/v1/messages", "anthropic", f"fault-{fault}", stream=False)
        assert len(shared_api.asked) - before == tries
        assert least <= time.monotonic() - began < least + 5


def test_a_stream_that_has_begun_is_never_tried_again(proxies: Any, shared_api: Any) -> None:
    before = len(shared_api.asked)
    with proxies.client as client, pytest.raises(httpx.RemoteProtocolError):
        client.post(
            "/v1/messages",
            json={"model": "fault-cut-stream", "stream": True, "messages": []},
            headers={"x-meso-task": "anthropic"},
        )
    assert len(shared_api.asked) - before == 1


def test_others_do_not_notice(proxies: Any) -> None:
    """While requests hang, stall and overflow, a good one is served at once."""
    body = {"model": "fault-hang", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    with proxies.client as first, proxies.client as second:
        waiting = []
        for fault in ("hang", "stall", "endless-event"):
            request = first.build_request(
                "POST",
                "/v1/messages",
                json=body | {"model": f"fault-{fault}", "stream": True},
                headers={"x-meso-task": "anthropic"},
            )
            if fault != "hang":
                waiting.append(first.send(request, stream=True))
        began = time.monotonic()
        reply = second.post(
            "/v1/messages", json=body | {"model": "fine"}, headers={"x-meso-task": "anthropic"}
        )
        assert reply.status_code == 200
        assert time.monotonic() - began < 1.4
        for one in waiting:
            one.close()


def test_a_client_that_goes_away_ends_the_upstreams_work(proxies: Any, shared_api: Any) -> None:
    before = shared_api.cancelled
    shared_api.pause = 0.05
    try:
        with proxies.client as client:
            body = {"model": "fine", "stream": True, "max_tokens": 10}
            body["messages"] = [{"role": "user", "content": "SAY 500"}]
            with client.stream(
                "POST", "/v1/messages", json=body, headers={"x-meso-task": "anthropic"}
            ) as reply:
                next(reply.iter_raw())
        deadline = time.monotonic() + 5
        while shared_api.cancelled == before:
            assert time.monotonic() < deadline, "the upstream went on"
            time.sleep(0.05)
    finally:
        shared_api.pause = 0.0
