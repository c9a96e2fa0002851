"""A model's word about contradictions, on request; the proxy is a real server on its socket."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.services.memory.conftest import Memories


class _Models(socketserver.ThreadingUnixStreamServer):
    said: str = "[]"
    asked: dict[str, Any]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = {"choices": [{"message": {"role": "assistant", "content": server.said}}]}
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def models(root: Path) -> Iterator[_Models]:
    place = root / "run/meso"
    place.mkdir(parents=True, exist_ok=True)
    with _Models(str(place / "api-proxy.sock"), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_what_a_model_says_counts_for_the_older_one(models: _Models, memories: Memories) -> None:
    old = memories.write("The operator drinks nothing but tea in the morning.")["memory"]["id"]
    new = memories.write("Each morning the operator has three cups of coffee.")["memory"]["id"]
    models.said = 'Sure: [{"number": 1, "why": "tea only\\nor coffee"}, {"number": 99}, 7]'
    told = memories.post(f"/v1/memories/{new}/check", {"model": "some/model"}, 200)
    assert told["compared"] == [old]
    assert [one["id"] for one in told["contradicts"]] == [old]
    assert memories.get(f"/v1/memories/{old}/why")["contradicted_by"] == [new]
    assert models.asked["model"] == "some/model"
    again = memories.post(f"/v1/memories/{new}/check", {"model": "some/model"}, 200)
    assert again == told
    assert memories.kinds(old).count("contradicted") == 1


@pytest.mark.parametrize("said", ["no idea", "{", "[1, 2", "[]"])
def test_an_unusable_answer_changes_nothing(models: _Models, memories: Memories, said: str) -> None:
    old = memories.write("The operator drinks nothing but tea in the morning.")["memory"]["id"]
    new = memories.write("Each morning the operator has three cups of coffee.")["memory"]["id"]
    models.said = said
    reply = memories.running.client.post(f"/v1/memories/{new}/check", json={"model": "m"})
    assert reply.status_code == (200 if said == "[]" else 502)
    assert memories.get(f"/v1/memories/{old}/why")["contradicted_by"] == []


def test_without_a_proxy_it_is_said(memories: Memories) -> None:
    memories.write("The operator drinks nothing but tea in the morning.")
    new = memories.write("Each morning the operator has coffee.")["memory"]["id"]
    reply = memories.post(f"/v1/memories/{new}/check", {"model": "m"}, 502)
    assert reply["error"]["code"] == "memory.model_failed"
