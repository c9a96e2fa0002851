"""Summaries by a model that answers, through the real API proxy; and what happens when it fails."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Model:
    """A model on loopback; it keeps what it was asked."""

    port: int = 0
    answer: str = "It was about zebras; nothing is open."
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def model() -> Iterator[Model]:
    found = Model()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.asked.append(body)
            usage = {"input_tokens": 1, "output_tokens": 1}
            said: dict[str, Any] = {
                "id": "m", "type": "message", "role": "assistant", "model": body["model"],
                "content": [{"type": "text", "text": found.answer}],
                "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
            }  # fmt: skip
            if found.status != 200:
                said = {"type": "error", "error": {"type": "api_error", "message": "no"}}
            data = json.dumps(said).encode()
            self.send_response(found.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def manager(service: Any, model: Model) -> Any:
    url = f"http://127.0.0.1:{model.port}"
    upstream = {"name": "here", "kind": "anthropic", "url": url, "models": ["teller"]}
    retry = {"attempts": 1, "first_seconds": 0.01, "longest_seconds": 1.0}
    service("api-proxy", {"upstreams": [upstream], "retry": retry})
    return service("session-manager", {"summary_model": "teller"})


def ask(manager: Any, method: str, path: str, status: int = 200, **more: Any) -> Any:
    with manager.client as client:
        reply = client.request(method, path, timeout=120, **more)
        assert reply.status_code == status, (path, reply.text)
        return reply.json()


def begun(manager: Any) -> str:
    session: str = ask(manager, "POST", "/v1/sessions", 201, json={})["id"]
    for number in range(6):
        for role in ("user", "assistant"):
            said = {"role": role, "content": f"{role} {number} about zebras " + "x" * 400}
            entry = {"type": "message", "data": {"message": said}}
            ask(manager, "POST", f"/v1/sessions/{session}/entries", 201, json=entry)
    return session


def test_a_compaction_says_what_the_model_said(manager: Any, model: Model) -> None:
    session = begun(manager)
    before = ask(manager, "GET", f"/v1/sessions/{session}/entries")["entries"]
    wanted = {"strategy": "summarise", "keep": 300, "force": True, "instructions": "Name animals."}
    done = ask(manager, "POST", f"/v1/sessions/{session}/compact", json=wanted)
    assert (done["strategy"], done["fallback"]) == ("summarise", "")
    (asked,) = model.asked
    assert (asked["model"], "Name animals." in json.dumps(asked["system"])) == ("teller", True)
    assert "zebras" in json.dumps(asked["messages"])
    context = ask(manager, "GET", f"/v1/sessions/{session}/context")
    assert model.answer in json.dumps(context["messages"])
    after = ask(manager, "GET", f"/v1/sessions/{session}/entries")["entries"]
    assert after[: len(before)] == before


@pytest.mark.parametrize("trouble", ["status", "silence"])
def test_without_an_answer_it_is_an_extract_and_says_so(
    manager: Any, model: Model, trouble: str
) -> None:
    session = begun(manager)
    if trouble == "status":
        model.status = 500
    else:
        model.answer = "  "
    wanted = {"strategy": "summarise", "keep": 300, "force": True}
    done = ask(manager, "POST", f"/v1/sessions/{session}/compact", json=wanted)
    assert (done["compacted"], done["strategy"]) == (True, "extract")
    assert done["fallback"].startswith("no model could be asked")
    assert model.asked


def test_a_merge_brings_one_entry_that_the_model_wrote(manager: Any, model: Model) -> None:
    session = begun(manager)
    url = f"/v1/sessions/{session}"
    ask(manager, "POST", f"{url}/branches", 201, json={"name": "try", "workspace": False})
    for role in ("user", "assistant"):
        entry = {"type": "message", "branch": "try",
                 "data": {"message": {"role": role, "content": f"{role} saw a gnu"}}}  # fmt: skip
        ask(manager, "POST", f"{url}/entries", 201, json=entry)
    wanted = {"source": "try", "strategy": "summarise", "workspace": False}
    done = ask(manager, "POST", f"{url}/merge", json=wanted)
    assert (done["strategy"], done["fallback"]) == ("summarise", "")
    assert "gnu" in json.dumps(model.asked[-1]["messages"])
    context = json.dumps(ask(manager, "GET", f"{url}/context")["messages"])
    assert model.answer in context
    assert "saw a gnu" not in context
