"""A model that says what a script tells it: the Messages API on loopback, for real clients.

A client under test speaks to it as to its provider. It records every request, so that a test
can see what the client sent: the system prompt, the tools, the results of tools.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Block = dict[str, Any]
# Given the request's body: the blocks of the answer.
Script = Callable[[dict[str, Any]], list[Block]]


def says(text: str) -> Block:
    """A block of text."""
    return {"type": "text", "text": text}


def calls(tool: str, **arguments: Any) -> Block:
    """A block that calls a tool. The id is made when it is sent."""
    return {"type": "tool_use", "name": tool, "input": arguments}


class Model:
    """What the client asked, and where it asks."""

    def __init__(self, script: Script) -> None:
        self.requests: list[dict[str, Any]] = []
        self.url = ""
        self._script = script
        self._lock = threading.Lock()
        self._number = 0

    def answer(self, body: dict[str, Any]) -> list[Block]:
        """The next answer's blocks, with ids."""
        with self._lock:
            self.requests.append(body)
            self._number += 1
            blocks = self._script(body)
        return [
            {**block, "id": f"toolu_{self._number:04}{n:02}"} if _is_call(block) else block
            for n, block in enumerate(blocks)
        ]

    def results(self) -> list[str]:
        """The texts of all tool results that the client has sent, each once, in order."""
        found: dict[str, str] = {}
        for request in self.requests:
            for message in request.get("messages", []):
                for part in _parts(message.get("content")):
                    if part.get("type") == "tool_result":
                        found.setdefault(part["tool_use_id"], _text(part.get("content")))
        return list(found.values())


def turns(*answers: list[Block]) -> Script:
    """Answers in their order, one for each request that offers tools; then a closing word."""
    left = list(answers)

    def script(body: dict[str, Any]) -> list[Block]:
        # Clients also ask for titles and the like, without tools.
        return left.pop(0) if left and body.get("tools") else [says("Done.")]

    return script


@contextmanager
def serve(script: Script) -> Iterator[Model]:
    """Serve on a free port of the loopback until the block ends."""
    model = Model(script)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(model))
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(model: Model) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
                self._send(200, "application/json", json.dumps({"input_tokens": 1}).encode())
                return
            blocks = model.answer(body)
            if body.get("stream"):
                self._send(200, "text/event-stream", b"".join(_events(body, blocks)))
            else:
                whole = {**_message(body, _reason(blocks)), "content": blocks}
                self._send(200, "application/json", json.dumps(whole).encode())

        def do_GET(self) -> None:
            self._send(404, "application/json", b"{}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _is_call(block: Block) -> bool:
    return bool(block["type"] == "tool_use")


def _reason(blocks: list[Block]) -> str:
    return "tool_use" if any(map(_is_call, blocks)) else "end_turn"


def _message(body: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "scripted"),
        "content": [],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _events(body: dict[str, Any], blocks: list[Block]) -> Iterator[bytes]:
    yield _event("message_start", message=_message(body, None))
    for index, block in enumerate(blocks):
        if _is_call(block):
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        else:
            empty = {**block, "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        yield _event("content_block_start", index=index, content_block=empty)
        yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    end = {"stop_reason": _reason(blocks), "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": 1})
    yield _event("message_stop")


def _event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def _parts(content: Any) -> list[dict[str, Any]]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in _parts(content))
