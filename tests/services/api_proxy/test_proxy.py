"""The API proxy as a client sees it: honest without an upstream, transparent with one."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

ONE = b'event: ping\ndata: {"type": "ping"}\n\n'
TWO = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
ASK = {"model": "some-model", "messages": [{"role": "user", "content": "hi"}], "beta_field": [1]}


class Upstream(http.server.BaseHTTPRequestHandler):
    """A model API on loopback that remembers what it was asked and answers as told."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, dict[str, str], bytes]]
    go_on: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        type(self).asked.append((self.path, dict(self.headers.items()), body))
        self.send_response(529 if b"overloaded" in body else 200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("request-id", "req_upstream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._chunk(ONE)
        if b"wait" in body:
            type(self).go_on.wait(20)
        if b"cut" in body:
            self.close_connection = True
            return
        self._chunk(TWO)
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def upstream() -> Iterator[tuple[str, type[Upstream]]]:
    handler = type("Handler", (Upstream,), {"asked": [], "go_on": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


@pytest.fixture(scope="module")
def bare(shared_service: Any) -> Any:
    """A proxy without any upstream, one for the whole file."""
    return shared_service("api-proxy")


def settings(url: str, **more: Any) -> dict[str, Any]:
    upstream = {"name": "near", "kind": "anthropic", "url": url, **more}
    return {"upstreams": [upstream], "retry": {"attempts": 1, "first_seconds": 0.01}}


def test_without_an_upstream_it_says_so_and_passes_health(bare: Any) -> None:
    """Degraded, not failed: an appliance without a model API boots healthy."""
    with bare.client as client:
        health = client.get("/healthz", params={"deep": 1})
        assert (health.status_code, health.json()["state"]) == (200, "degraded")
        assert "services.api_proxy.upstreams" in health.text
        assert client.get("/v1/models").json()["data"] == []


def test_each_face_refuses_in_its_own_shape(bare: Any) -> None:
    """The clients' own libraries read the error, and are told not to try again."""
    with bare.client as client:
        anthropic = client.post("/v1/messages", json=ASK)
        openai = client.post("/v1/chat/completions", json=ASK)
    for reply in (anthropic, openai):
        assert reply.status_code == 503
        assert reply.headers["x-should-retry"] == "false"
        assert reply.json()["error"]["code"] == "proxy.no_upstream"
        assert "services.api_proxy.upstreams" in reply.json()["error"]["message"]
    assert anthropic.json()["type"] == "error"
    assert anthropic.json()["error"]["type"] == "api_error"
    assert openai.json()["error"]["type"] == "server_error"
    assert openai.json()["error"]["param"] is None


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"model": 3}', b"\xff", b"[" * 100_000])
def test_a_malformed_request_is_a_400_of_that_api(bare: Any, body: bytes) -> None:
    with bare.client as client:
        for path in ("/v1/messages", "/v1/chat/completions"):
            reply = client.post(path, content=body)
            assert reply.status_code == 400
            assert reply.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_too_large_is_a_413_of_that_api(service: Any) -> None:
    proxy = service("api-proxy", {"max_body": "64K"})
    with proxy.client as client:
        reply = client.post("/v1/messages", content=b"x" * 70_000)
    assert reply.status_code == 413
    assert reply.json()["error"]["type"] == "request_too_large"


def test_a_request_reaches_the_upstream_as_it_was(service: Any, upstream: Any) -> None:
    """Body byte for byte, query and unknown headers too; the answer likewise."""
    url, seen = upstream
    body = b'{"model": "m",  "future": {"b": 1, "a": [NaN]}}'
    with service("api-proxy", settings(url)).client as client:
        reply = client.post(
            "/v1/messages?beta=true",
            content=body,
            headers={"anthropic-beta": "x,y", "x-api-key": "callers", "x-new": "1"},
        )
    ((path, headers, sent),) = seen.asked
    assert (path, sent) == ("/v1/messages?beta=true", body)
    assert (headers["anthropic-beta"], headers["x-new"]) == ("x,y", "1")
    assert headers["x-api-key"] == "callers"
    assert reply.content == ONE + TWO
    assert reply.headers["request-id"] == "req_upstream"


def test_an_upstreams_error_passes_untouched(service: Any, upstream: Any) -> None:
    url, _ = upstream
    with service("api-proxy", settings(url)).client as client:
        assert client.post("/v1/messages", json={"model": "overloaded"}).status_code == 529


def test_events_arrive_before_the_answer_is_complete(service: Any, upstream: Any) -> None:
    """Streaming is not buffered: the first event is here while the upstream still waits."""
    url, seen = upstream
    with (
        service("api-proxy", settings(url)).client as client,
        client.stream("POST", "/v1/messages", json={"model": "wait"}) as reply,
    ):
        pieces = reply.iter_raw()
        assert next(pieces) == ONE
        seen.go_on.set()
        assert b"".join(pieces) == TWO


def test_a_cut_answer_does_not_look_complete(service: Any, upstream: Any) -> None:
    """The client sees a broken connection, and the next request works."""
    url, _ = upstream
    with service("api-proxy", settings(url)).client as client:
        got = b""
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/v1/messages", json={"model": "cut"}) as reply,
        ):
            for piece in reply.iter_raw():
                got += piece
        assert got.startswith(ONE + b"event: error\n")
        assert b"proxy.upstream_cut" in got
        assert client.post("/v1/messages", json={"model": "m"}).status_code == 200


def test_the_operators_key_replaces_the_callers_and_stays_secret(
    service: Any, upstream: Any, root: Any
) -> None:
    """Read from the systemd credential for each request, so a rotated key counts at once."""
    url, seen = upstream
    (root / "credentials").mkdir()
    credential = root / "credentials/meso.near"
    credential.write_text("sk-first-0123456789abcdef\n")
    proxy = service(
        "api-proxy",
        settings(url, credential="meso.near"),
        environment={"CREDENTIALS_DIRECTORY": str(credential.parent)},
    )
    with proxy.client as client:
        for key in ("sk-first-0123456789abcdef", "sk-second-0123456789abcdef"):
            credential.write_text(key)
            client.post("/v1/messages", json=ASK, headers={"authorization": "Bearer x"})
            _, headers, _ = seen.asked[-1]
            assert headers["x-api-key"] == key
            assert "authorization" not in {name.lower() for name in headers}
        credential.unlink()
        gone = client.post("/v1/messages", json=ASK)
        assert (gone.status_code, gone.json()["error"]["code"]) == (503, "proxy.no_credential")
        assert client.get("/healthz").json()["state"] == "degraded"
    assert "0123456789abcdef" not in proxy.log


def test_models_choose_the_upstream(service: Any, upstream: Any) -> None:
    url, _ = upstream
    with service("api-proxy", settings(url, models=["small", "large"])).client as client:
        listed = client.get("/v1/models").json()
        assert [model["id"] for model in listed["data"]] == ["small", "large"]
        assert (listed["first_id"], listed["last_id"]) == ("small", "large")
        assert client.post("/v1/messages", json={"model": "large"}).status_code == 200
        unknown = client.post("/v1/messages", json={"model": "huge"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (
            404,
            "proxy.unknown_model",
        )


def test_an_upstream_that_is_not_there_is_a_502(service: Any) -> None:
    with service("api-proxy", settings("http://127.0.0.1:9")).client as client:
        reply = client.post("/v1/messages", json=ASK)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "proxy.upstream_unreachable")
